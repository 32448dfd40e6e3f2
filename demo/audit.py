"""Finds whoever was lost, written to twice, or written to after saying no. Pure: looks at evidence only."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from demo.evidence import Evidence, LedgerMessage

IN_FLIGHT = timedelta(seconds=2)
"""Real time in which a message may still arrive after somebody said no: it was at the provider, or the no was under way."""
SENT = frozenset({"sent", "delivered", "opened", "clicked", "replied", "complained", "unsubscribed", "bounced"})
"""Statuses of an attempt that a provider accepted."""
OPEN = frozenset({"queued", "unknown"})
"""Statuses of an attempt that nobody knows the end of."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not be."""

    kind: str
    what: str

    @property
    def passing(self) -> bool:
        """Whether work that is still under way could make it go away."""
        return self.kind in ("lost", "stuck")

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def audit(evidence: Evidence, *, overdue: timedelta) -> tuple[Finding, ...]:
    """All findings; none is the promise kept. A wait is overdue when it ended more than `overdue` (virtual) ago."""
    return (
        *lost(evidence),
        *stuck(evidence, overdue),
        *doubled(evidence),
        *uninvited(evidence),
        *untaken(evidence),
    )


def lost(evidence: Evidence) -> Iterator[Finding]:
    """People without an enrolment, enrolments whose workflow says something else, messages that never arrived."""
    known = {(each.journey, each.user_id, each.entry_key) for each in evidence.enrolments}
    for entrant in evidence.entrants:
        if (entrant.journey, entrant.user_id, entrant.entry_key) not in known:
            yield Finding("lost", f"{entrant.user_id} never entered {entrant.journey} for {entrant.entry_key}")
    for enrolment in evidence.enrolments:
        state = evidence.workflows.get(enrolment.id, "missing")
        if state != ("running" if enrolment.running else "closed"):
            who = f"enrolment {enrolment.id} of {enrolment.user_id}"
            yield Finding("lost", f"{who} is {enrolment.state}, its workflow is {state}")
    told = {message.id for message in evidence.ledger}
    for id_, what in evidence.accepted.items():
        if id_ not in told:
            yield Finding("lost", f"{what} was accepted and nothing came of it")
    arrived = {letter.attempt for letter in evidence.letters}
    for message in evidence.ledger:
        for attempt in message.attempts:
            if attempt.status in SENT and attempt.id not in arrived:
                what = f"{_called(message)} on {attempt.channel} is {attempt.status}"
                yield Finding("lost", f"{what} and never reached the sandbox")


def stuck(evidence: Evidence, overdue: timedelta) -> Iterator[Finding]:
    """Waits that should have ended, and work that nobody finished."""
    for enrolment in evidence.enrolments:
        if enrolment.running and enrolment.waits_until is not None and evidence.now - enrolment.waits_until > overdue:
            since = f"{enrolment.waits_until:%Y-%m-%d %H:%M} UTC"
            yield Finding(
                "stuck", f"enrolment {enrolment.id} of {enrolment.user_id} still waits at {enrolment.step}, due {since}"
            )
    for message in evidence.ledger:
        for attempt in message.attempts:
            waits = attempt.held_until is not None and evidence.now - attempt.held_until <= overdue
            if attempt.status in OPEN and not waits:
                yield Finding("stuck", f"{_called(message)} on {attempt.channel} is still {attempt.status}")
    for what, count in evidence.unsettled.items():
        if count:
            yield Finding("stuck", f"{count} × {what}")


def doubled(evidence: Evidence) -> Iterator[Finding]:
    """The same thing twice: a provider call, a message of one step visit, an enrolment."""
    for attempt in evidence.duplicates:
        yield Finding("twice", f"the sandbox accepted attempt {attempt} more than once")
    entries = Counter((each.journey, each.user_id, each.entry_key) for each in evidence.enrolments if each.running)
    for (journey, user, key), count in entries.items():
        if count > 1:
            yield Finding("twice", f"{user} is in {journey} {count} times at once for {key}")
    visits = Counter((each.enrolment, each.step, each.visit) for each in evidence.ledger if each.enrolment)
    for (enrolment, step, visit), count in visits.items():
        if count > 1:
            yield Finding("twice", f"visit {visit} of {step} in enrolment {enrolment} made {count} messages")
    message_of = {attempt.id: message for message in evidence.ledger for attempt in message.attempts}
    letters: Counter[tuple[str, str]] = Counter()
    for letter in evidence.letters:
        message = message_of.get(letter.attempt or "")
        if message is None:
            yield Finding("twice", f"{letter.user_id} got {letter.id} on {letter.channel}, which the ledger does not know")
        else:
            letters[message.id, letter.channel] += 1
    called = {message.id: message for message in evidence.ledger}
    for (id_, channel), count in letters.items():
        if count > 1:
            yield Finding("twice", f"{_called(called[id_])} arrived {count} times on {channel}")


def uninvited(evidence: Evidence) -> Iterator[Finding]:
    """Marketing on a channel that was never agreed to, or after a no."""
    message_of = {attempt.id: message for message in evidence.ledger for attempt in message.attempts}
    for letter in evidence.letters:
        message = message_of.get(letter.attempt or "")
        if message is None or message.purpose == "transactional":
            continue
        if letter.channel not in evidence.consents.get(message.user_id, frozenset()):
            yield Finding("uninvited", f"{_called(message)} arrived on {letter.channel} without consent")
        for no in evidence.withdrawals:
            after = letter.received_at - no.at
            if (no.user_id, no.channel) == (message.user_id, letter.channel) and after > IN_FLIGHT:
                yield Finding("uninvited", f"{_called(message)} arrived on {letter.channel} {after} after a stop")


def untaken(evidence: Evidence) -> Iterator[Finding]:
    """Ways through a journey that nobody went, although the population was made for all of them."""
    for path, count in evidence.paths.items():
        if count == 0:
            yield Finding("untaken", f"nobody went {path}")


def _called(message: LedgerMessage) -> str:
    return f"{message.step} (visit {message.visit}) of {message.user_id} in {message.journey}"
