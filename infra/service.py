"""What every service is made of: an app with health endpoints, problem details, background work and a server."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Annotated

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from contracts.feed import FeedPage
from infra.auth import Caller, KeyRing, Scope, requires
from infra.bodies import BodyLimit
from infra.db import Database
from infra.errors import Unavailable
from infra.feed.outbox import Outbox
from infra.problems import Problem, answer_with_problems
from infra.settings import Settings

log = structlog.get_logger(__name__)


class Health(BaseModel):
    status: str


def create_service(
    name: str,
    *,
    description: str,
    routers: Sequence[APIRouter],
    keyring: KeyRing,
    database: Database | None = None,
    outbox: Outbox | None = None,
    background: Sequence[Callable[[], Awaitable[None]]] = (),
    closing: Sequence[Callable[[], Awaitable[None]]] = (),
) -> FastAPI:
    """The FastAPI app of a service.

    `background` coroutines run for the app's lifetime and are restarted when they fail; `closing` ones run at its
    end. `GET /livez` answers while the process runs, `GET /readyz` when the database answers too.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if database is not None:
                stack.push_async_callback(database.close)
            for close in closing:
                stack.push_async_callback(close)
            jobs = [*background, *([] if outbox is None else [outbox.keep_pruned])]
            tasks = [asyncio.create_task(_keep_running(job), name=f"{name}:{job}") for job in jobs]
            stack.push_async_callback(_cancel, tasks)
            yield

    app = FastAPI(
        title=f"Reis {name}",
        description=description,
        version="1",
        lifespan=lifespan,
        responses={"4XX": {"model": Problem, "description": "Problem details: what is wrong, where, and the remedy."}},
    )
    app.state.keyring = keyring
    app.state.outbox = outbox
    _add_health(app, database)
    if outbox is not None:
        _add_feed(app, outbox)
    for router in routers:
        app.include_router(router)
    answer_with_problems(app)
    app.add_middleware(BodyLimit)
    return app


async def serve(app: FastAPI, settings: Settings) -> None:
    """Serves `app` on the configured host and port until SIGTERM, SIGINT or cancellation."""
    gc.collect()
    gc.freeze()  # what was loaded by now stays, and need not be looked through again
    gc.set_threshold(50_000, 20, 20)  # a batch makes thousands of objects that all end with it
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
        server_header=False,
        date_header=False,
    )
    await _Server(config, app.state.outbox).serve()


class _Server(uvicorn.Server):
    """Answers those who wait for the feed before it waits for open requests to end: a stop takes no long poll's time."""

    def __init__(self, config: uvicorn.Config, outbox: Outbox | None) -> None:
        super().__init__(config)
        self._outbox = outbox

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._outbox is not None:
            self._outbox.close()
        await super().shutdown(sockets)


async def _keep_running(job: Callable[[], Awaitable[None]]) -> None:
    """Restarts a job that fails, with back-off. An outage of a part is told in one line, everything else with its traceback."""
    pause = 0.5
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await job()
        except Exception as error:
            if asyncio.get_running_loop().time() - started > 60:
                pause = 0.5
            name = getattr(job, "__qualname__", repr(job))
            if _is_outage(error):
                log.warning("background.waiting", job=name, seconds=pause, why=str(error).partition("\n")[0])
            else:
                log.exception("background.restart", job=name, seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 30.0)
        else:
            return


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_outage(each) for each in error.exceptions)
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout | Unavailable | OSError)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


def _add_health(app: FastAPI, database: Database | None) -> None:
    @app.get("/livez", tags=["health"], summary="The process runs")
    async def livez() -> Health:
        return Health(status="alive")

    @app.get("/readyz", tags=["health"], summary="The service can do its work")
    async def readyz() -> Health:
        if database is not None:
            await database.ping()
        return Health(status="ready")


def _add_feed(app: FastAPI, outbox: Outbox) -> None:
    acknowledged: dict[str, str] = {}

    @app.get("/v1/feed", tags=["feed"], summary="What happened, in order")
    async def feed(
        caller: Annotated[Caller, requires(Scope.FEED_READ)],
        after: Annotated[str | None, Query(description="Cursor of the last item seen; none: from the beginning")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for the first new item")] = 0,
        reader: Annotated[str | None, Query(description="Consumer's name; rows it has not passed are kept")] = None,
    ) -> FeedPage:
        if reader and acknowledged.get(reader) != (after or ""):  # also one that has read nothing yet is known from now on
            await outbox.acknowledge(reader, after)
            acknowledged[reader] = after or ""
        return await outbox.read(after, limit=limit, wait=wait)

    @app.get("/v1/feed/head", tags=["feed"], summary="Cursor of the newest item")
    async def head(caller: Annotated[Caller, requires(Scope.FEED_READ)]) -> FeedPage:
        return FeedPage(items=(), next=await outbox.head())
