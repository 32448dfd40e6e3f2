"""When waits end, in every zone."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conditions import Duration, add, at_local
from journeys import parse_journey
from journeys.model import Timeout, Wait, WaitFor
from journeys.timing import (
    Instant,
    Past,
    anchor_of,
    parse_anchor,
    past_due,
    resolve_timeout,
    resolve_wait,
    zone_of,
)
from tests.conditions.test_duration import ZONES, moments
from tests.journeys.helpers import FOLLOW_UP, PUPPY, reference, small

BERLIN = "Europe/Berlin"
ENTERED = datetime.fromisoformat("2026-03-02T08:00:00+01:00")


def wait(**fields: object) -> Wait:
    step = parse_journey(small({"id": "w", "type": "wait", **fields})).index.steps["w"]
    assert isinstance(step, Wait)
    return step


def ends(
    step: Wait, *, anchor: str | None = None, entered: datetime = ENTERED, now: datetime | None = None, zone: str = BERLIN
) -> object:
    found = resolve_wait(step, entered_at=entered, now=now or entered, anchor=anchor_of(step.until, anchor, zone), zone=zone)
    return found.at.astimezone(ZoneInfo(zone)).isoformat() if isinstance(found, Instant) else found


def test_the_reminder_goes_out_the_day_before_at_ten_on_the_persons_clock() -> None:
    step = reference(FOLLOW_UP).index.steps["day-before"]
    assert isinstance(step, Wait)
    assert ends(step, anchor="2026-03-30T19:00:00+02:00") == "2026-03-29T10:00:00+02:00"
    assert ends(step, anchor="2026-03-30T19:00:00+02:00", zone="America/New_York") == "2026-03-29T10:00:00-04:00"
    late = ends(step, anchor="2026-03-02T19:00:00+01:00")
    assert late == Past(datetime(2026, 3, 1, 9, tzinfo=UTC), "goto", "attendance")


def test_a_birthday_is_a_day_where_the_person_lives() -> None:
    step = reference(PUPPY).index.steps["eight-weeks"]
    assert isinstance(step, Wait)
    assert ends(step, anchor="2026-02-15", zone="America/Los_Angeles") == "2026-04-12T09:30:00-07:00"
    assert ends(step, anchor="2026-02-15", zone="Pacific/Auckland") == "2026-04-12T09:30:00+12:00"


def test_eighteen_hours_that_end_at_night_or_on_sunday_move_to_the_next_opening() -> None:
    step = reference(FOLLOW_UP).index.steps["breathe"]
    assert isinstance(step, Wait)
    friday_evening, saturday_evening = datetime(2026, 3, 6, 19, tzinfo=UTC), datetime(2026, 3, 7, 19, tzinfo=UTC)
    assert ends(step, entered=friday_evening) == "2026-03-07T14:00:00+01:00"
    assert ends(step, entered=saturday_evening) == "2026-03-09T09:00:00+01:00"


@pytest.mark.parametrize(
    ("fields", "anchor", "expected"),
    [
        ({"for": "P1D"}, None, "2026-03-03T08:00:00+01:00"),
        ({"for": "P1D", "at": "07:15"}, None, "2026-03-03T07:15:00+01:00"),
        ({"for": "PT12H", "at": "07:15"}, None, "2026-03-03T07:15:00+01:00"),
        ({"for": "PT0S", "at": "08:00"}, None, "2026-03-03T08:00:00+01:00"),
        ({"for": "PT1H", "at": "08:30"}, None, "2026-03-02T08:30:00+01:00"),
        ({"between": ["PT1H", "PT4H"], "at": "08:00"}, None, "2026-03-03T08:00:00+01:00"),
        ({"until": "2026-03-02T12:00", "at": "07:00"}, None, Past(datetime(2026, 3, 2, 6, tzinfo=UTC), "continue")),
        ({"for": "P100Y"}, None, "2126-03-02T08:00:00+01:00"),
        ({"until": "2026-06-01"}, None, "2026-06-01T00:00:00+02:00"),
        ({"until": "2026-06-01T09:00"}, None, "2026-06-01T09:00:00+02:00"),
        ({"until": "2026-06-01T09:00:00Z"}, None, "2026-06-01T11:00:00+02:00"),
        (
            {"until": {"ref": "profile.traits.x", "default": {"after": "P30D"}}, "offset": "-P5D"},
            None,
            "2026-03-27T08:00:00+01:00",
        ),
        ({"until": {"ref": "profile.traits.x", "default": {"after": "P30D"}}}, "soon", "2026-04-01T08:00:00+02:00"),
        (
            {"until": {"ref": "profile.traits.x"}},
            "2026-03-02T07:59:00",
            Past(datetime(2026, 3, 2, 6, 59, tzinfo=UTC), "continue"),
        ),
        ({"until": {"ref": "profile.traits.x"}, "late_by": "PT5M"}, "2026-03-02T07:59:00", "2026-03-02T07:59:00+01:00"),
        ({"until": {"ref": "profile.traits.x"}, "if_past": "exit"}, None, Past(None, "exit")),
        ({"until": "2026-03-29", "at": "02:30"}, None, "2026-03-29T03:30:00+02:00"),
        ({"until": "2026-10-25", "at": "02:30"}, None, "2026-10-25T02:30:00+02:00"),
        ({"for": "PT0S", "window": {"days": ["sun"]}}, None, "2026-03-08T00:00:00+01:00"),
        ({"for": "PT0S", "window": {"from": "08:00"}}, None, "2026-03-02T08:00:00+01:00"),
        ({"for": "PT0S", "window": {"to": "08:00"}}, None, "2026-03-03T00:00:00+01:00"),
    ],
)
def test_a_wait_ends_by_example(fields: dict[str, object], anchor: str | None, expected: object) -> None:
    assert ends(wait(**fields), anchor=anchor) == expected


def test_a_wait_that_ended_during_a_pause_follows_its_policy_unless_it_is_hardly_late() -> None:
    step = wait(**{"for": "P1D", "if_past": "exit", "late_by": "PT6H"})
    due = ENTERED + timedelta(days=1)
    assert past_due(step, due, due + timedelta(hours=6), BERLIN) is None
    assert past_due(step, due, due + timedelta(hours=7), BERLIN) == Past(due, "exit")


def test_a_timeout_ends_relative_to_its_date_and_without_a_date_not_at_all() -> None:
    attendance, bag = reference(FOLLOW_UP).index.steps["attendance"], reference(PUPPY).index.steps["bag-empty"]
    assert isinstance(attendance, WaitFor)
    assert isinstance(bag, WaitFor)
    assert isinstance(attendance.timeout, Timeout)
    assert isinstance(bag.timeout, Timeout)
    ended = parse_anchor("2026-03-30T21:00:00Z", BERLIN)
    assert resolve_timeout(attendance.timeout, entered_at=ENTERED, anchor=ended, zone=BERLIN) == Instant(
        datetime(2026, 3, 31, tzinfo=UTC)
    )
    assert resolve_timeout(attendance.timeout, entered_at=ENTERED, anchor=None, zone=BERLIN) is None
    by_default = resolve_timeout(bag.timeout, entered_at=ENTERED, anchor=None, zone="UTC")
    assert by_default == Instant(ENTERED + timedelta(days=25))


def test_an_invalid_zone_falls_back_and_is_noted() -> None:
    assert zone_of("Asia/Tokyo", BERLIN, "UTC") == (ZoneInfo("Asia/Tokyo"), None)
    assert zone_of(None, BERLIN, "UTC") == (ZoneInfo(BERLIN), None)
    for nonsense in ("Mars/Olympus", "../../etc/passwd", "Europe", "\0", "x" * 5000, "EUROPE/berlin\n"):
        zone, noted = zone_of(nonsense, None, BERLIN)
        assert zone == ZoneInfo(BERLIN)
        assert noted is not None
        assert noted.severity == "warning"
    assert zone_of("Mars/Olympus", None, None)[0] == ZoneInfo("UTC")


clocks = st.times().map(lambda found: found.replace(second=0, microsecond=0))


@settings(deadline=None)
@given(moments(), clocks, st.sampled_from(["PT0S", "PT1M", "PT12H", "PT36H", "P1D", "P1M"]), st.sampled_from(["for", "between"]))
def test_a_time_of_day_after_a_duration_is_ahead_of_the_arrival_in_every_zone(
    moment: tuple[ZoneInfo, datetime], clock: time, duration: str, measure: str
) -> None:
    zone, instant = moment
    fields = {measure: [duration, duration] if measure == "between" else duration}
    found = resolve_wait(wait(**fields, at=f"{clock:%H:%M}"), entered_at=instant, now=instant, anchor=None, zone=zone)
    assert isinstance(found, Instant)
    assert found.at > instant
    timeout = Timeout.model_validate({"after": duration, "at": f"{clock:%H:%M}"})
    assert resolve_timeout(timeout, entered_at=instant, anchor=None, zone=zone) == found


@settings(deadline=None)
@given(moments(), clocks, st.integers(1, 400))
def test_a_time_of_day_is_kept_on_the_resulting_day_unless_a_gap_moves_it(
    moment: tuple[ZoneInfo, datetime], clock: time, days: int
) -> None:
    zone, instant = moment
    step = wait(**{"for": f"P{days}D", "at": f"{clock:%H:%M}"})
    plain = resolve_wait(wait(**{"for": f"P{days}D"}), entered_at=instant, now=instant, anchor=None, zone=zone)
    found = resolve_wait(step, entered_at=instant, now=instant - timedelta(days=800), anchor=None, zone=zone)
    assert isinstance(plain, Instant)
    assert isinstance(found, Instant)
    local, day = found.at.astimezone(zone), plain.at.astimezone(zone).date()
    moved = local.replace(tzinfo=None) - datetime.combine(day, clock)
    assert timedelta(0) <= moved <= timedelta(days=1)
    if moved:
        assert datetime.combine(day, clock, zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != datetime.combine(
            day, clock
        )


@settings(deadline=None)
@given(moments(), st.integers(0, 400))
def test_days_of_tolerance_are_days_on_the_persons_wall_clock(moment: tuple[ZoneInfo, datetime], days: int) -> None:
    zone, due = moment
    step = wait(**{"for": "P1D", "if_past": "exit", "late_by": f"P{days}D"})
    last = add(due, Duration.parse(f"P{days}D"), zone)
    assert past_due(step, due, last, zone) is None
    assert past_due(step, due, last + timedelta(seconds=1), zone) == Past(due, "exit")


def birthday(**more: object) -> Wait:
    return Wait.model_validate(
        {"id": "w", "type": "wait", "until": {"ref": "profile.traits.birthdate", "yearly": True}, "at": "09:00", **more}
    )


def next_birthday(step: Wait, born: str, now: str, zone: str = "Europe/Berlin") -> str:
    entered = datetime.fromisoformat(now)
    found = resolve_wait(step, entered_at=entered, now=entered, anchor=parse_anchor(born, zone), zone=zone)
    assert isinstance(found, Instant)
    return found.at.astimezone(ZoneInfo(zone)).isoformat()


def test_a_yearly_date_is_its_next_anniversary_on_the_persons_clock() -> None:
    assert next_birthday(birthday(), "1990-07-12", "2026-03-01T12:00:00+00:00") == "2026-07-12T09:00:00+02:00"
    assert next_birthday(birthday(), "1990-07-12", "2026-03-01T12:00:00+00:00", "Asia/Tokyo") == "2026-07-12T09:00:00+09:00"


def test_on_the_day_itself_the_hour_decides_and_the_greeting_just_sent_is_not_sent_again() -> None:
    assert next_birthday(birthday(), "1990-07-12", "2026-07-12T05:00:00+00:00") == "2026-07-12T09:00:00+02:00"
    assert next_birthday(birthday(), "1990-07-12", "2026-07-12T06:59:59.960+00:00") == "2027-07-12T09:00:00+02:00"
    assert next_birthday(birthday(), "1990-07-12", "2026-07-12T08:00:00+00:00") == "2027-07-12T09:00:00+02:00"


def test_a_leap_day_is_kept_on_the_28th_in_common_years() -> None:
    assert next_birthday(birthday(), "2024-02-29", "2026-01-01T00:00:00+00:00") == "2026-02-28T09:00:00+01:00"
    assert next_birthday(birthday(), "2024-02-29", "2028-01-01T00:00:00+00:00") == "2028-02-29T09:00:00+01:00"


def test_an_offset_moves_each_anniversary() -> None:
    assert next_birthday(birthday(offset="-P1W"), "1990-01-03", "2026-12-20T00:00:00+00:00") == "2026-12-27T09:00:00+01:00"
    assert next_birthday(birthday(offset="-P1W"), "1990-01-03", "2026-12-27T12:00:00+00:00") == "2027-12-27T09:00:00+01:00"


@settings(deadline=None)
@given(moments(), st.integers(1, 50), st.integers(0, 50), st.floats(0, 1, exclude_max=True), clocks)
def test_a_random_wait_ends_between_its_ends_and_then_keeps_its_time_of_day(
    moment: tuple[ZoneInfo, datetime], least: int, more: int, drawn: float, clock: time
) -> None:
    zone, instant = moment
    ends = [f"P{least}D", f"P{least + more}D"]

    def end(**fields: object) -> datetime:
        found = resolve_wait(
            wait(**fields), entered_at=instant, now=instant - timedelta(days=2), anchor=None, zone=zone, drawn=drawn
        )
        assert isinstance(found, Instant)
        return found.at

    plain = end(between=ends)
    assert end(**{"for": ends[0]}) <= plain <= end(**{"for": ends[1]})
    assert end(between=ends, at=f"{clock:%H:%M}") == at_local(plain.astimezone(zone).date(), clock, zone)
    night = end(between=ends, window={"from": "22:00", "to": "06:00"}).astimezone(zone)
    assert night.hour >= 22 or night.hour < 6
    assert night >= plain


def test_where_in_a_random_wait_somebody_ends_is_what_was_drawn() -> None:
    step = wait(between=["PT0S", "PT10H"])
    found = [
        resolve_wait(step, entered_at=ENTERED, now=ENTERED, anchor=None, zone=BERLIN, drawn=drawn) for drawn in (0.0, 0.25, 0.999)
    ]
    assert found[:2] == [Instant(ENTERED.astimezone(UTC)), Instant(ENTERED.astimezone(UTC) + timedelta(hours=2, minutes=30))]
    assert found[2] != found[1]


@settings(deadline=None)
@given(moments(), st.integers(-100, 100), st.none() | st.integers(0, 100), st.sampled_from(["continue", "exit", {"goto": "w"}]))
def test_a_date_too_long_past_follows_its_policy_and_one_in_time_does_not(
    moment: tuple[ZoneInfo, datetime], hours: int, tolerance: int | None, policy: object
) -> None:
    zone, due = moment
    late = {} if tolerance is None else {"late_by": f"PT{tolerance}H"}
    step = wait(until={"ref": "entry.properties.at"}, if_past=policy, **late)
    now = due + timedelta(hours=hours)
    found = resolve_wait(step, entered_at=now, now=now, anchor=due, zone=zone)
    if hours > (tolerance or 0):
        target = policy["goto"] if isinstance(policy, dict) else None
        assert found == Past(due, "goto" if target else policy, target)  # type: ignore[arg-type]
    else:
        assert found == Instant(due)


@settings(deadline=None)
@given(moments(), st.integers(-60, 60), st.integers(0, 23))
def test_an_offset_comes_before_the_time_of_day(moment: tuple[ZoneInfo, datetime], days: int, hour: int) -> None:
    zone, anchor = moment
    step = wait(until={"ref": "entry.properties.at"}, offset=f"{'-' if days < 0 else ''}P{abs(days)}D", at=f"{hour:02}:00")
    found = resolve_wait(step, entered_at=anchor, now=anchor - timedelta(days=90), anchor=anchor, zone=zone)
    moved = add(anchor, Duration.parse(f"{'-' if days < 0 else ''}P{abs(days)}D"), zone)
    assert found == Instant(at_local(moved.astimezone(zone).date(), time(hour), zone))
    timeout = Timeout.model_validate(step.model_dump(mode="json", include={"until", "offset", "at"}))
    assert resolve_timeout(timeout, entered_at=anchor, anchor=anchor, zone=zone) == found


@given(st.text(max_size=20) | st.sampled_from(["", "..", "/etc/passwd", "Europe/Berlin\x00", "a" * 3000, "../../etc", "Europe"]))
def test_a_zone_that_does_not_exist_is_passed_over_and_noted_whatever_is_written(name: str) -> None:
    if name in ZONES:
        return
    found, noted = zone_of(name, BERLIN, None)
    assert found == ZoneInfo(BERLIN)
    assert (noted is None) is (not name)
