"""The first ranked channel that may be taken is, and whoever gets nothing is told why of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from policy import Asked, Go, Later, No, QuietHours, choose

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALL = ("whatsapp", "sms", "email")


@dataclass(frozen=True)
class Template:
    purpose: str | None = "marketing"


@dataclass
class Somebody:
    """Agrees to everything and can be reached everywhere, but for what a test says; keeps what was asked."""

    away: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, bool | None] = field(default_factory=dict)
    closed: tuple[str, ...] = ()
    parts: tuple[str, ...] = ALL
    zone: object = None
    rendered: list[str] = field(default_factory=list)

    def unreachable(self, channel: str) -> str | None:
        return self.away.get(channel)

    def word(self, channel: str, purpose: str) -> bool | None:
        return self.words.get(channel, True)

    def suppressed(self, channel: str) -> bool:
        return channel in self.closed

    def content(self, channel: str) -> str | No:
        self.rendered.append(channel)
        return f"by {channel}" if channel in self.parts else No("template_error", "no part")


def asked(*, purpose: str = "marketing", position: int = 0, valid_until: datetime | None = None) -> Asked:
    return Asked("m", "hello", ALL, purpose, valid_until, position=position)


def answer(
    wish: Asked, to: Somebody | None, made: Template | None = Template(), hours: QuietHours | None = None
) -> Go[str] | Later | No:
    return choose(wish, made, to, NOON, hours, (), ())


def test_the_first_channel_that_nothing_bars_is_taken_and_says_why_the_better_ones_were_not() -> None:
    somebody = Somebody(away={"whatsapp": "no provider"}, words={"sms": None})
    assert answer(asked(), somebody) == Go("email", 2, "by email", "whatsapp: unreachable (no provider); sms: no_consent")
    assert somebody.rendered == ["email"]


def test_who_gets_nothing_is_told_the_first_channels_reason_and_that_of_each() -> None:
    somebody = Somebody(away={"sms": ""}, closed=("whatsapp",), parts=())
    why = "whatsapp: suppressed; sms: unreachable; email: template_error (no part)"
    assert answer(asked(), somebody) == No("suppressed", why)
    assert answer(asked(position=3), somebody) == No("unreachable", "no further channel")


@pytest.mark.parametrize(
    ("purpose", "word", "goes"),
    [
        ("marketing", True, True),
        ("marketing", None, False),
        ("marketing", False, False),
        ("transactional", None, True),
        ("transactional", False, False),
    ],
)
def test_transactional_messages_need_no_consent_but_heed_a_withdrawal(purpose: str, word: bool | None, goes: bool) -> None:  # noqa: FBT001  pytest's
    told = answer(asked(purpose=purpose), Somebody(words=dict.fromkeys(ALL, word)), Template(None))
    assert isinstance(told, Go) is goes


def test_before_any_channel_it_must_be_valid_the_person_and_the_template_known_and_the_purpose_the_templates() -> None:
    over = asked(valid_until=NOON)
    assert answer(over, None, None) == No("expired", f"valid until {NOON.isoformat()}")
    assert answer(asked(), None, None) == No("unknown_profile")
    assert answer(asked(), Somebody(), None) == No("unknown_template")
    told = answer(asked(purpose="transactional"), Somebody())
    assert isinstance(told, No)
    assert told.reason == "purpose_mismatch"


def test_quiet_hours_of_where_the_person_lives_put_off_the_channel_that_was_chosen() -> None:
    hours = QuietHours.parse("21:00-08:00", "UTC")
    there = Somebody(away={"whatsapp": ""}, zone="Asia/Tokyo")
    assert answer(asked(), there, hours=hours) == Later(NOON + timedelta(hours=11), "sms", "quiet_hours")
    assert isinstance(answer(asked(), Somebody(), hours=hours), Go)
