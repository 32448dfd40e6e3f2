"""Frequency caps open when enough messages lie far enough back."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from policy import DeliveryPolicy, FrequencyCap, Sent, displaced_until

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def cap(at_most: int, hours: int, **more: object) -> FrequencyCap:
    return FrequencyCap.model_validate({"at_most": at_most, "per": timedelta(hours=hours), **more})


def got(*hours_ago: float, channel: str = "email", purpose: str = "marketing") -> list[Sent]:
    return [Sent(NOW - hours * HOUR, channel, purpose, f"{channel} {hours}") for hours in hours_ago]


def opens(
    caps: list[FrequencyCap], sent: list[Sent], channel: str = "email", purpose: str = "marketing"
) -> datetime | str | None:
    found = displaced_until(caps, sent, NOW, channel=channel, purpose=purpose)
    return None if found is None else found.until or "skip"


def test_there_is_room_until_the_cap_is_full_and_again_when_its_oldest_message_lies_a_span_back() -> None:
    assert opens([cap(2, 24)], got(3)) is None
    assert opens([cap(2, 24)], got(3, 20)) == NOW + 4 * HOUR
    assert opens([cap(2, 24)], got(3, 20, 21)) == NOW + 4 * HOUR
    assert opens([cap(2, 24)], got(3, 24)) is None


def test_of_several_caps_the_one_that_opens_last_counts_and_one_that_skips_wins() -> None:
    assert opens([cap(1, 10), cap(2, 48)], got(3, 20)) == NOW + 28 * HOUR
    assert opens([cap(1, 10), cap(2, 48, otherwise="skip")], got(3, 20)) == "skip"


@pytest.mark.parametrize(
    ("more", "channel", "purpose", "held"),
    [
        ({}, "email", "marketing", True),
        ({}, "sms", "marketing", True),
        ({}, "email", "transactional", False),
        ({"channel": "sms"}, "email", "marketing", False),
        ({"channel": "email"}, "email", "news", True),
        ({"purpose": "news"}, "email", "marketing", False),
        ({"purpose": "marketing"}, "sms", "marketing", True),
        ({"purpose": "transactional"}, "email", "transactional", False),
    ],
)
def test_a_cap_counts_and_holds_back_what_it_is_about(more: dict[str, object], channel: str, purpose: str, held: object) -> None:
    assert (opens([cap(1, 24, **more)], got(1), channel, purpose) is not None) is held


def test_transactional_messages_use_up_no_cap_of_the_others() -> None:
    assert opens([cap(1, 24)], got(1, purpose="transactional")) is None


@pytest.mark.parametrize(
    "policy", [{"quiet_hours": "9-5"}, {"quiet_hours": "25:00-08:00"}, {"caps": [{"at_most": 0, "per": "P1D"}]}]
)
def test_rules_that_cannot_be_kept_are_refused(policy: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DeliveryPolicy.model_validate(policy)
