"""Windows, also across midnight, against a look at every minute of the week."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.model import Wait, Window
from journeys.timing import Instant, resolve_wait
from journeys.windows import DAYS, is_open, next_opening
from tests.conditions.test_duration import moments, transitions

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, WEEK = timedelta(minutes=1), 7 * 1440


def window(opens: str = "00:00", closes: str = "24:00", *days: str) -> Window:
    return Window.model_validate({"from": opens, "to": closes, **({"days": days} if days else {})})


@pytest.mark.parametrize(
    ("opens", "closes", "days", "instant", "expected"),
    [
        ("22:00", "06:00", (), "2026-03-02T12:00", "2026-03-02T22:00"),
        ("22:00", "06:00", (), "2026-03-02T23:30", "2026-03-02T23:30"),
        ("22:00", "06:00", (), "2026-03-03T05:59", "2026-03-03T05:59"),
        ("22:00", "06:00", (), "2026-03-03T06:00", "2026-03-03T22:00"),
        # `days` are those on which it opens: Friday night lasts into Saturday, Thursday night is closed on Friday morning.
        ("22:00", "06:00", ("fri",), "2026-03-07T03:00", "2026-03-07T03:00"),
        ("22:00", "06:00", ("fri",), "2026-03-06T03:00", "2026-03-06T22:00"),
        ("22:00", "06:00", ("fri",), "2026-03-07T07:00", "2026-03-13T22:00"),
        # Equal times are 24 hours from the one to the other.
        ("08:00", "08:00", ("sat",), "2026-03-08T07:59", "2026-03-08T07:59"),
        ("08:00", "08:00", ("sat",), "2026-03-08T08:00", "2026-03-14T08:00"),
        ("00:00", "00:00", ("sun",), "2026-03-07T23:59", "2026-03-08T00:00"),
        ("00:00", "24:00", (), "2026-03-07T23:59", "2026-03-07T23:59"),
        ("23:00", "00:00", (), "2026-03-08T00:00", "2026-03-08T23:00"),
        # 02:30 is skipped on 29 March: the window opens with the change, …
        ("02:30", "06:00", (), "2026-03-29T01:00", "2026-03-29T03:00"),
        # … and where all of it is skipped, on the next day.
        ("02:15", "02:45", (), "2026-03-29T01:00", "2026-03-30T02:15"),
    ],
)
def test_a_window_by_example(opens: str, closes: str, days: tuple[str, ...], instant: str, expected: str) -> None:
    found = next_opening(window(opens, closes, *days), datetime.fromisoformat(instant).replace(tzinfo=BERLIN), BERLIN)
    assert f"{found.astimezone(BERLIN):%Y-%m-%dT%H:%M}" == expected


def test_a_night_that_the_clock_goes_through_twice_is_open_both_times() -> None:
    first, second = (datetime.fromisoformat(f"2026-10-25T02:30:00+0{offset}:00") for offset in (2, 1))
    assert is_open(window("22:00", "03:00"), first, BERLIN)
    assert is_open(window("22:00", "03:00"), second, BERLIN)
    assert next_opening(window("02:15", "02:20"), first, BERLIN) == datetime.fromisoformat("2026-10-25T02:15:00+01:00")


def minutes(found: Window) -> set[int]:
    """The minutes of a week, Monday 00:00 being 0, in which the window is open."""
    opens = int(found.from_[:2]) * 60 + int(found.from_[3:])
    length = (int(found.to[:2]) * 60 + int(found.to[3:]) - opens - 1) % 1440 + 1
    return {(DAYS.index(day) * 1440 + opens + minute) % WEEK for day in found.days for minute in range(length)}


def minute_of_week(instant: datetime, zone: ZoneInfo) -> int:
    local = instant.astimezone(zone)
    return local.weekday() * 1440 + local.hour * 60 + local.minute


clocks = st.times().map(lambda found: found.replace(second=0, microsecond=0))


@settings(deadline=None, max_examples=120)
@given(moments(), clocks, clocks, st.sets(st.sampled_from(DAYS), min_size=1))
def test_a_wait_ends_in_the_first_minute_in_which_the_window_is_open(
    moment: tuple[ZoneInfo, datetime], opens: time, closes: time, days: set[str]
) -> None:
    zone, instant = moment
    instant = instant.replace(second=0, year=max(instant.year, 1973), day=min(instant.day, 28))
    found = window(f"{opens:%H:%M}", f"{closes:%H:%M}", *sorted(days))
    allowed = minutes(found)
    expected = instant
    while minute_of_week(expected, zone) not in allowed:
        expected += MINUTE
    assert next_opening(found, instant, zone) == expected
    step = Wait.model_validate({"id": "w", "type": "wait", "for": "PT0S", "window": found})
    assert resolve_wait(step, entered_at=instant, now=instant, anchor=None, zone=zone) == Instant(expected)


@settings(deadline=None, max_examples=60)
@given(moments(), st.integers(-3, 3), st.integers(0, 3), st.integers(1, 3))
def test_a_window_that_opens_or_closes_within_a_change_of_the_clock_is_open_from_the_first_minute_that_is_shown(
    moment: tuple[ZoneInfo, datetime], shift: int, length: int, half_hours: int
) -> None:
    zone, instant = moment
    near = [at for at in transitions(zone.key) if at.year > 1973]
    change = near[instant.second % len(near)] if near else instant.replace(year=2000, day=1, second=0)
    opens = (change + MINUTE * 30 * shift).astimezone(zone)
    closes = opens.replace(tzinfo=None) + MINUTE * 30 * (length * 4 + half_hours)
    found = window(f"{opens:%H:%M}", f"{closes:%H:%M}")
    allowed = minutes(found)
    for hours in (-30, -2, -1, 0, 1, 2):
        expected = start = change + timedelta(hours=hours, minutes=7)
        while minute_of_week(expected, zone) not in allowed:
            expected += MINUTE
        assert next_opening(found, start, zone) == expected
