from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demo.audit import audit
from demo.evidence import Attempt, Enrolment, Entrant, Evidence, LedgerMessage, Letter, Withdrawal

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
REAL = datetime(2026, 6, 1, 12, tzinfo=UTC)
OVERDUE = timedelta(days=2)

ENROLMENT = Enrolment("e1", "welcome", "ada", "k", "running", step="pause", waits_until=NOW + timedelta(days=1))
OVER = Enrolment("e2", "welcome", "bob", "k", "ended", reason="finished")
MESSAGE = LedgerMessage("m1", "ada", "e1", "welcome", "hello", 1, "marketing", (Attempt("a1", "email", "delivered"),))
LETTER = Letter("sg1", "a1", "email", "ada", REAL)
CLEAN = Evidence(
    now=NOW,
    entrants=(Entrant("welcome", "ada", "k"), Entrant("welcome", "bob", "k")),
    enrolments=(ENROLMENT, OVER),
    workflows={"e1": "running", "e2": "closed"},
    ledger=(MESSAGE,),
    letters=(LETTER,),
    consents={"ada": frozenset({"email"}), "bob": frozenset()},
    paths={"welcome: hello": 1},
)


def kinds(evidence: Evidence) -> list[str]:
    return [finding.kind for finding in audit(evidence, overdue=OVERDUE)]


def test_a_system_that_kept_its_promise_has_no_finding() -> None:
    assert kinds(CLEAN) == []


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param(replace(CLEAN, enrolments=(ENROLMENT,), workflows={"e1": "running"}), id="an entrant never entered"),
        pytest.param(replace(CLEAN, workflows={"e1": "closed", "e2": "closed"}), id="a running enrolment's workflow is closed"),
        pytest.param(replace(CLEAN, workflows={"e1": "failed", "e2": "closed"}), id="a workflow failed"),
        pytest.param(replace(CLEAN, workflows={"e2": "closed"}), id="a workflow was never started"),
        pytest.param(replace(CLEAN, workflows={"e1": "running", "e2": "running"}), id="an ended enrolment's workflow runs on"),
        pytest.param(replace(CLEAN, accepted={"m1": "hello of ada", "m9": "bye of ada"}), id="an accepted message was forgotten"),
        pytest.param(replace(CLEAN, letters=()), id="a delivered message is not in the sandbox"),
    ],
)
def test_whoever_was_lost_is_found(planted: Evidence) -> None:
    assert kinds(planted) == ["lost"]


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param(
            replace(CLEAN, enrolments=(replace(ENROLMENT, waits_until=NOW - OVERDUE * 2), OVER)), id="a wait is overdue"
        ),
        pytest.param(
            replace(CLEAN, ledger=(MESSAGE, replace(MESSAGE, id="m2", step="bye", attempts=(Attempt("a2", "sms", "queued"),)))),
            id="a message is still queued",
        ),
        pytest.param(replace(CLEAN, unsettled={"callbacks lost": 2}), id="a callback was lost"),
    ],
)
def test_whatever_is_stuck_is_found(planted: Evidence) -> None:
    assert kinds(planted) == ["stuck"]


def test_what_waits_for_quiet_hours_to_end_is_stuck_only_after_they_did() -> None:
    def queued(held_until: datetime) -> Evidence:
        held = Attempt("a2", "sms", "queued", held_until=held_until)
        return replace(CLEAN, ledger=(MESSAGE, replace(MESSAGE, id="m2", step="bye", attempts=(held,))))

    assert kinds(queued(NOW + timedelta(hours=8))) == []
    assert kinds(queued(NOW - OVERDUE * 2)) == ["stuck"]


def test_a_wait_that_ends_later_or_was_due_a_moment_ago_is_fine() -> None:
    assert kinds(replace(CLEAN, enrolments=(replace(ENROLMENT, waits_until=NOW - OVERDUE / 2), OVER))) == []


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param(replace(CLEAN, duplicates=("a1",)), id="a provider call was repeated"),
        pytest.param(replace(CLEAN, letters=(LETTER, replace(LETTER, id="sg2"))), id="two letters of one message on one channel"),
        pytest.param(
            replace(CLEAN, letters=(LETTER, replace(LETTER, id="sg2", attempt="b7"))), id="a letter without a ledger row"
        ),
        pytest.param(
            replace(CLEAN, ledger=(MESSAGE, replace(MESSAGE, id="m2", attempts=()))), id="two messages of one step visit"
        ),
        pytest.param(
            replace(
                CLEAN,
                enrolments=(ENROLMENT, replace(ENROLMENT, id="e2"), replace(OVER, id="e3")),
                workflows={"e1": "running", "e2": "running", "e3": "closed"},
            ),
            id="somebody is in the journey twice",
        ),
    ],
)
def test_whoever_was_written_to_twice_is_found(planted: Evidence) -> None:
    assert kinds(planted) == ["twice"]


def test_a_message_may_arrive_once_on_each_channel_that_it_fell_back_to() -> None:
    message = replace(MESSAGE, attempts=(Attempt("a1", "whatsapp", "rejected"), Attempt("a2", "email", "delivered")))
    letters = (replace(LETTER, channel="whatsapp"), replace(LETTER, id="sg2", attempt="a2"))
    consents = {"ada": frozenset({"email", "whatsapp"})}
    assert kinds(replace(CLEAN, ledger=(message,), letters=letters, consents=consents)) == []


def test_marketing_without_consent_is_found_and_a_transactional_message_is_not() -> None:
    unasked = replace(CLEAN, consents={"ada": frozenset({"sms"})})
    assert kinds(unasked) == ["uninvited"]
    assert kinds(replace(unasked, ledger=(replace(MESSAGE, purpose="transactional"),))) == []


def test_a_message_after_a_stop_is_found_unless_it_was_under_way() -> None:
    assert kinds(replace(CLEAN, withdrawals=(Withdrawal("ada", "email", REAL - timedelta(minutes=1)),))) == ["uninvited"]
    assert kinds(replace(CLEAN, withdrawals=(Withdrawal("ada", "email", REAL - timedelta(seconds=1)),))) == []
    assert kinds(replace(CLEAN, withdrawals=(Withdrawal("ada", "sms", REAL - timedelta(minutes=1)),))) == []


def test_a_way_that_nobody_went_is_found() -> None:
    assert kinds(replace(CLEAN, paths={"welcome: hello": 1, "welcome: bye": 0})) == ["untaken"]
