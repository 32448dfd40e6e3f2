"""The time contract at every clock change of every zone, against arithmetic on the offsets before and after it."""

import functools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conditions import Duration, add, at_local
from tests.conditions.test_duration import ZONES, moments

FIRST, LAST = datetime(2005, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
Change = tuple[datetime, timedelta, timedelta]


def offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    found = zone.utcoffset(instant.astimezone(zone))
    assert found is not None
    return found


@functools.cache
def changes(name: str) -> tuple[Change, ...]:
    """Instant, offset before and offset after of each change of the zone's clock."""
    zone, found, at = ZoneInfo(name), [], FIRST
    while at < LAST:
        following = at + timedelta(days=10)
        low, high, before = at, following, offset(zone, at)
        if before != offset(zone, following):
            while high - low > SECOND:
                middle = low + (high - low) // (2 * SECOND) * SECOND
                low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
            found.append((high, before, offset(zone, high)))
        at = following
    return tuple(found)


def expected(local: datetime, change: Change) -> datetime:
    """The instant of a local time near a change: by the offset before it, until the new offset's clock shows it alone."""
    instant, before, after = change
    first_by_new_offset = instant + max(before, after)
    return local - (before if local < first_by_new_offset else after)


def test_at_every_change_of_every_zone_a_skipped_time_moves_by_the_gap_and_of_two_the_first_counts() -> None:
    gaps = folds = 0
    for name in ZONES:
        zone = ZoneInfo(name)
        for change in changes(name):
            instant, before, after = change
            edges = {instant + before, instant + after}
            middle = min(edges) + abs(after - before) / 2
            gaps, folds = gaps + (after > before), folds + (after < before)
            for local in (*(edge + shift for edge in edges for shift in (-MINUTE, timedelta(0), MINUTE)), middle):
                shown = local.replace(tzinfo=None)
                found = at_local(shown.date(), shown.time(), zone)
                assert found == expected(local, change), (name, shown)
    assert gaps > 5000
    assert folds > 5000


def test_a_day_before_and_a_day_after_every_change_keep_the_time_of_day() -> None:
    day = Duration.parse("P1D")
    for name in ZONES:
        zone = ZoneInfo(name)
        for change in changes(name):
            instant, before, after = change
            start = instant - timedelta(hours=5)
            local = (start + before + timedelta(days=1)).replace(tzinfo=UTC)
            assert add(start, day, zone) == expected(local, change), name
            behind = instant + abs(after - before) + timedelta(hours=5)
            back = (behind + after - timedelta(days=1)).replace(tzinfo=UTC)
            assert add(behind, Duration.parse("-P1D"), zone) == expected(back, change), name


def test_the_sweep_meets_the_day_that_samoa_skipped() -> None:
    assert timedelta(days=1) in {after - before for _, before, after in changes("Pacific/Apia")}


durations = st.builds(
    lambda sign, parts: (
        sign + "P" + "".join(f"{parts[unit]}{unit}" for unit in "YMWD") + f"T{parts['h']}H{parts['m']}M{parts['s']}S",
        parts,
        -1 if sign else 1,
    ),
    st.sampled_from(["", "-"]),
    st.fixed_dictionaries(dict.fromkeys("YMWDhms", st.integers(0, 50))),
)


@given(durations)
def test_a_duration_is_the_sum_of_its_units(drawn: tuple[str, dict[str, int], int]) -> None:
    text, parts, sign = drawn
    found = Duration.parse(text)
    assert str(found) == text
    assert found.months == sign * (parts["Y"] * 12 + parts["M"])
    assert found.days == sign * (parts["W"] * 7 + parts["D"])
    assert found.seconds == sign * (parts["h"] * 3600 + parts["m"] * 60 + parts["s"])
    nothing = not any(parts.values())
    assert (found.is_positive, found.is_negative) == (not nothing and sign > 0, not nothing and sign < 0)


@given(moments(), durations)
def test_a_duration_lasts_between_its_bounds(moment: tuple[ZoneInfo, datetime], drawn: tuple[str, dict[str, int], int]) -> None:
    zone, instant = moment
    found = Duration.parse(drawn[0])
    length = abs(add(instant, found, zone) - instant)
    clock_change = timedelta(days=1, hours=2)
    assert found.shortest - clock_change <= length <= found.longest + clock_change


@given(moments(), st.integers(0, 400), st.integers(0, 100_000))
def test_calendar_units_come_first_and_the_rest_follows_on_the_absolute_clock(
    moment: tuple[ZoneInfo, datetime], days: int, seconds: int
) -> None:
    zone, instant = moment
    apart = add(add(instant, Duration.parse(f"P{days}D"), zone), Duration.parse(f"PT{seconds}S"), zone)
    assert add(instant, Duration.parse(f"P{days}DT{seconds}S"), zone) == apart


@given(moments(), st.integers(0, 400), st.integers(0, 400))
def test_in_utc_days_add_up_and_a_longer_duration_is_never_earlier(
    moment: tuple[ZoneInfo, datetime], one: int, other: int
) -> None:
    zone, instant = moment
    first, second = Duration.parse(f"P{one}D"), Duration.parse(f"P{other}D")
    assert add(add(instant, first, UTC), second, UTC) == add(instant, Duration.parse(f"P{one + other}D"), UTC)
    assert (add(instant, first, zone) <= add(instant, second, zone)) or one > other


@pytest.mark.parametrize(
    ("start", "duration", "expected_end"),
    [
        ("2024-02-29T12:00", "P1Y", "2025-02-28T12:00"),
        ("2024-02-29T12:00", "-P4Y", "2020-02-29T12:00"),
        ("2025-12-31T23:59", "P1D", "2026-01-01T23:59"),
        ("2025-12-31T23:59", "PT1M", "2026-01-01T00:00"),
        ("2025-12-31T12:00", "P2M", "2026-02-28T12:00"),
        ("2027-12-31T12:00", "P2M", "2028-02-29T12:00"),
        ("2026-01-31T12:00", "P1M", "2026-02-28T12:00"),
        ("2026-03-31T12:00", "-P1M", "2026-02-28T12:00"),
        ("1900-02-28T12:00", "P1D", "1900-03-01T12:00"),
        ("2000-02-28T12:00", "P1D", "2000-02-29T12:00"),
    ],
)
def test_leap_days_and_the_ends_of_months_and_years(start: str, duration: str, expected_end: str) -> None:
    found = add(datetime.fromisoformat(start).replace(tzinfo=UTC), Duration.parse(duration), UTC)
    assert found == datetime.fromisoformat(expected_end).replace(tzinfo=UTC)
