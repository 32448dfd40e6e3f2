"""A scripted journeys service: speaks contracts.journeys over real HTTP, decides once and keeps, remembers what it was asked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import JsonValue

from contracts.journeys import CohortProgress, FinishItem, FinishItems, StepItem, StepItems
from journeys import Journey, content_hash, parse_journey
from journeys.model import Branch, Repeat, Split, Wait, WaitFor
from journeys.outcome import Chose, Deferred, Done, ServiceOutcome, Sleep, StepResults, Waiting
from tests.workflows.crowds import Crowd

Key = tuple[UUID, str, int]
Script = Callable[[StepItem], ServiceOutcome]
SOON = timedelta(milliseconds=20)
THREE_DAYS = timedelta(days=3)


def instant(after: timedelta) -> datetime:
    """So long from now."""
    return datetime.now(UTC) + after


class World:
    """Unscripted steps do what is plain: waits are short, a `wait_for` waits for three days, choices take the first path
    and repetitions use up their rounds. `script[step]` overrides. `broken` answers every request with that status.
    """

    def __init__(self, definitions: Iterable[JsonValue]) -> None:
        self.definitions = {content_hash(one): one for one in definitions}
        self.script: dict[str, Script] = {}
        self.broken: int | None = None
        self.refused: dict[UUID, int] = {}
        self.asked: list[StepItem] = []
        self.finished: list[FinishItem] = []
        self.batches: list[int] = []
        self.failures = 0
        self.fetched: Counter[str] = Counter()
        self.crowds: dict[UUID, Crowd] = {}
        self._kept: dict[Key, ServiceOutcome] = {}
        self._happened = asyncio.Condition()
        self._journeys: dict[str, Journey] = {}

    def journey(self, digest: str) -> Journey:
        if digest not in self._journeys:
            self._journeys[digest] = parse_journey(self.definitions[digest])
        return self._journeys[digest]

    def decided(self, enrolment: UUID) -> list[tuple[str, int]]:
        """The steps and visits that were decided for somebody, in order."""
        return [(step, visit) for whose, step, visit in self._kept if whose == enrolment]

    def times_asked(self, enrolment: UUID) -> Counter[tuple[str, int]]:
        return Counter((item.step, item.visit) for item in self.asked if item.enrolment_id == enrolment)

    def reason(self, enrolment: UUID) -> str | None:
        """Why somebody's enrolment ended, as the service was told."""
        return next((item.reason for item in self.finished if item.enrolment_id == enrolment), None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that a request makes true."""
        async with self._happened:
            await self._happened.wait_for(condition)

    def _decide(self, item: StepItem) -> ServiceOutcome:
        key = (item.enrolment_id, item.step, item.visit)
        if key in self._kept and not item.confirm:
            return self._kept[key]
        scripted = self.script.get(item.step)
        outcome = scripted(item) if scripted else self._plain(item)
        if not isinstance(outcome, Deferred) and not item.confirm:
            self._kept[key] = outcome
        return outcome

    def _plain(self, item: StepItem) -> ServiceOutcome:
        assert item.journey is not None
        match step := self.journey(item.journey).index.steps[item.step]:
            case Wait():
                return Sleep(wake_at=instant(SOON))
            case WaitFor():
                return Waiting(wake_at=instant(THREE_DAYS))
            case Branch() | Split():
                return Chose(path=step.paths[0].id)
            case Repeat():
                return Chose(path="again" if item.visit <= (step.max or 3) else "done")
            case _:
                return Done()

    async def _tell(self) -> None:
        async with self._happened:
            self._happened.notify_all()

    def app(self) -> FastAPI:
        app = FastAPI()

        def refusal() -> JSONResponse | None:
            if self.broken is None:
                return None
            self.failures += 1
            return JSONResponse({"detail": "told to fail, said Jane Doe"}, self.broken, media_type="application/problem+json")

        @app.post("/v1/steps", response_model=StepResults)
        async def steps(body: StepItems) -> StepResults | JSONResponse:
            try:
                if refused := refusal():
                    return refused
                for item in body.items:
                    if item.enrolment_id in self.refused:
                        self.failures += 1
                        return JSONResponse({"detail": f"refused: {item.enrolment_id}"}, self.refused[item.enrolment_id])
                self.asked.extend(body.items)
                self.batches.append(len(body.items))
                return StepResults(results=tuple(self._decide(item) for item in body.items))
            finally:
                await self._tell()

        @app.post("/v1/finishes", response_model=None)
        async def finishes(body: FinishItems) -> Response:
            try:
                if refused := refusal():
                    return refused
                self.finished.extend(body.items)
                return JSONResponse({})
            finally:
                await self._tell()

        @app.post("/v1/cohorts/{cohort}/advance", response_model=CohortProgress)
        async def advance(cohort: UUID) -> CohortProgress | JSONResponse:
            try:
                return refusal() or self.crowds[cohort].advance()
            finally:
                await self._tell()

        @app.get("/v1/versions/{digest}", response_model=None)
        async def version(digest: str) -> Response:
            try:
                self.fetched[digest] += 1
                return refusal() or JSONResponse(self.definitions[digest])
            finally:
                await self._tell()

        return app


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[str]:
    """The world on a port of this machine; yields its base URL."""
    config = uvicorn.Config(world.app(), port=0, log_config=None, access_log=False, lifespan="off", ws="none")
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
