"""Whatever happens in whatever order: nobody is lost, nobody is in two places, nothing is sent twice."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from infra.errors import BadInput, Conflict
from services.journeys.moves.migration_plans import MigrationRequest
from tests.services.journeys.conftest import Service
from tests.services.journeys.runs import Runs


def _send(step: str) -> dict[str, Any]:
    return {"id": step, "type": "send", "template": "hello", "channels": ["email"]}


def _wait_for(event: str, timeout: str) -> dict[str, Any]:
    paths = [{"id": "came", "event": event, "steps": []}]
    return {"id": "order", "type": "wait_for", "paths": paths, "timeout": {"after": timeout}}


def _ids(steps: list[dict[str, Any]]) -> set[str]:
    return {each["id"] for step in steps for each in (step, *step.get("steps", ()))}


PAUSE = {"id": "pause", "type": "wait", "for": "P3D", "if_past": "exit", "late_by": "P1D"}
VERSIONS: list[list[dict[str, Any]]] = [
    [_send("first"), _wait_for("Ordered", "P2D"), _send("letter"), PAUSE, _send("last")],
    [_send("first"), _wait_for("Ordered", "P1D"), PAUSE | {"for": "P1D"}, _send("last")],
    [_send("first"), _send("intro"), _wait_for("Paid", "P4D"), _send("letter"), _send("last")],
    [{"id": "again", "type": "repeat", "max": 2, "steps": [_wait_for("Ordered", "P2D"), _send("letter")]}, _send("last")],
]
OPERATIONS = 90


class Play:
    """Random things that happen to a journey and its people."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service = service
        self.runs = Runs(service)
        self.chance = random.Random(seed)
        self.people: list[UUID] = []
        self.steps: set[str] = set()

    async def operation(self) -> None:
        happenings: list[tuple[int, Callable[[], Awaitable[object]]]] = [
            (5, self.enter),
            (4, self.event),
            (4, self.time),
            (8, self.turns),
            (8, self.runs.deliver),
            (6, self.background),
            (2, self.state),
            (3, self.publish_and_migrate),
            (1, self.move),
            (1, self.end),
        ]
        (chosen,) = self.chance.choices([each for _, each in happenings], [weight for weight, _ in happenings])
        await chosen()

    async def enter(self) -> None:
        self.people.append(uuid4())
        self.service.neighbours.traits[self.people[-1]] = {}
        await self.service.track(self.people[-1], "Signup", event_id="x")

    async def event(self) -> None:
        if self.people:
            await self.service.track(self.chance.choice(self.people), self.chance.choice(["Ordered", "Paid", "Cancelled"]))

    async def time(self) -> None:
        self.service.pass_time(timedelta(hours=self.chance.randint(1, 30)))

    async def turns(self) -> None:
        for run in list(self.runs.runs.values()):
            if self.chance.random() < 0.5:
                await run.turn()

    async def background(self) -> None:
        life = self.service.lifecycle
        for job in (life.starter, life.resumer, life.migrator, life.closer):
            await job.step()

    async def state(self) -> None:
        state = (await self.service.lifecycle.states.view("signup")).state
        await self.service.lifecycle.states.change("signup", "resume" if state == "paused" else "pause", by="chance")

    async def publish_and_migrate(self) -> None:
        steps = self.chance.choice(VERSIONS)
        before = self.steps
        await self.publish(steps, f"Version {self.chance.random()}")
        gone = before - _ids(steps) - {"order"}
        mapping = dict.fromkeys(sorted(gone), "last")
        if self.chance.random() < 0.2:
            mapping["order"] = "exit"
        try:
            await self.service.lifecycle.desk.start("signup", MigrationRequest(mapping=mapping), by="chance")
        except Conflict:  # another one is under way
            assert await self.service.rows("SELECT 1 FROM migration WHERE state IN ('running', 'finishing')")

    async def move(self) -> None:
        if run := self._somebody():
            try:
                await self.service.lifecycle.by_hand.move(
                    run, self.chance.choice(["order", "last", "letter"]), who="chance", why=""
                )
            except (Conflict, BadInput):  # over, on the way, or its version has no such step
                return

    async def end(self) -> None:
        if run := self._somebody():
            try:
                await self.service.lifecycle.by_hand.end(run, "chance", who="chance")
            except Conflict:
                return

    async def publish(self, steps: list[dict[str, Any]], name: str) -> None:
        self.service.neighbours.templates = [{"key": "hello", "variables": {}}]
        await self.service.publish(steps=steps, name=name, exit_when=[{"event": "Cancelled"}])
        self.steps = self.steps | _ids(steps)

    def _somebody(self) -> UUID | None:
        return self.chance.choice(list(self.runs.runs)) if self.runs.runs else None

    async def nobody_is_lost_or_sent_to_twice(self) -> None:
        rows = await self.service.rows(
            "SELECT e.id, e.state, e.reason, e.start_at, e.version, e.moving, (SELECT count(*) FROM outgoing o "
            "WHERE o.enrolment_id = e.id) AS told FROM enrolment e"
        )
        for row in rows:
            run = self.runs.runs.get(row.id)
            if row.state == "ended":
                assert row.reason
            elif row.start_at is not None:
                assert run is None, "held, and yet started"
            elif run is None:
                assert row.told, "neither held nor started"
            else:
                assert run.over is None, "over, and yet under way"
                assert run.version == row.version or row.moving is not None or row.state == "ending"
        keys = Counter(each.key for each in self.service.neighbours.sent)
        assert max(keys.values(), default=1) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_of_events_loses_nobody_and_sends_nothing_twice(service: Service, seed: int) -> None:
    play = Play(service, seed)
    await play.publish(VERSIONS[0], "The first")
    for _ in range(OPERATIONS):
        await play.operation()
        await play.nobody_is_lost_or_sent_to_twice()
    if (await service.lifecycle.states.view("signup")).state == "paused":
        await play.state()
    await play.runs.settle()
    for _ in range(14):
        service.pass_time(timedelta(days=1))
        await play.runs.settle()
        await play.nobody_is_lost_or_sent_to_twice()
    rows = await service.rows("SELECT state, reason FROM enrolment")
    assert {row.state for row in rows} == {"ended"}
    assert len(rows) == len(play.people)
    assert await service.rows("SELECT 1 FROM migration WHERE state <> 'done'") == []
