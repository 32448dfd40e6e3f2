"""Conditions asked of single people, as far as the profiles feed has told us."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import lru_cache

import orjson
from pydantic import JsonValue

from conditions import Condition, ConditionError, evaluate, parse_condition
from contracts.segments import Evaluate, Evaluated, EvaluatedItem
from infra.clock import Clock
from infra.db import Database
from infra.errors import BadInput, Behind, Flaw
from infra.feed.consumer import FeedConsumer
from infra.feed.cursor import Cursor
from services.segments.facts import Needs, load_people


class Waiter:
    """Waits until the profiles feed is applied up to where the asker has seen it."""

    def __init__(self, consumer: FeedConsumer, *, patience: float) -> None:
        self._consumer = consumer
        self._patience = patience

    async def reached(self, positions: Iterable[str | None]) -> None:
        """Raises `Behind` when a position is not reached in time, and `BadInput` for one that is no cursor."""
        farthest: dict[str, Cursor] = {}
        for number, position in enumerate(positions):
            if position is not None:
                cursor = _cursor(position, number)
                farthest[cursor.epoch] = max(cursor, farthest.get(cursor.epoch, cursor))
        waits = [self._consumer.catch_up(str(cursor), patience=self._patience) for cursor in farthest.values()]
        if not all(await asyncio.gather(*waits)):
            raise Behind(f"the profiles feed has not been applied up to {', '.join(map(str, farthest.values()))}")


class Evaluator:
    """`POST /v1/evaluate`."""

    def __init__(self, *, database: Database, waiter: Waiter, clock: Clock) -> None:
        self._database = database
        self._waiter = waiter
        self._clock = clock

    async def evaluate(self, batch: Evaluate) -> Evaluated:
        """One answer per item, in order. Raises `BadInput` and `Behind`."""
        conditions = [_condition(item.condition, number) for number, item in enumerate(batch.items)]
        await self._waiter.reached(item.position for item in batch.items)
        now = self._clock.now()
        needs = Needs()
        for item, condition in zip(batch.items, conditions, strict=True):
            needs.add(item.profile_id, condition, now)
        async with self._database.read() as session:
            people = await load_people(session, needs)
        answers = (
            evaluate(condition, people[item.profile_id], now) for item, condition in zip(batch.items, conditions, strict=True)
        )
        return Evaluated(
            results=tuple(EvaluatedItem(matches=one.matches, seen=one.seen, next_change=one.next_change) for one in answers)
        )


def _condition(data: dict[str, JsonValue], number: int) -> Condition:
    try:
        return _parsed(orjson.dumps(data))
    except ConditionError as error:
        place = f"$.items[{number}].condition"
        flaws = [Flaw(path=place + one.path.removeprefix("$"), message=one.message, remedy=one.remedy) for one in error.problems]
        raise BadInput(flaws, "the condition") from error


@lru_cache(maxsize=4096)
def _parsed(data: bytes) -> Condition:
    return parse_condition(orjson.loads(data))


def _cursor(position: str, number: int) -> Cursor:
    try:
        return Cursor.parse(position)
    except BadInput as error:
        flaw = Flaw(
            path=f"$.items[{number}].position", message=f"{position!r} is no cursor", remedy="send a cursor of the profiles feed"
        )
        raise BadInput([flaw], "the position") from error
