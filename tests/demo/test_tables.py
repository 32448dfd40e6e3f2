import io
from typing import Any

from rich.console import Console

from demo.catalogue import Catalogue
from demo.evidence import Attempt, LedgerMessage
from demo.tables import journey_table, step_rows, ways

JOURNEY = Catalogue.read().journeys["event-follow-up"]
STATS: dict[str, Any] = {
    "journey": "event-follow-up",
    "entered": 3,
    "running": 1,
    "goal_reached": 1,
    "held_out": 1,
    "reasons": {"completed": 1, "exit: event 'Event Signup Cancelled'": 1},
    "steps": [
        {"step": "confirm", "kinds": {"sent": 2, "skipped": 1}, "choices": {}, "waiting_now": 0},
        {"step": "day-before", "kinds": {"sleep": 2, "past_due": 1}, "choices": {}, "waiting_now": 1},
        {"step": "remind", "kinds": {"sent": 1}, "choices": {}, "waiting_now": 0},
        {"step": "offer-test", "kinds": {"chose": 1, "held_out": 1}, "choices": {"offer": 1, "no-offer": 1}, "waiting_now": 0},
    ],
}
STORY: dict[str, Any] = {
    "enrolment": {"id": "e1", "journey": "event-follow-up"},
    "lines": [{"what": "wait met", "step": "attendance", "outcome": {"path": "attended"}}],
}


def _message(step: str, *channels: str, reason: str = "") -> LedgerMessage:
    attempts = tuple(Attempt(f"{step}{number}", channel, "sent", number) for number, channel in enumerate(channels, start=1))
    return LedgerMessage(step, "ada", "e1", "event-follow-up", step, 1, "marketing", attempts, reason)


LEDGER = (_message("confirm", "email"), _message("remind", "whatsapp", "sms"), _message("missed-you", reason="no_consent"))


def test_each_step_says_how_often_what_was_sent_and_what_fell_back() -> None:
    rows = {row.step: row for row in step_rows(JOURNEY, STATS, LEDGER)}
    assert list(rows)[:4] == ["confirm", "day-before", "remind", "attendance"]
    assert (rows["confirm"].reached, rows["confirm"].sent, rows["confirm"].fell_back) == (3, {"email": 1}, 0)
    assert (rows["remind"].sent, rows["remind"].fell_back) == ({"whatsapp": 1, "sms": 1}, 1)
    assert rows["missed-you"].not_sent == {"no_consent": 1}
    assert rows["day-before"].here == 1
    assert rows["day-before"].outcome == "past already 1"
    assert rows["offer-test"].outcome == "offer 1, no-offer 1"


def test_the_table_fits_a_narrow_terminal_and_sums_up_the_journey() -> None:
    for width in (80, 150):
        console = Console(file=io.StringIO(), width=width, record=True)
        console.print(journey_table(JOURNEY, STATS, step_rows(JOURNEY, STATS, LEDGER)))
        text = console.export_text()
        assert all(len(line) <= width for line in text.splitlines())
        assert "offer-advanced" in text
        summary = " ".join(text.split())
        assert (
            "entered 3 · held out 1 · goal reached 1 · exited 1 (event 'Event Signup Cancelled' 1) · finished 1 · under way 1"
            in summary
        )


def test_every_way_is_counted_and_those_that_nobody_went_are_zero() -> None:
    found = ways(JOURNEY, STATS, [STORY])
    assert found["event-follow-up · confirm: sent"] == 2
    assert found["event-follow-up · day-before: already past"] == 1
    assert found["event-follow-up · attendance: attended"] == 1
    assert found["event-follow-up · offer-test: no-offer"] == 1
    assert found["event-follow-up · which-book: vip"] == 0
    assert found["event-follow-up · answer: replied"] == 0
    assert found["event-follow-up · exit"] == 1
    assert found["event-follow-up · goal"] == 1
