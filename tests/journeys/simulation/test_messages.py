"""Messages leave on the channel and at the time that the delivery rules say, and have the outcomes that are written."""

from typing import Any

import pytest

from journeys.simulation import Life, Setting, Template
from policy import DeliveryPolicy
from tests.journeys.simulation.support import (
    DAY,
    HOUR,
    START,
    ended,
    event,
    journey,
    live,
    person,
    send,
    sent,
    told,
    traits,
    wait,
)

ALL = ["whatsapp", "sms", "email"]


def _skipped(life: Life) -> list[str]:
    return [line.seen["reason"] for line in life.lines if line.kind == "skipped"]


def _channels(life: Life) -> list[tuple[str, Any]]:
    return [(message.channel, message.at - START) for message in life.messages]


@pytest.mark.parametrize(
    ("who", "more", "reason"),
    [
        (person(consents=()), {}, "no_consent"),
        (person(consents=()), {"purpose": "transactional"}, None),
        (person(consents=[{"channel": "sms", "purpose": "marketing"}]), {}, "no_consent"),
        (person(consents=[{"channel": "email", "purpose": "marketing"}]), {}, None),
        (person(channels=["sms"]), {}, "unreachable"),
        (person(channels=None), {}, "unreachable"),
        (person(channels=None, email="ann@example.org"), {}, None),
        (person(), {"valid_until": "2026-03-02T10:00:00Z"}, "expired"),
        (person(), {"template": "unknown"}, "unknown_template"),
        (person(), {"template": "sms-only"}, "template_error"),
        (person(), {"template": "ad", "purpose": "transactional"}, "purpose_mismatch"),
        (person(), {"template": "ad"}, None),
        (person(), {"template": "receipt"}, None),
        (person(consents=()), {"template": "receipt"}, "no_consent"),
    ],
)
def test_a_message_is_skipped_for_the_reason_that_the_service_gives(who: Any, more: dict[str, Any], reason: str | None) -> None:
    templates = {
        "t-s": Template(channels=("email",)),
        "sms-only": Template(channels=("sms",)),
        "ad": Template(channels=("email",), purpose="marketing"),
        "receipt": Template(channels=("email",), purpose="transactional"),
    }
    setting = Setting(templates=templates)
    life = live(journey(send("s", **more)), who=who, setting=setting)
    assert _skipped(life) == ([] if reason is None else [reason])
    assert ended(life) == ("completed", 0 * DAY)


def test_a_channel_that_cannot_be_used_is_passed_over() -> None:
    who = person(consents=[{"channel": "email", "purpose": "marketing"}], channels=ALL)
    assert _channels(live(journey(send("s", channels=ALL)), who=who)) == [("email", 0 * DAY)]


def test_a_withdrawn_consent_holds_from_then_on() -> None:
    goodbye = {"at": START + HOUR, "consent": {"channel": "email", "purpose": "marketing", "state": "withdrawn"}}
    life = live(journey(send("a"), wait("w", **{"for": "P1D"}), send("b")), goodbye)
    assert sent(life) == [("a", 0 * DAY)]
    assert _skipped(life) == ["no_consent"]


def test_quiet_hours_put_a_message_off_and_transactional_ones_not() -> None:
    setting = Setting(policy=DeliveryPolicy(quiet_hours="20:00-08:00"))
    steps = (wait("w", **{"for": "PT12H"}), send("now", purpose="transactional"), send("s"))
    life = live(journey(*steps), setting=setting, who=person(timezone="Europe/Berlin"))
    assert sent(life) == [("now", 12 * HOUR), ("s", 21 * HOUR)]
    assert "deferred s" in told(life)


def test_a_frequency_cap_counts_over_all_journeys_and_puts_off_or_skips() -> None:
    other = journey(send("other"), entry={"event": "Hi"}, key="other")
    hi, later = event(HOUR, "Hi"), event(2 * HOUR, "Hi")
    for otherwise, expected in (("defer", [0 * HOUR, HOUR, 24 * HOUR]), ("skip", [0 * HOUR, HOUR])):
        cap = {"at_most": 2, "per": "PT24H", "otherwise": otherwise}
        setting = Setting(journeys={"other": other}, policy=DeliveryPolicy.model_validate({"caps": [cap]}))
        life = live(journey(send("s")), hi, later, setting=setting)
        assert [at for _, at in sent(life)] == expected


def test_a_message_counts_once_for_a_cap_however_far_it_falls_back_and_not_when_it_failed() -> None:
    setting = Setting(policy=DeliveryPolicy.model_validate({"caps": [{"at_most": 1, "per": "PT24H"}]}))
    steps = (send("s", channels=ALL, fallback={"unless": "delivered", "within": "PT2H"}), wait("w", **{"for": "PT1H"}), send("t"))
    late: dict[str, Any] = {"who": person(channels=ALL), "behaviour": {"whatsapp": []}}
    life = live(journey(*steps), setting=setting, **late)
    assert sent(life) == [("s", 0 * HOUR), ("s", 2 * HOUR), ("t", 26 * HOUR)]
    steps = (send("s", channels=["whatsapp"]), wait("w", **{"for": "PT1H"}), send("t"))
    bounced: dict[str, Any] = {"who": person(channels=ALL), "behaviour": {"whatsapp": [{"status": "bounced"}]}}
    failed = live(journey(*steps), setting=setting, **bounced)
    assert sent(failed) == [("s", 0 * HOUR), ("t", HOUR)]


def test_the_next_channel_is_tried_when_the_first_did_not_get_far_enough_in_time_or_failed() -> None:
    step = send("s", channels=ALL, fallback={"unless": "delivered", "within": "PT2H"})
    who = person(channels=ALL)
    never: dict[str, Any] = {"behaviour": {"whatsapp": [], "sms": [{"status": "bounced", "after": ["PT1H", "PT1H"]}]}}
    assert _channels(live(journey(step), who=who, **never)) == [("whatsapp", 0 * HOUR), ("sms", 2 * HOUR), ("email", 3 * HOUR)]
    assert _channels(live(journey(step), who=who)) == [("whatsapp", 0 * HOUR)]


def test_what_becomes_of_an_earlier_channel_after_the_fallback_meets_a_wait_and_moves_nothing_on() -> None:
    step = send("s", channels=ALL, fallback={"unless": "opened", "within": "PT1H"})
    opened = {"id": "o", "message": "s", "status": "opened", "steps": [send("thanks")]}
    waits = {"id": "w", "type": "wait_for", "paths": [opened], "timeout": {"after": "P1D"}}
    late = {"whatsapp": [{"status": "opened", "after": ["PT90M", "PT90M"]}], "sms": [], "email": []}
    life = live(journey(step, waits), who=person(channels=ALL), behaviour=late)
    assert sent(life) == [("s", 0 * HOUR), ("s", HOUR), ("thanks", 1.5 * HOUR), ("s", 2 * HOUR)]
    met = next(line for line in life.lines if line.kind == "wait met")
    assert met.seen["properties"] == {"channel": "whatsapp", "message": "s"}


def test_a_fallback_counts_months_and_days_on_the_persons_wall_clock() -> None:
    step = send("s", channels=ALL, fallback={"unless": "delivered", "within": "P1M"})
    nothing = {"whatsapp": [], "sms": [{"status": "delivered"}]}
    life = live(journey(step), who=person(channels=ALL, timezone="Europe/Berlin"), behaviour=nothing)
    assert _channels(life) == [("whatsapp", 0 * DAY), ("sms", 31 * DAY - HOUR)]
    april = live(
        journey(wait("w", **{"for": "P30D"}), step), who=person(channels=ALL, timezone="Europe/Berlin"), behaviour=nothing
    )
    assert _channels(april) == [("whatsapp", 30 * DAY - HOUR), ("sms", 60 * DAY - HOUR)]


def test_without_a_fallback_a_bounce_is_the_end_of_it_and_the_address_gets_no_more() -> None:
    steps = (send("a", channels=["email", "sms"]), wait("w", **{"for": "P1D"}), send("b"))
    life = live(journey(*steps), who=person(channels=ALL), behaviour={"email": [{"status": "bounced"}]})
    assert _channels(life) == [("email", 0 * DAY)]
    assert _skipped(life) == ["suppressed"]


def test_a_reply_ends_a_wait_for_it_and_is_read_by_references() -> None:
    step = {
        "id": "w",
        "type": "wait_for",
        "paths": [
            {
                "id": "p",
                "message": "s",
                "status": "replied",
                "steps": [{"id": "u", "type": "update_profile", "set": {"said": {"ref": "event.properties.text"}}}],
            }
        ],
    }
    life = live(journey(send("s"), step), {"at": START + DAY, "message": "s", "status": "replied", "text": "no"})
    assert (life.traits, ended(life)) == ({"said": "no"}, ("completed", DAY))


@pytest.mark.parametrize(("status", "at"), [("sent", 0), ("delivered", 0), ("opened", 3), ("clicked", 5)])
def test_an_outcome_that_has_come_already_ends_a_wait_at_once(status: str, at: int) -> None:
    outcomes = {"s": [{"status": "opened", "after": ["PT3H", "PT3H"]}, {"status": "clicked", "after": ["PT2H", "PT2H"]}]}
    step = {"id": "w", "type": "wait_for", "paths": [{"id": "p", "message": "s", "status": status}]}
    assert ended(live(journey(send("s"), step), outcomes=outcomes)) == ("completed", at * HOUR)


def test_responses_are_drawn_by_chance_and_the_same_each_time() -> None:
    step = {
        "id": "w",
        "type": "wait_for",
        "paths": [{"id": "p", "message": "s", "status": "opened"}],
        "timeout": {"after": "P9D"},
    }
    behaviour = {"email": [{"status": "delivered"}, {"status": "opened", "chance": 0.5, "after": ["PT1H", "P2D"]}]}

    def ends(seed: int) -> list[Any]:
        setting = Setting(seed=seed)
        return [
            ended(live(journey(send("s"), step), setting=setting, behaviour=behaviour, who=person() | {"id": str(number)}))
            for number in range(40)
        ]

    assert ends(1) == ends(1)
    assert ends(1) != ends(2)
    opened = [end for end in ends(1) if end is not None and end[1] < 9 * DAY]
    assert 10 <= len(opened) <= 30
    assert len(set(opened)) > 5


CALL = {
    "id": "c",
    "type": "call",
    "url": "https://shop.example/",
    "retry": {"attempts": 3, "first": "PT10S"},
    "on_failure": [{"id": "no", "type": "send", "template": "t", "channels": ["email"]}],
}
KEEP = {"id": "u", "type": "update_profile", "set": {"got": {"ref": "results.c.body.n"}}}


@pytest.mark.parametrize(
    ("answers", "got", "seconds", "failed"),
    [
        ([{"body": {"n": 7}, "after": "PT2S"}], 7, 2, False),
        ([{"status": 503}, {"error": "refused"}, {"body": {"n": 7}}], 7, 30, False),
        ([{"status": 500}], None, 30, True),
        ([{"status": 404}], None, 0, True),
        ([{"after": "PT1M"}, {"body": {"n": 7}}], 7, 20, False),
    ],
)
def test_a_call_is_answered_by_the_setting_and_tried_again_as_the_step_says(
    answers: list[Any], got: int | None, seconds: int, failed: Any
) -> None:
    life = live(journey(CALL, KEEP), setting=Setting.model_validate({"answers": {"c": answers}}))
    assert life.traits.get("got") == got
    assert [step for step, _ in sent(life)] == (["no"] if failed else [])
    assert ended(life) == ("completed", HOUR * seconds / 3600)


def test_a_script_answers_a_call_when_it_says() -> None:
    answer = {"at": START + DAY, "call": "c", "body": {"n": 1}}
    assert ended(live(journey(CALL, KEEP), answer)) == ("completed", DAY)
    first = {"at": START + HOUR, "call": "c", "status": 502}
    life = live(journey(CALL, KEEP), first, answer)
    assert (life.traits, ended(life)) == ({"got": 1}, ("completed", DAY))


def test_traits_written_by_path_leave_the_rest_of_an_object() -> None:
    keep = {"id": "u", "type": "update_profile", "set": {"dog.stage": "adult", "cat": {"ref": "profile.traits.none"}}}
    life = live(journey(keep), traits(DAY, **{"dog.name": None}), who=person(dog={"id": 1, "name": "Rex"}))
    assert life.traits == {"dog": {"id": 1, "stage": "adult"}}


def _round(*, again: dict[str, Any]) -> dict[str, Any]:
    """Two rounds of a message and a wait for its click, each of ten days."""
    click = {
        "id": "w",
        "type": "wait_for",
        "paths": [{"id": "p", "message": "s", "status": "clicked"}],
        "timeout": {"after": "P10D"},
    }
    return {"id": "r", "type": "repeat", "max": 2, "steps": [send("s", **again), click]}


def test_what_becomes_of_an_earlier_rounds_message_is_no_answer_to_this_rounds() -> None:
    late = [{"status": "clicked", "after": ["P15D", "P15D"]}]
    life = live(journey(_round(again={})), outcomes={"s": late})
    assert told(life).count("wait met w") == 0
    assert ended(life) == ("completed", 20 * DAY)


def test_a_round_whose_message_was_skipped_is_not_met_by_the_click_on_the_one_before() -> None:
    life = live(
        journey(_round(again={"valid_until": "2026-03-10"})),
        {"at": START + 5 * DAY, "message": "s", "status": "clicked"},
    )
    assert [line.at - START for line in life.lines if line.kind == "wait met"] == [5 * DAY]
    assert _skipped(life) == []
    skipped = live(
        journey(_round(again={"valid_until": "2026-03-05"})), {"at": START + 5 * DAY, "message": "s", "status": "clicked"}
    )
    assert _skipped(skipped) == ["expired"]
    assert ended(skipped) == ("completed", 15 * DAY)
