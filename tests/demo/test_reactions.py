from collections import Counter
from datetime import timedelta

from demo.reactions import Reaction, react


def _all(template: str, channel: str) -> list[tuple[Reaction, ...]]:
    return [react(1, f"reader-{number:03}", template, channel) for number in range(300)]


def test_the_same_person_does_the_same_with_the_same_message() -> None:
    assert _all("event-reminder", "whatsapp") == _all("event-reminder", "whatsapp")
    assert _all("event-reminder", "whatsapp") != _all("book-offer-intro", "whatsapp")


def test_every_kind_of_answer_is_given_by_somebody() -> None:
    deeds = Counter(
        (channel, reaction.deed)
        for channel in ("email", "sms", "whatsapp", "web_push")
        for reactions in _all("event-reminder", channel)
        for reaction in reactions
    )
    assert {
        ("email", "open"),
        ("email", "click"),
        ("email", "unsubscribe"),
        ("whatsapp", "open"),
        ("whatsapp", "reply"),
    } <= deeds.keys()
    assert {("sms", "reply"), ("web_push", "click")} <= deeds.keys()


def test_many_tell_why_they_stayed_away_and_some_do_not() -> None:
    answers = [
        any(each.deed == "reply" and each.text != "STOP" for each in reactions)
        for reactions in _all("event-no-show-question", "whatsapp")
    ]
    assert 0.5 < sum(answers) / len(answers) < 0.8


def test_reactions_come_in_order_and_soon() -> None:
    for reactions in _all("event-no-show-question", "whatsapp"):
        assert list(reactions) == sorted(reactions, key=lambda each: each.after)
        assert all(timedelta(0) < each.after < timedelta(days=1) for each in reactions)
