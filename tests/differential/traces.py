"""What somebody lived, in a form that the real system's record and the simulator's tale share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from journeys.simulation import Life, Run
from tests.differential.stage import Stage

_COMPARED = frozenset(
    {
        *("entered", "sent", "skipped", "sleep", "waiting", "past_due", "chose", "held_out", "updated", "emitted"),
        *("called", "started", "not_started", "wait met", "exit met", "goal met", "ended"),
    }
)


class Moment(NamedTuple):
    """One thing that was decided or happened. `choice` is the path, the policy or the reason; `until` where a wait ends."""

    at: datetime
    journey: str
    kind: str
    step: str
    visit: int
    choice: str
    until: datetime | None


class Letter(NamedTuple):
    """A message on its way by one channel, the first or one that it fell back to."""

    at: datetime
    journey: str
    step: str
    visit: int
    template: str
    attempt: int
    channel: str


def simulated(life: Life) -> tuple[list[Moment], list[Letter]]:
    """From the simulator."""
    moments = [moment for run in life.runs for moment in _of_run(run)]
    letters = [
        Letter(each.at, each.journey, each.step, each.visit, each.template, each.attempt, each.channel) for each in life.messages
    ]
    return sorted(moments, key=_order), sorted(letters)


async def recorded(stage: Stage, profile_id: UUID) -> tuple[list[Moment], list[Letter]]:
    """From the databases of the journeys and channels services."""
    found: list[Moment] = []
    for row in await stage.rows(
        "SELECT d.at, d.journey, d.kind, d.step, d.visit, d.outcome, d.deadline FROM decision d JOIN enrolment e "
        "ON e.id = d.enrolment_id WHERE e.profile_id = :profile",
        profile=profile_id,
    ):
        choice = row.outcome.get("path") or row.outcome.get("target") or row.outcome.get("action") or ""
        found.append(Moment(row.at, row.journey, row.kind, row.step, row.visit, choice, row.deadline))
    for row in await stage.rows(
        # What a wait finds by looking back meets it on arrival, though it is kept with when it happened.
        "SELECT greatest(m.at, d.at) AS at, e.journey, m.kind, m.step, m.visit, m.path FROM match m "
        "JOIN enrolment e ON e.id = m.enrolment_id LEFT JOIN decision d ON m.kind = 'wait' "
        "AND (d.enrolment_id, d.step, d.visit) = (m.enrolment_id, m.step, m.visit) WHERE e.profile_id = :profile",
        profile=profile_id,
    ):
        choice = row.path if row.kind == "wait" else ""
        found.append(Moment(row.at, row.journey, f"{row.kind} met", row.step, row.visit, choice, None))
    for row in await stage.rows(
        "SELECT journey, entered_at, ended_at, reason FROM enrolment WHERE profile_id = :p", p=profile_id
    ):
        found.append(Moment(row.entered_at, row.journey, "entered", "", 0, "", None))
        if row.ended_at is not None:
            found.append(Moment(row.ended_at, row.journey, "ended", "", 0, row.reason, None))
    async with stage.databases["channels"].read() as session:
        rows = await session.execute(
            text(
                "SELECT DISTINCT a.created_at, m.journey, m.step, m.visit, m.template, a.number, a.channel FROM message m "
                "JOIN attempt a ON a.message_id = m.id WHERE m.profile_id = :profile AND a.state <> 'cancelled'"
            ),
            {"profile": profile_id},
        )
        letters = [Letter(*row) for row in rows.all()]
    return sorted((moment for moment in found if moment.kind in _COMPARED), key=_order), sorted(letters)


def _of_run(run: Run) -> Iterable[Moment]:
    """A wait that follows its date is one decision, with the end that it came to have."""
    found: dict[tuple[str, str, int, int], Moment] = {}
    for number, line in enumerate(line for line in run.lines if line.kind in _COMPARED):
        outcome = line.outcome
        moment = Moment(
            line.at, run.journey, line.kind, line.step or "", line.visit or 0, _choice(line.kind, outcome), _until(outcome)
        )
        once = line.kind in ("sleep", "waiting")
        key = (line.kind, moment.step, moment.visit, 0 if once else number)
        found[key] = moment._replace(at=found[key].at) if key in found else moment
    return found.values()


def _choice(kind: str, outcome: dict[str, Any]) -> str:
    if kind in ("exit met", "goal met"):
        return ""
    return str(outcome.get("path") or outcome.get("target") or outcome.get("action") or outcome.get("reason") or "")


def _until(outcome: dict[str, Any]) -> datetime | None:
    until = outcome.get("until")
    return datetime.fromisoformat(until) if isinstance(until, str) else until


def _order(moment: Moment) -> tuple[Any, ...]:
    return (*moment[:6], str(moment.until))


def differing(told: Sequence[object], real: Sequence[object]) -> str:
    """What only one of them knows, in order: what the simulator told, or what the real system recorded."""
    only = [f"simulated: {each}" for each in told if each not in real]
    return "\n".join([*only, *(f"real: {each}" for each in real if each not in told)])
