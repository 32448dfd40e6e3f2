"""The clock: one line through two anchors."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import Clock

_INSTANTS = st.integers(0, 4_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
_CLOCKS = st.builds(Clock, st.floats(0.1, 100_000), _INSTANTS, _INSTANTS)


@given(_CLOCKS, _INSTANTS)
def test_an_instant_there_and_back_again_is_the_same(clock: Clock, real: datetime) -> None:
    try:
        virtual = clock.to_virtual(real)
    except OverflowError:
        return
    assert abs(clock.to_real(virtual) - real) < timedelta(milliseconds=1)


@given(_CLOCKS)
def test_the_anchors_meet(clock: Clock) -> None:
    assert clock.to_virtual(clock.real_anchor) == clock.virtual_anchor
    assert clock.to_real(clock.virtual_anchor) == clock.real_anchor


def test_with_factor_one_and_no_anchors_it_is_the_machines_own_clock() -> None:
    clock = Clock()
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.is_real_time
    assert clock.is_real


def test_a_clock_that_is_set_to_another_day_runs_in_real_time_and_is_not_real() -> None:
    clock = Clock(1.0, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    assert clock.is_real_time
    assert not clock.is_real


def test_a_day_a_second() -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(86_400, anchor, anchor)
    assert clock.to_virtual(anchor + timedelta(seconds=31)) == datetime(2026, 2, 1, tzinfo=UTC)
    assert clock.real_seconds(timedelta(days=1)) == 1
    assert not clock.is_real_time


@pytest.mark.parametrize("factor", [0, -1])
def test_time_that_stands_or_runs_backwards_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Clock(factor)
