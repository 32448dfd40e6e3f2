"""Random journeys and random futures: nobody is in two places, every wait has a reason, exits win, the story repeats itself."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conditions import parse_condition
from journeys import Journey, parse_journey
from journeys.model import DateRef, StartJourney, Step, Timeout, WaitFor
from journeys.simulation import Life, Run, Script, Setting, simulate, simulate_population
from journeys.simulation.people import SegmentEntered, SegmentLeft
from policy import DeliveryPolicy
from tests.journeys.sound import sound_definitions

START = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
UNTIL = START + timedelta(days=90)
# It ends in no event that lets somebody in again: a circle that doubles with every round tells nothing and takes for ever.
OTHER = parse_journey(
    {
        "key": "other",
        "name": "Other",
        "purpose": "marketing",
        "entry": {"api": True, "reentry": "always"},
        "steps": [{"id": "o", "type": "wait", "for": "P3D"}, {"id": "e", "type": "emit_event", "event": "Paid"}],
    }
)
SETTING = Setting(
    journeys={"other": OTHER},
    segments={"buyers": parse_condition({"event": "Order", "within": "P10D"})},
    policy=DeliveryPolicy.model_validate({"quiet_hours": "21:00-08:00", "caps": [{"at_most": 2, "per": "P1D"}]}),
)

EVENTS = ("Order", "Paid", "E0", "E1", "E2")
happenings: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from([{"event": name, "properties": {"id": 1, "a": 2}} for name in EVENTS]),
    st.sampled_from([{"traits": {"dog": {"id": "d", "alive": alive, "birthdate": "2026-03-20"}}} for alive in (True, False)]),
    st.sampled_from([{"segment_entered": "vip"}, {"segment_left": "vip"}, {"enrol": {"entry_key": "k"}}]),
    st.builds(
        lambda number, status: {"message": f"s{number}", "status": status},
        st.integers(0, 9),
        st.sampled_from(["clicked", "bounced"]),
    ),
    st.builds(lambda number: {"call": f"s{number}", "status": 503}, st.integers(0, 9)),
)
"""What happens, without its instant: often at the same one."""


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """A person with a few happenings, who enters at the beginning."""
    often = [
        {"at": START + timedelta(hours=draw(st.integers(0, 120)) * 8), **happening}
        for happening in draw(st.lists(happenings, max_size=12))
    ]
    entering: list[dict[str, Any]] = [
        {"at": START, "event": "Order", "properties": {"id": 1}},
        {"at": START, "enrol": {"entry_key": "k"}},
    ]
    who = {
        "id": "ann",
        "consents": "all",
        "channels": ["email", "sms"],
        "traits": {"timezone": draw(st.sampled_from(["Europe/Berlin", "UTC"])), "number": 1},
    }
    return Script.model_validate({"person": who, "happenings": [*entering, *often], "begins": START})


DEAD = {"trait": "dog.alive", "eq": False}
DIED = {"dog": {"id": "d", "alive": False, "birthdate": "2026-03-20"}}
EXITS: tuple[tuple[dict[str, Any], str, Any], ...] = (
    ({"event": "Paid"}, "event", "Paid"),
    ({"event": "E1", "where": {"property": "a", "eq": 2}}, "event", "E1"),
    ({"event": "Paid", "where": {"property": "id", "eq": {"ref": "profile.traits.number"}}}, "event", "Paid"),
    ({"if": {"any": [{"event": "Paid"}, DEAD]}}, "event", "Paid"),
    ({"if": {"value": {"ref": "profile.traits.dog.alive"}, "eq": False}}, "traits", DIED),
    (DEAD, "traits", DIED),
    ({"if": DEAD}, "traits", DIED),
    ({"segment_entered": "vip"}, "segment_entered", "vip"),
    ({"segment_left": "vip"}, "segment_left", "vip"),
)
"""An exit rule, and the field and value of the happenings that meet it."""


def meetings(script: Script, field: str, value: Any) -> list[datetime]:
    """When such a thing happens; nobody leaves a segment that they are not in."""
    member, found = False, []
    for each in sorted(script.happenings, key=lambda each: each.at):
        if getattr(each, field, None) == value and (member or field != "segment_left"):
            found.append(each.at)
        member = isinstance(each, SegmentEntered) or (member and not isinstance(each, SegmentLeft))
    return found


def play(under_test: Journey, script: Script) -> Life:
    return simulate(under_test, script, SETTING, UNTIL)


def stands_for_a_reason(run: Run, lived: Journey) -> bool:
    stands = run.stands
    if run.end is not None:
        return stands is None
    if stands is None:
        return False
    if stands.until is not None:
        return stands.until > UNTIL
    if stands.kind == "held":
        return lived.entry.caps is not None
    return may_wait_without_end(lived.index.steps[stands.step])


def may_wait_without_end(step: Step) -> bool:
    """Only what says so: no timeout, or one by a date that somebody may not have; or a journey that may take as long."""
    match step:
        case WaitFor(timeout=None) | StartJourney(wait=True):
            return True
        case WaitFor(timeout=Timeout(until=DateRef(default=None))):
            return True
        case _:
            return False


common = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])


@common
@given(sound_definitions(), scripts())
def test_nobody_is_in_two_places_and_every_wait_ends_or_has_a_reason(definition: dict[str, Any], script: Script) -> None:
    under_test = parse_journey(definition)
    life = play(under_test, script)
    for run in life.runs:
        kinds = [line.kind for line in run.lines]
        assert kinds[0] == "entered"
        assert [line.at for line in run.lines] == sorted(line.at for line in run.lines)
        places = [place for place, _ in groupby((line.step, line.visit) for line in run.lines if line.step is not None)]
        assert len(places) == len(set(places))
        assert kinds.count("ended") == (run.end is not None)
        if run.end is not None:
            assert set(kinds[kinds.index("ended") + 1 :]) <= {"goal met"}
        assert stands_for_a_reason(run, OTHER if run.journey == OTHER.key else under_test)
        assert kinds.count("sent") <= len(run.messages)


@common
@given(sound_definitions(), scripts(), st.sampled_from(EXITS))
def test_an_exit_rule_wins_within_the_happening_that_meets_it(
    definition: dict[str, Any], script: Script, exit_by: tuple[dict[str, Any], str, Any]
) -> None:
    rule, field, value = exit_by
    under_test = parse_journey({**definition, "exit_when": [rule]})
    for run in play(under_test, script).own:
        later = [at for at in meetings(script, field, value) if at > run.entered_at]
        if later:
            assert run.end is not None
            assert run.end.at <= min(later)
            assert all(message.at <= run.end.at for message in run.messages)


@common
@given(sound_definitions(), scripts())
def test_the_same_inputs_tell_the_same_story_and_a_report_counts_it(definition: dict[str, Any], script: Script) -> None:
    under_test = parse_journey(definition)
    life = play(under_test, script)
    assert play(under_test, script) == life
    report = simulate_population(under_test, [script], SETTING, UNTIL)
    assert report.entered == len(life.own)
    assert sum(report.messages.values()) == sum(len(run.messages) for run in life.own)
    assert report.under_way == sum(run.end is None for run in life.own)
    assert report.goal_reached == sum(run.goal_at is not None for run in life.own)
