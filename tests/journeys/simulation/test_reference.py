"""The two reference journeys, lived in a moment."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from conditions import parse_condition
from conditions.computed import ComputedDraft, ComputedTrait
from journeys import Journey, parse_journey
from journeys.simulation import Life, Script, Setting, simulate
from policy import DeliveryPolicy

EXAMPLES = Path(__file__).parents[3] / "examples"


def read(path: str) -> Any:
    return json.loads((EXAMPLES / path).read_bytes())


def published(path: str) -> Journey:
    return parse_journey(read(path))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def messages(life: Life) -> list[tuple[str, str, str]]:
    return [(message.at.strftime("%Y-%m-%d %H:%M"), message.step, message.channel) for message in life.messages]


SETTING = Setting(
    journeys={"adult-dog-replenishment": published("petshop/journeys/adult-dog-replenishment.json")},
    segments={
        "puppy-owners": parse_condition(read("petshop/segments/puppy-owners.json")["condition"]),
        "vip": parse_condition(read("publisher/segments/vip.json")["condition"]),
    },
    computed={
        "dog_food_runs_out_at": ComputedTrait(
            "dog_food_runs_out_at",
            ComputedDraft.model_validate(
                {k: v for k, v in read("petshop/computed/dog_food_runs_out_at.json").items() if k != "key"}
            ),
        )
    },
    policy=DeliveryPolicy(quiet_hours="21:00-08:00"),
)
WHO = {
    "id": "0192f2c4-0000-7000-8000-000000000001",
    "traits": {"timezone": "Europe/Berlin", "email": "ann@example.org", "phone": "+4915112345678"},
    "consents": "all",
}


def test_a_puppy_grows_up_and_its_owner_is_reminded_before_the_bag_is_empty() -> None:
    order = {"event": "Order Completed", "properties": {"category": "dog-food", "lasts_days": 30}}
    happenings = [
        {"at": "2025-01-13T12:00:00Z", "traits": {"dog": {"id": "d1", "birthdate": "2024-12-04"}}},
        {"at": "2025-03-20T18:00:00Z", **order},
        {"at": "2025-05-10T18:00:00Z", **order},
        {"at": "2025-05-30T20:00:00Z", "traits": {"dog.weight": 7}},
    ]
    script = Script.model_validate({"person": WHO, "happenings": happenings, "begins": "2025-01-01T00:00:00Z"})
    life = simulate(published("petshop/journeys/puppy-to-adult.json"), script, SETTING, instant("2025-06-08"))
    assert life.own[0].key == "d1"
    assert messages(life) == [
        ("2025-01-13 12:00", "welcome", "email"),
        ("2025-01-29 08:30", "bed-and-bowl", "whatsapp"),
        ("2025-04-04 07:30", "longer-leash", "email"),
        ("2025-04-14 18:00", "refill", "whatsapp"),
        # the order of May 10 came before a month was over, and its bag is empty on June 9
        ("2025-06-04 18:00", "refill", "whatsapp"),
    ]


def test_a_dog_that_died_ends_the_journey_at_once() -> None:
    happenings = [
        {"at": "2025-01-13T12:00:00Z", "traits": {"dog": {"id": "d1", "birthdate": "2024-12-04"}}},
        {"at": "2025-01-20T12:00:00Z", "event": "Dog Deceased"},
    ]
    script = Script.model_validate({"person": WHO, "happenings": happenings, "begins": "2025-01-01T00:00:00Z"})
    life = simulate(published("petshop/journeys/puppy-to-adult.json"), script, SETTING, instant("2026-06-20"))
    assert life.end is not None
    assert (life.end.at, life.end.reason) == (instant("2025-01-20T12:00"), "exit: event 'Dog Deceased'")
    assert len(life.messages) == 1


SIGNUP = {
    "at": "2025-05-05T12:00:00Z",
    "event": "Event Signup",
    "properties": {
        "event_id": "e1",
        "topic": "poetry",
        "starts_at": "2025-05-10T18:00:00+02:00",
        "ends_at": "2025-05-10T20:00:00+02:00",
    },
}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            [{"at": "2025-05-10T18:00:00Z", "event": "Event Attended", "properties": {"event_id": "e1"}}],
            [
                ("2025-05-05 12:00", "confirm", "email"),
                ("2025-05-09 08:00", "remind", "whatsapp"),
                ("2025-05-12 07:00", "offer-intro", "email"),
            ],
        ),
        (
            [{"at": "2025-05-11T09:00:00Z", "message": "missed-you", "status": "replied", "text": "was ill"}],
            [
                ("2025-05-05 12:00", "confirm", "email"),
                ("2025-05-09 08:00", "remind", "whatsapp"),
                ("2025-05-11 06:00", "missed-you", "whatsapp"),
            ],
        ),
        (
            [{"at": "2025-05-06T09:00:00Z", "event": "Event Signup Cancelled", "properties": {"event_id": "e1"}}],
            [("2025-05-05 12:00", "confirm", "email")],
        ),
    ],
)
def test_an_event_is_confirmed_reminded_of_and_followed_up(more: list[Any], expected: list[tuple[str, str, str]]) -> None:
    script = Script.model_validate({"person": WHO, "happenings": [SIGNUP, *more], "splits": {"offer-test": "offer"}})
    life = simulate(published("publisher/journeys/event-follow-up.json"), script, SETTING, instant("2025-09-01"))
    assert messages(life) == expected
    assert life.end is not None
    if "text" in more[0]:
        assert life.traits["no_show_reason"] == "was ill"


def test_an_enrolment_has_the_id_that_it_has_in_the_service() -> None:
    happenings = [{"at": "2025-01-13T12:00:00Z", "traits": {"dog": {"id": "d1", "birthdate": "2024-12-04"}}}]
    script = Script.model_validate({"person": WHO, "happenings": happenings, "begins": "2025-01-01T00:00:00Z"})
    life = simulate(published("petshop/journeys/puppy-to-adult.json"), script, SETTING, instant("2025-02-01"))
    namespace = UUID("6f6b1d0e-6c53-5d2e-9d3a-52f3b9a6d1c4")
    assert life.runs[0].id == str(uuid5(namespace, f"puppy-to-adult\x1f{WHO['id']}\x1fd1\x1f1"))
