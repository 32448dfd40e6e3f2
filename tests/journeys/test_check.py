"""What `check` finds in journeys that are well formed and yet wrong."""

import pytest

from journeys import Catalog, check, parse_journey
from journeys.catalog import TemplateFacts
from journeys.check import errors
from tests.journeys.helpers import FOLLOW_UP, PUPPY, REFERENCES, goto, pause, reference, send, small, wait_for


def branch(step_id: str, *paths: object, otherwise: object = ()) -> dict[str, object]:
    return {"id": step_id, "type": "branch", "paths": list(paths), "otherwise": list(otherwise)}  # type: ignore[call-overload]


def vip(path_id: str, *steps: object) -> dict[str, object]:
    return {"id": path_id, "if": {"segment": "vip"}, "steps": list(steps)}


def split(*paths: object) -> dict[str, object]:
    return {"id": "s", "type": "split", "paths": list(paths)}


def repeat(step_id: str, *steps: object, **more: object) -> dict[str, object]:
    return {"id": step_id, "type": "repeat", "max": 3, "steps": list(steps), **more}


def update(value: object) -> dict[str, object]:
    return {"id": "u", "type": "update_profile", "set": {"x": value}}


SOON = {"after": "P1D"}
SEGMENT_ENTRY = {"entry": {"segment_entered": "vip"}}
ERROR, WARNING = "error", "warning"


@pytest.mark.parametrize(
    ("data", "path", "said", "severity"),
    [
        (small(send("a"), send("a")), "$.steps[1].id", "taken by $.steps[0]", ERROR),
        (small(send("a"), send("a", channels=["sms", "sms"])), "$.steps[1].channels", "named twice", ERROR),
        (small(purpose="marketting"), "$.purpose", "did you mean 'marketing'?", WARNING),
        (small(send("a", purpose="Transactional")), "$.steps[0].purpose", "did you mean 'transactional'?", WARNING),
        (small(), "$.steps", "there are none", WARNING),
        (small(wait_for("a")), "$.steps[0]", "waits without end for people", WARNING),
        (small(goto("a", "bb"), send("b")), "$.steps[0].goto", "there is no step 'bb'", ERROR),
        (
            small(pause("a", if_past={"goto": "atend"}), pause("attend")),
            "$.steps[0].if_past.goto",
            "did you mean 'attend'?",
            ERROR,
        ),
        (small(goto("a", "in"), repeat("r", pause("in"))), "$.steps[0].goto", "cannot be jumped into", ERROR),
        (small({"id": "a", "type": "exit"}, send("b"), send("c")), "$.steps[1]", "never reached", ERROR),
        (small(goto("a", "c"), branch("b", vip("p", send("x"))), send("c")), "$.steps[1]", "never reached", ERROR),
        (small(repeat("r", send("a"))), "$.steps[0]", "without a wait", ERROR),
        (small(send("a"), pause("b", **{"for": "PT0S"}), goto("c", "a")), "$.steps[0]", "without a wait", ERROR),
        (small(repeat("r", branch("b", vip("p", pause("w"))))), "$.steps[0]", "without a wait", ERROR),
        (
            small(repeat("r", send("x"), {"id": "w", "type": "wait", "until": "2027-01-01"})),
            "$.steps[0]",
            "waits only until dates",
            WARNING,
        ),
        (small(goto("a", "a")), "$.steps[0]", "without a wait", ERROR),
        (small(split({"id": "a", "weight": 0})), "$.steps[0].paths", "all weights are 0", ERROR),
        (
            small(split({"id": "a", "weight": 0}, {"id": "b", "weight": 100})),
            "$.steps[0].paths[0].weight",
            "never taken",
            WARNING,
        ),
        (small(split({"id": "a", "weight": 1}, {"id": "b", "weight": 3})), "$.steps[0].paths", "a 25 %, b 75 %", WARNING),
        (small(split({"id": "a", "weight": 50}, {"id": "a", "weight": 50})), "$.steps[0].paths[1].id", "taken", ERROR),
        (
            small(split({"id": "a", "weight": 100, "hold_out": True, "steps": [send("x")]})),
            "$.steps[0].paths[0].steps",
            "hold-out",
            ERROR,
        ),
        (small(branch("b", vip("otherwise"))), "$.steps[0].paths[0].id", "everybody else", ERROR),
        (small(branch("b", vip("p"), vip("q"))), "$.steps[0].paths[1].if", "'p' before it", WARNING),
        (small(branch("b", {"id": "p", "if": {"all": []}}, vip("q"))), "$.steps[0].paths[1].if", "never taken", WARNING),
        (small(branch("b", {"id": "p", "if": {"any": []}})), "$.steps[0].paths[0].if", "holds for nobody", WARNING),
        (
            small(send("hello"), wait_for("w") | {"paths": [{"id": "p", "message": "helo", "status": "replied"}]}),
            "$.steps[1].paths[0].message",
            "did you mean 'hello'?",
            ERROR,
        ),
        (
            small(wait_for("w") | {"paths": [{"id": "p", "message": "hello", "status": "replied"}]}, send("hello")),
            "$.steps[0].paths[0].message",
            "never sent before",
            ERROR,
        ),
        (
            small(wait_for("w") | {"paths": [{"id": "p", "event": "E"}, {"id": "q", "event": "E"}]}),
            "$.steps[0].paths[1]",
            "waits for the same",
            WARNING,
        ),
        (small(repeat("r", wait_for("w", since="entry"))), "$.steps[0].steps[0].since", "every round", WARNING),
        (small(pause("a", at="21:00", window={"to": "20:00"})), "$.steps[0].at", "never fits the window", WARNING),
        (
            small(send("a", fallback={"unless": "delivered", "within": "PT1H"})),
            "$.steps[0].fallback",
            "no second channel",
            WARNING,
        ),
        (small(send("a", channels=["sms", "sms"])), "$.steps[0].channels", "twice", ERROR),
        (small(zone="Europe/Belin"), "$.zone", "no time zone", ERROR),
        (small(goal={"event": "Paid", "within": "PT0S"}), "$.goal.within", "no time", ERROR),
        (small(update({"ref": "entri.properties.x"})), '$.steps[0].set["x"]', "is no reference", ERROR),
        (small(update({"ref": "event.properties.x"})), '$.steps[0].set["x"]', "no event can have woken", ERROR),
        (small(update({"ref": "entry.properties.x"}), **SEGMENT_ENTRY), '$.steps[0].set["x"]', "brings no event", ERROR),
        (
            small(exit_when=[{"event": "E", "where": {"property": "p", "eq": {"ref": "event.properties.p"}}}]),
            "$.exit_when[0].where.eq.ref",
            "fixed on entry",
            ERROR,
        ),
        (
            small(entry={"event": "E", "where": {"property": "p", "eq": {"ref": "profile.traits.p"}}}),
            "$.entry.where.eq.ref",
            "not known yet",
            ERROR,
        ),
        (small(entry={"segment_entered": "vip", "key": "event.properties.p"}), "$.entry.key", "brings no event", ERROR),
    ],
)
def test_check_finds(data: object, path: str, said: str, severity: str) -> None:
    found = check(parse_journey(data))
    assert any(p.path == path and said in str(p) and p.severity == severity for p in found), found


@pytest.mark.parametrize("name", REFERENCES)
def test_the_reference_journeys_may_be_published(name: str) -> None:
    assert errors(check(reference(name))) == ()


def test_a_date_that_may_be_missing_in_a_timeout_is_worth_a_warning() -> None:
    assert [problem.path for problem in check(reference(FOLLOW_UP))] == ["$.steps[3].timeout.until"]
    assert check(reference(PUPPY)) == ()


def test_a_look_back_in_a_loop_is_fine_where_an_event_must_differ_from_what_woke_it_last() -> None:
    newer = {"property": "revision", "gt": {"ref": "event.properties.revision"}}
    paths = [{"id": "moved", "event": "Moved", "where": newer, "steps": []}]
    assert check(parse_journey(small(repeat("r", wait_for("w", since="entry", paths=paths, timeout=SOON))))) == ()


def test_an_event_is_known_after_a_path_was_taken_also_behind_the_rejoin() -> None:
    journey = small(wait_for("w", [pause("p")], timeout=SOON), update({"ref": "event.properties.x"}))
    assert check(parse_journey(journey)) == ()


def test_names_are_checked_against_the_catalog() -> None:
    catalog = Catalog(
        templates=frozenset({"helo"}),
        segments=frozenset({"vips"}),
        journeys=frozenset(),
    )
    journey = small(send("a"), branch("b", vip("p")), {"id": "j", "type": "start_journey", "journey": "next"}, **SEGMENT_ENTRY)
    assert [(problem.path, problem.remedy) for problem in check(parse_journey(journey), catalog)] == [
        ("$.entry.segment_entered", "did you mean 'vips'?"),
        ("$.steps[0].template", "did you mean 'helo'?"),
        ("$.steps[1].paths[0].if.segment", "did you mean 'vips'?"),
        ("$.steps[2].journey", "none is known"),
    ]
    assert check(parse_journey(journey), Catalog()) == ()


def test_a_send_whose_template_needs_what_nobody_supplies_is_found() -> None:
    needs = frozenset(
        {
            "entry.properties.title",
            "event.properties.x",
            "profile.traits.first_name",
            "unsubscribe_url",
            "customer.name",
            "profile.mood",
        }
    )
    catalog = Catalog(template_facts={"hello": TemplateFacts(required={"email": needs})})
    by_segment = check(parse_journey(small(send("a"), **SEGMENT_ENTRY)), catalog)
    assert [problem.message.split(" needs ")[1].split(",")[0] for problem in by_segment] == [
        "customer.name",
        "entry.properties.title",
        "event.properties.x",
        "profile.mood",
    ]
    by_event = check(parse_journey(small(wait_for("w", [send("a")], timeout=SOON))), catalog)
    assert [problem.message.split(" needs ")[1] for problem in by_event] == [
        "customer.name, which nothing supplies",
        "profile.mood, which nothing supplies",
    ]


def test_a_taken_id_is_one_finding_whatever_stands_between_and_is_no_loop() -> None:
    data = small(send("a"), pause("b"), send("a"), branch("b", vip("p", send("c")), otherwise=[send("a")]), send("d"))
    found = [(problem.path, problem.severity) for problem in check(parse_journey(data))]
    assert found == [(f"$.steps[{at}].id", ERROR) for at in ("2", "3")] + [("$.steps[3].otherwise[0].id", ERROR)]


def test_nobody_waits_without_end_where_a_timeout_an_exit_or_the_goal_ends_it() -> None:
    for ends in (
        small(wait_for("a", timeout={"after": "P1D"})),
        small(wait_for("a"), exit_when=[{"event": "Closed"}]),
        small(wait_for("a"), goal={"event": "Closed", "on_reached": "exit"}),
    ):
        assert check(parse_journey(ends)) == ()
