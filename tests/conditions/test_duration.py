"""The time contract, over every zone there is."""

import functools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conditions import ConditionError, Duration, add, at_local, parse_instant

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@functools.cache
def transitions(name: str) -> tuple[datetime, ...]:
    """The instants from 1970 to 2037 at which the zone's offset changes, found by looking, to the second."""
    zone, found = ZoneInfo(name), []
    step = timedelta(days=20)
    before = EPOCH
    while before.year < 2038:
        after = before + step
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = before, after
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        before = after
    return tuple(found)


@st.composite
def moments(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """A zone, and an instant that is near one of its clock changes as often as not."""
    name = draw(st.sampled_from(ZONES))
    instant = EPOCH + timedelta(seconds=draw(st.integers(0, 2_100_000_000)))
    if changes := transitions(name):
        nearby = draw(st.sampled_from(changes)) + timedelta(minutes=draw(st.integers(-60 * 48, 60 * 48)))
        instant = draw(st.sampled_from([instant, nearby]))
    return ZoneInfo(name), instant


def readings(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """Every instant at which a clock in the zone shows this local time, by trying all offsets in use around it."""
    naive = local.replace(tzinfo=UTC)
    offsets = {(naive + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in range(-50, 51)}
    candidates = {naive - offset for offset in offsets if offset is not None}
    return sorted(instant for instant in candidates if instant.astimezone(zone).replace(tzinfo=None) == local)


@settings(max_examples=400, deadline=None)
@given(moments(), st.integers(-3, 3))
def test_days_keep_the_time_of_day_or_move_forward_by_the_gap(moment: tuple[ZoneInfo, datetime], days: int) -> None:
    zone, instant = moment
    if days == 0:
        return
    wanted = (instant.astimezone(zone) + timedelta(days=days)).replace(tzinfo=None)
    moved = add(instant, Duration.parse(f"{'-' if days < 0 else ''}P{abs(days)}D"), zone)
    candidates = readings(wanted, zone)
    if candidates:
        assert moved == candidates[0]
        return
    shown = moved.astimezone(zone).replace(tzinfo=None)
    change = next(at for at in transitions(zone.key) if abs(at - moved) < timedelta(days=2) and at <= moved)
    gap = _offset(change, zone) - _offset(change - timedelta(seconds=1), zone)
    assert shown - wanted == gap


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


@settings(deadline=None)
@given(moments(), st.integers(-10_000_000, 10_000_000))
def test_hours_and_below_move_on_the_absolute_clock(moment: tuple[ZoneInfo, datetime], seconds: int) -> None:
    zone, instant = moment
    duration = Duration.parse(f"{'-' if seconds < 0 else ''}PT{abs(seconds)}S")
    assert add(instant, duration, zone) == instant + timedelta(seconds=seconds)


@settings(deadline=None)
@given(moments(), st.integers(-40, 40))
def test_months_land_on_the_same_day_or_the_month_s_last(moment: tuple[ZoneInfo, datetime], months: int) -> None:
    _, instant = moment
    moved = add(instant, Duration.parse(f"{'-' if months < 0 else ''}P{abs(months)}M"), UTC)
    assert (moved.year * 12 + moved.month) - (instant.year * 12 + instant.month) == months
    assert moved.timetz() == instant.timetz()
    assert moved.day == instant.day or (moved.day < instant.day and (moved + timedelta(days=1)).day == 1)


@settings(deadline=None)
@given(moments(), st.sampled_from(["P1D", "P1M", "P1Y", "PT5H", "P1M1DT1S"]))
def test_a_positive_duration_never_moves_back(moment: tuple[ZoneInfo, datetime], text: str) -> None:
    zone, instant = moment
    assert add(instant, Duration.parse(text), zone) >= instant


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("start", "duration", "expected"),
    [
        ("2026-03-28T02:30:00+01:00", "P1D", "2026-03-29T03:30:00+02:00"),  # 02:30 does not exist
        ("2026-03-28T02:30:00+01:00", "PT24H", "2026-03-29T03:30:00+02:00"),
        ("2026-03-28T12:00:00+01:00", "P1D", "2026-03-29T12:00:00+02:00"),  # 23 hours later
        ("2026-10-24T02:30:00+02:00", "P1D", "2026-10-25T02:30:00+02:00"),  # comes twice: the first
        ("2026-10-25T02:30:00+01:00", "PT0S", "2026-10-25T02:30:00+01:00"),  # the second stays where it is
        ("2024-02-29T09:00:00+01:00", "P1Y", "2025-02-28T09:00:00+01:00"),
        ("2024-02-29T09:00:00+01:00", "P4Y", "2028-02-29T09:00:00+01:00"),
        ("2026-01-31T09:00:00+01:00", "P1M", "2026-02-28T09:00:00+01:00"),
        ("2026-01-31T09:00:00+01:00", "P1M1D", "2026-03-01T09:00:00+01:00"),
        ("2026-03-31T09:00:00+02:00", "-P1M", "2026-02-28T09:00:00+01:00"),
        ("2026-01-01T09:00:00+01:00", "P1W2DT3H", "2026-01-10T12:00:00+01:00"),
    ],
)
def test_the_time_contract_by_example(start: str, duration: str, expected: str) -> None:
    assert add(datetime.fromisoformat(start), Duration.parse(duration), BERLIN) == datetime.fromisoformat(expected)


def test_a_day_that_a_country_skipped_moves_forward_by_that_day() -> None:
    apia = ZoneInfo("Pacific/Apia")
    assert at_local(date(2011, 12, 30), time(9), apia).astimezone(apia).isoformat() == "2011-12-31T09:00:00+14:00"


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "1D", "P1", "P1H", "P-1D", "P1.5D", "+P1D", "PT0.5S", "P901Y", "P1D ", "p1d", "P١D"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConditionError, match="is no duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1 day", "P1D"),
        ("3d", "P3D"),
        ("p3d", "P3D"),
        ("PT1D", "P1D"),
        ("P3H", "PT3H"),
        ("-3 days", "-P3D"),
        ("2 Weeks", "P2W"),
        ("1 day and 4 hours", "P1DT4H"),
        ("P1D4H", "P1DT4H"),
        ("pt30m", "PT30M"),
        ("1h30m", "PT1H30M"),
        ("30 minutes", "PT30M"),
        ("1 month", "P1M"),
    ],
)
def test_what_people_write_for_a_duration_is_told_as_one(text: str, meant: str) -> None:
    with pytest.raises(ConditionError, match=f"did you mean '{meant}'"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["30m", "P1", "soon", "3", "P1,5D", "2 days 3 days", "901 years", "1 fortnight"])
def test_what_may_mean_two_durations_or_none_is_answered_with_the_form(text: str) -> None:
    with pytest.raises(ConditionError, match="write an ISO 8601 duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29", "2024-02-29T00:00:00+00:00"),
        ("2024-02-29T10:00", "2024-02-29T10:00:00+00:00"),
        ("2024-02-29 10:00:00.5Z", "2024-02-29T10:00:00.500000+00:00"),
        ("2024-02-29T10:00:00-05:00", "2024-02-29T15:00:00+00:00"),
        ("2023-02-29", None),
        ("0999-01-01", None),
        ("2024-02-29T24:00", None),
        ("2024-02-29T10:00:60Z", None),
        ("20240229", None),
        ("2024-W09-4", None),
        ("2024-02-29T10:00+16:00", None),
        ("2024-02-29\n", None),
        (20240229, None),
    ],
)
def test_dates_are_read_in_one_form_only(text: object, expected: str | None) -> None:
    found = parse_instant(text)
    assert (found.isoformat() if found else None) == expected
