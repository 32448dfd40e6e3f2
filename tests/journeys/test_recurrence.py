"""Schedules against a naive enumeration of days, and on both edges of a clock change."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conditions import at_local
from journeys import JourneyError
from journeys.model import Schedule
from journeys.recurrence import next_occurrence, occurrences, parse_rule, rule_problems
from tests.conditions.test_duration import moments

BERLIN = "Europe/Berlin"
NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def schedule(rrule: str, starts: str = "2026-01-01", at: str = "09:00", zone: str | None = None) -> Schedule:
    return Schedule(rrule=rrule, starts=starts, at=at, **({} if zone is None else {"zone": zone}))


def local(*found: datetime, zone: str = BERLIN) -> list[str]:
    return [f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" for instant in found]


def several(rrule: str, starts: str, *, at: str = "09:00", zone: str = BERLIN, years: int = 9) -> list[str]:
    first = datetime.fromisoformat(starts).replace(tzinfo=UTC)
    return local(*occurrences(schedule(rrule, starts, at), first, first + timedelta(days=366 * years), zone), zone=zone)


@pytest.mark.parametrize(
    ("rrule", "starts", "expected"),
    [
        ("FREQ=DAILY;COUNT=3", "2026-01-30", ["2026-01-30", "2026-01-31", "2026-02-01"]),
        ("FREQ=DAILY;INTERVAL=2;UNTIL=20260103", "2026-01-01", ["2026-01-01", "2026-01-03"]),
        ("FREQ=WEEKLY;BYDAY=TU;COUNT=2", "2026-01-01", ["2026-01-06", "2026-01-13"]),
        ("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=MO;COUNT=3", "2026-01-05", ["2026-01-05", "2026-01-09", "2026-01-19"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", "2026-01-01", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("FREQ=MONTHLY;COUNT=3", "2026-01-31", ["2026-01-31", "2026-03-31", "2026-05-31"]),
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=2", "2026-01-01", ["2026-01-30", "2026-02-27"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1;COUNT=2", "2026-01-02", ["2026-02-02", "2026-03-02"]),
        ("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=1;COUNT=2", "2026-12-02", ["2027-12-01", "2028-12-01"]),
        # A birthday on a leap day: as written it comes every four years, …
        ("FREQ=YEARLY;COUNT=2", "2024-02-29", ["2024-02-29", "2028-02-29"]),
        # … on the last day of February it comes every year.
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1;COUNT=3", "2024-02-29", ["2024-02-29", "2025-02-28", "2026-02-28"]),
        ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;COUNT=1", "2026-01-01", ["2026-12-28"]),
        ("FREQ=YEARLY;BYYEARDAY=-1;COUNT=2", "2026-01-01", ["2026-12-31", "2027-12-31"]),
    ],
)
def test_a_rule_names_its_days(rrule: str, starts: str, expected: list[str]) -> None:
    assert [found[:10] for found in several(rrule, starts)] == expected


def test_each_time_is_on_the_wall_clock_and_a_time_that_is_skipped_moves_forward_by_the_gap() -> None:
    assert several("FREQ=DAILY;COUNT=3", "2026-03-28", at="02:30") == ["2026-03-28 02:30", "2026-03-29 03:30", "2026-03-30 02:30"]


def test_a_time_that_comes_twice_is_the_first() -> None:
    found = next_occurrence(schedule("FREQ=DAILY", at="02:30"), datetime(2026, 10, 24, 12, tzinfo=UTC), BERLIN)
    assert found == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert next_occurrence(schedule("FREQ=DAILY", at="02:30"), found, BERLIN) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_day_that_a_country_skipped_comes_once_and_not_twice() -> None:
    days = several("FREQ=DAILY;UNTIL=20120101", "2011-12-29", zone="Pacific/Apia", years=1)
    assert days == ["2011-12-29 09:00", "2011-12-31 09:00", "2012-01-01 09:00"]


def test_a_schedule_s_own_zone_counts_before_the_person_s_and_an_invalid_one_is_passed_over() -> None:
    after = datetime(2026, 6, 1, tzinfo=UTC)
    of_its_own, invalid = schedule("FREQ=DAILY", zone="Asia/Tokyo"), schedule("FREQ=DAILY", zone="Mars/Olympus")
    assert next_occurrence(of_its_own, after, BERLIN) == datetime(2026, 6, 2, 0, tzinfo=UTC)
    assert next_occurrence(invalid, after, ZoneInfo(BERLIN)) == datetime(2026, 6, 1, 7, tzinfo=UTC)


def test_a_rule_that_has_ended_has_no_next_time() -> None:
    assert next_occurrence(schedule("FREQ=DAILY;COUNT=2"), datetime(2026, 1, 2, 8, tzinfo=UTC), BERLIN) is None
    assert next_occurrence(schedule("FREQ=DAILY;COUNT=2"), datetime(2026, 1, 1, 8, tzinfo=UTC), BERLIN) is not None


@st.composite
def rules(draw: st.DrawFn) -> tuple[Schedule, list[date]]:
    """A schedule of three years, and its days by looking at every single day."""
    first = date(2024, 1, 1) + timedelta(days=draw(st.integers(0, 800)))
    last = first + timedelta(days=draw(st.integers(1, 1100)))
    days = [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
    interval = draw(st.integers(1, 3))
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    weekdays = draw(st.sets(st.sampled_from(NAMES), min_size=1)) if draw(st.booleans()) else set()
    month_days = draw(st.sets(st.sampled_from([1, 15, 29, 31, -1, -30]), min_size=1)) if frequency != "WEEKLY" else set()
    parts = [f"FREQ={frequency}", f"INTERVAL={interval}"]

    def months(day: date) -> int:
        return day.year * 12 + day.month

    def turn(day: date) -> int:
        match frequency:
            case "DAILY":
                return (day - first).days
            case "WEEKLY":
                return ((day - timedelta(days=day.weekday())) - (first - timedelta(days=first.weekday()))).days // 7
            case "MONTHLY":
                return months(day) - months(first)
            case _:
                return day.year - first.year

    if not weekdays and frequency == "WEEKLY":
        weekdays = {NAMES[first.weekday()]}
    else:
        parts += [f"BYDAY={','.join(sorted(weekdays))}"] if weekdays else []
    parts += [f"BYMONTHDAY={','.join(map(str, sorted(month_days)))}"] if month_days else []

    def named(day: date) -> bool:
        length = calendar.monthrange(day.year, day.month)[1]
        in_month = not month_days or day.day in month_days or day.day - length - 1 in month_days
        return turn(day) % interval == 0 and in_month and (not weekdays or NAMES[day.weekday()] in weekdays)

    found = [day for day in days if named(day)]
    if draw(st.booleans()):
        parts.append(f"UNTIL={last:%Y%m%d}")
    elif found:
        found = found[: draw(st.integers(1, len(found)))]
        parts.append(f"COUNT={len(found)}")
    else:
        parts.append(f"UNTIL={last:%Y%m%d}")
    at = f"{draw(st.integers(0, 23)):02}:{draw(st.sampled_from([0, 30])):02}"
    return schedule(";".join(parts), str(first), at), found


@settings(max_examples=150, deadline=None)
@given(rules(), moments(), st.integers(0, 1500))
def test_a_schedule_is_the_days_that_a_look_at_every_day_finds(
    rule: tuple[Schedule, list[date]], moment: tuple[ZoneInfo, datetime], ahead: int
) -> None:
    found, days = rule
    zone = moment[0]
    instants = sorted({at_local(day, time.fromisoformat(found.at), zone) for day in days})
    everything = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
    assert list(occurrences(found, *everything, zone)) == instants
    after = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=ahead)
    assert next_occurrence(found, after, zone) == next((instant for instant in instants if instant > after), None)


@pytest.mark.parametrize(
    ("rrule", "said"),
    [
        ("", "FREQ is missing"),
        ("FREQ=WEKLY", "did you mean 'WEEKLY'?"),
        ("FREQ=HOURLY", "no rhythm of whole days"),
        ("FREQ=DAILY;BYHOUR=9", "into 'at'"),
        ("FREQ=WEEKLY;BYDAYS=MO", "did you mean 'BYDAY'?"),
        ("FREQ=WEEKLY;BYDAY=MON", "BYDAY=MON is no day of the week"),
        ("FREQ=MONTHLY;BYDAY=99MO", "no such week"),
        ("FREQ=WEEKLY;BYDAY=1MO", "only within months and years"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 is no whole number"),
        ("FREQ=DAILY;COUNT=-1", "COUNT=-1 is no whole number"),
        ("FREQ=DAILY;UNTIL=20260230", "UNTIL=20260230 is no day"),
        ("FREQ=DAILY;UNTIL=20260201T000000Z", "UNTIL=20260201T000000Z is no day"),
        ("FREQ=DAILY;UNTIL=20260201;COUNT=3", "exclude each other"),
        ("FREQ=DAILY;FREQ=WEEKLY", "said twice"),
        ("FREQ=DAILY;COUNT=", "COUNT has no value"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH=13 does not exist"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY=0 does not exist"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "not for FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYWEEKNO=3", "for FREQ=YEARLY only"),
        ("FREQ=MONTHLY;BYYEARDAY=3", "for FREQ=YEARLY only"),
        ("FREQ=MONTHLY;BYSETPOS=1", "among the days of another part"),
        ("FREQ=DAILY;BYDAY=MO;BYSETPOS=1", "one day in each day"),
        ("FREQ=YEARLY;WKST=XX", "WKST=XX is no day of the week"),
        ("FREQ=DAILY;BYMONTH=2,4;BYMONTHDAY=31", "none of these months"),
        ("FREQ=DAILY;UNTIL=20250101", "names no day"),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=2", "names no day"),
    ],
)
def test_a_rule_that_is_wrong_is_refused_with_its_place_and_a_remedy(rrule: str, said: str) -> None:
    found = rule_problems(schedule(rrule))
    assert any(said in str(problem) and problem.path == "$.entry.schedule.rrule" and problem.remedy for problem in found), found


def test_every_problem_of_a_schedule_is_found_at_once() -> None:
    wrong = schedule("FREQ=DAYLY;BYHOUR=3;COUNT=x", "1899-01-01T09:00", zone="Mars/Olympus")
    assert [problem.path.rpartition(".")[2] for problem in rule_problems(wrong)] == ["rrule"] * 3 + ["starts", "starts", "zone"]
    with pytest.raises(JourneyError) as caught:
        parse_rule(wrong)
    assert len(caught.value.problems) == 4


@given(st.text(alphabet="FREQDAILYWKONTHCU=;,-0123456789BSP", max_size=60))
def test_any_text_is_a_rule_or_has_problems(text: str) -> None:
    found = schedule(text)
    assert rule_problems(found) or next_occurrence(found, datetime(2025, 1, 1, tzinfo=UTC), UTC) is not None
