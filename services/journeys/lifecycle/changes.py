"""The parts that carry journeys and their people from state to state and version to version, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter

from infra.clock import Clock
from infra.db import Database
from services.journeys.endpoints.lifecycle import lifecycle_routes
from services.journeys.endpoints.moves import move_routes
from services.journeys.lifecycle.drafting import Drafts
from services.journeys.lifecycle.pacing import Pace
from services.journeys.lifecycle.resuming import Resumer
from services.journeys.lifecycle.starting import Starter
from services.journeys.lifecycle.states import Closer, States
from services.journeys.lifecycle.versions import Versions
from services.journeys.moves.by_hand import ByHand
from services.journeys.moves.migrating import Migrator
from services.journeys.moves.migrations_desk import MigrationsDesk
from services.journeys.moves.moving import Mover
from services.journeys.moves.previewing import Previewer
from services.journeys.outgoing import Outgoing
from services.journeys.waits.deciding import WaitDecider
from services.journeys.world import World

_IDLE_SECONDS = 2.0
_BUSY_SECONDS = 0.1


class Lifecycle:
    """States, drafts, migrations and what a person does by hand; `background` is what has to run for it.

    `per_second` people (real time, over all processes) are started after being held; as many are woken after a pause, and as
    many migrated.
    """

    def __init__(
        self,
        *,
        database: Database,
        versions: Versions,
        world: World,
        waits: WaitDecider,
        clock: Clock,
        workspace_zone: str,
        deliver: Callable[[Sequence[Outgoing]], None],
        per_second: float,
    ) -> None:
        self.states = States(database=database, clock=clock)
        self.drafts = Drafts(database=database, versions=versions, world=world, clock=clock)
        self.mover = Mover(
            database=database,
            versions=versions,
            waits=waits,
            world=world,
            clock=clock,
            workspace_zone=workspace_zone,
            deliver=deliver,
        )
        self.by_hand = ByHand(
            database=database, versions=versions, world=world, clock=clock, workspace_zone=workspace_zone, deliver=deliver
        )
        self.desk = MigrationsDesk(
            database=database,
            versions=versions,
            previewer=Previewer(database=database, versions=versions, waits=waits, clock=clock),
            clock=clock,
        )
        self.starter = Starter(database=database, clock=clock, pace=Pace("start", per_second), deliver=deliver)
        self.resumer = Resumer(database=database, pace=Pace("resume", per_second), deliver=deliver)
        self.closer = Closer(database=database, clock=clock, deliver=deliver)
        self.migrator = Migrator(
            database=database,
            versions=versions,
            world=world,
            clock=clock,
            workspace_zone=workspace_zone,
            pace=Pace("migrate", per_second),
            deliver=deliver,
        )
        self._database = database

    def routes(self) -> list[APIRouter]:
        """The endpoints."""
        return [lifecycle_routes(self.states, self.drafts, self._database), move_routes(self.desk, self.by_hand)]

    @property
    def background(self) -> list[Callable[[], Awaitable[None]]]:
        """Jobs for the app's lifetime."""
        jobs = (self.starter.step, self.resumer.step, self.closer.step, self.migrator.step)
        return [_Repeatedly(job) for job in jobs]


class _Repeatedly:
    """A job that is done step by step, soon again while there is more to do."""

    def __init__(self, step: Callable[[], Awaitable[bool]]) -> None:
        self._step = step

    async def __call__(self) -> None:
        while True:
            more = await self._step()
            await asyncio.sleep(_BUSY_SECONDS if more else _IDLE_SECONDS)
