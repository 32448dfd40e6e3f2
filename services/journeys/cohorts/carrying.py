"""Taking a cohort's people through their first steps in batches: as far as nobody has to wait, without any workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import text

from contracts.journeys import FinishItem, StepItem
from infra.clock import Clock
from infra.db import Database
from infra.errors import CallFailed, Unavailable
from journeys import Cursor, Journey, advance, plan, start
from journeys.engine import Finish
from journeys.errors import OutcomeMismatch, UnknownStep
from journeys.model import Call, StartJourney, Wait, WaitFor
from journeys.outcome import Deferred, Later, ServiceOutcome, Sleep, Waiting
from services.journeys.lifecycle.versions import Versions
from services.journeys.outgoing import Outgoing, write
from services.journeys.steps.performing import Steps
from services.journeys.waits.first_look import FirstLook

log = structlog.get_logger(__name__)

# More rounds than this are no first steps any more: a workflow takes over.
_ROUNDS = 200
_CARRIED = text(
    "SELECT id, journey, version FROM enrolment WHERE cohort_id = :cohort AND carried AND state <> 'ended' "
    "ORDER BY id LIMIT :most"
)
_HAND_OVER = text("UPDATE enrolment SET carried = false WHERE id = ANY(:ids) AND carried AND state = 'running' RETURNING id")
_TO_END = text("SELECT id FROM enrolment WHERE id = ANY(:ids) AND carried AND state = 'ending'")


@dataclass(slots=True)
class _Run:
    """One person's way through the first steps."""

    id: UUID
    journey: Journey
    version: str
    cursor: Cursor
    rests: bool = False
    failed: str | None = None
    unseen: bool = False
    """Whether nobody could say what ends this person before the first step."""

    @property
    def finished(self) -> str | None:
        effect = plan(self.journey, self.cursor)
        return effect.reason if isinstance(effect, Finish) else None

    def take(self, outcome: ServiceOutcome, clock: Clock) -> None:
        """Moves on, or rests where the outcome says to wait."""
        match outcome:
            case Later():
                self.rests, self.failed = True, outcome.why
            case Deferred() | Sleep() | Waiting(matched=None):
                self.rests = True
            case _:
                try:
                    self.cursor = advance(self.journey, self.cursor, outcome, clock.now())
                except (OutcomeMismatch, UnknownStep) as error:  # the workflow meets it too, and a person mends it
                    log.error("cohort.step_failed", enrolment=str(self.id), why=str(error))  # noqa: TRY400
                    self.rests = True


class Carrier:
    """Works by the same decisions as a workflow does, kept under the same keys: repeating any of it changes nothing."""

    def __init__(
        self,
        *,
        database: Database,
        versions: Versions,
        steps: Steps,
        first_look: FirstLook,
        clock: Clock,
        deliver: Callable[[Sequence[Outgoing]], None],
    ) -> None:
        self._database = database
        self._versions = versions
        self._steps = steps
        self._first_look = first_look
        self._clock = clock
        self._deliver = deliver

    async def carry(self, cohort_id: UUID, most: int) -> int:
        """Takes up to `most` of those whom the cohort carries as far as it can; how many there were.

        Who ends on the way is ended; who has to wait gets a workflow that begins there. Raises `Unavailable` where nobody gets
        further because a service does not answer; a single one's trouble is left to a workflow, which asks again by itself.
        """
        async with self._database.read() as session:
            rows = (await session.execute(_CARRIED, {"cohort": cohort_id, "most": most})).all()
        if not rows:
            return 0
        journeys = {version: await self._versions.journey(version) for version in {row.version for row in rows}}
        runs = [_Run(row.id, journeys[row.version], row.version, start(journeys[row.version])) for row in rows]
        await self._look_first(runs)
        await self._walk(runs)
        failed = [run for run in runs if run.failed is not None]
        if len(failed) == len(runs):
            raise Unavailable("journeys", str(failed[0].failed))
        finished = [
            FinishItem(enrolment_id=run.id, reason=reason)
            for run in runs
            if not run.rests and (reason := run.finished) is not None
        ]
        if finished:
            await self._steps.finish(finished)
        over = {item.enrolment_id for item in finished}
        left = [run for run in runs if run.id not in over]
        handed = await self._hand_over(left)
        await self._end_those_to_end([run.id for run in left if run.id not in handed])
        return len(runs)

    async def _look_first(self, runs: Sequence[_Run]) -> None:
        """Whoever a criterion ends is ended before the first step; who cannot be looked at yet does not go on."""
        ruled = [run for run in runs if run.journey.exit_when]
        looks = (self._first_look(run.id, look_back=True, exits=True) for run in ruled)
        for run, told in zip(ruled, await asyncio.gather(*looks, return_exceptions=True), strict=True):
            if isinstance(told, CallFailed):
                run.rests, run.failed, run.unseen = True, str(told), True
            elif isinstance(told, BaseException):
                raise told
            else:
                self._deliver(told)

    async def _walk(self, runs: Sequence[_Run]) -> None:
        going = [run for run in runs if _goes_on(run)]
        for _ in range(_ROUNDS):
            if not going:
                return
            items = [
                StepItem(enrolment_id=run.id, step=run.cursor.step or "", visit=run.cursor.visit, event_id=run.cursor.event_id)
                for run in going
            ]
            outcomes = await self._steps.perform(items)
            for run, outcome in zip(going, outcomes, strict=True):
                run.take(outcome, self._clock)
            going = [run for run in going if _goes_on(run)]

    async def _hand_over(self, runs: Sequence[_Run]) -> set[UUID]:
        """Gives people to workflows of their own, which begin where they stand; answers whom. Who is to end gets none."""
        if not runs:
            return set()
        async with self._database.begin() as session:
            rows = await session.execute(_HAND_OVER, {"ids": [run.id for run in runs]})
            handed = {row[0] for row in rows.all()}
            starts = [_start(run) for run in runs if run.id in handed]
            written = await write(session, starts)
        self._deliver(written)
        return handed

    async def _end_those_to_end(self, ids: Sequence[UUID]) -> None:
        """A criterion or a person ended them before they had a workflow that could say so."""
        if not ids:
            return
        async with self._database.read() as session:
            rows = await session.execute(_TO_END, {"ids": list(ids)})
            items = [FinishItem(enrolment_id=row[0], reason="ended") for row in rows.all()]
        if items:
            await self._steps.finish(items)


def _goes_on(run: _Run) -> bool:
    """Whether the next step is one that nobody waits at."""
    if run.rests or run.cursor.step is None:
        return False
    match run.journey.index.steps.get(run.cursor.step):
        case None | Wait() | WaitFor() | Call() | StartJourney(wait=True):
            return False
        case _:
            return True


def _start(run: _Run) -> Outgoing:
    payload = {
        "version": run.version,
        "look_back": run.unseen or (run.journey.goal is not None and not run.journey.exit_when),
        "exits": run.unseen,
        "carried": {"cursor": run.cursor.model_dump(mode="json", exclude_defaults=True)},
    }
    return Outgoing(run.id, run.journey.key, "start", payload, str(run.id))
