"""The computed traits that exist, and their values for people."""

from __future__ import annotations

from functools import lru_cache

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions import ConditionError, Duration
from conditions.computed import ComputedDraft, ComputedTrait
from contracts.segments import COMPUTED_TRAIT_CHANGED, Computed, ComputedLookup, ComputedTraitChanged
from infra.clock import Clock
from infra.db import Database
from infra.errors import BadInput, Flaw, NotFound
from infra.feed.outbox import Happening, Outbox
from services.segments.evaluator import Waiter
from services.segments.facts import events_of
from services.segments.reading import read_filter
from services.segments.schemas import ComputedList, ComputedView

_ALL = text("SELECT key, definition, version, updated_at FROM computed_trait ORDER BY key")
_ONE = text("SELECT key, definition, version, updated_at FROM computed_trait WHERE key = :key")
_PUT = text(
    "INSERT INTO computed_trait (key, definition, version, updated_at, updated_by) "
    "VALUES (:key, CAST(:definition AS jsonb), 1, :now, :by) "
    "ON CONFLICT (key) DO UPDATE SET definition = excluded.definition, version = computed_trait.version + 1, "
    "updated_at = excluded.updated_at, updated_by = excluded.updated_by WHERE computed_trait.definition <> excluded.definition "
    "RETURNING key"
)
_DELETE = text("DELETE FROM computed_trait WHERE key = :key RETURNING key")


class ComputedTraits:
    """Nothing is stored per person: values are worked out from the events, so that a new definition holds at once.

    The feed tells of changed definitions; whoever follows a person's value looks again at the events that it rests on.
    """

    def __init__(self, *, database: Database, outbox: Outbox, waiter: Waiter, clock: Clock) -> None:
        self._database = database
        self._outbox = outbox
        self._waiter = waiter
        self._clock = clock

    async def put(self, key: str, draft: ComputedDraft, by: str) -> ComputedView:
        """Raises `BadInput`."""
        _check(draft)
        values = {"key": key, "definition": draft.model_dump_json(exclude_unset=True), "now": self._clock.now(), "by": by}
        async with self._database.begin() as session:
            if (await session.execute(_PUT, values)).first() is not None:
                await self._publish(session, key)
        self._outbox.notify()
        return await self.get(key)

    async def get(self, key: str) -> ComputedView:
        """Raises `NotFound`."""
        async with self._database.read() as session:
            row = (await session.execute(_ONE, {"key": key})).first()
        if row is None:
            raise NotFound("computed trait", key)
        return ComputedView.model_validate(row, from_attributes=True)

    async def all(self) -> ComputedList:
        async with self._database.read() as session:
            rows = (await session.execute(_ALL)).all()
        return ComputedList(computed_traits=tuple(ComputedView.model_validate(row, from_attributes=True) for row in rows))

    async def delete(self, key: str) -> None:
        """Raises `NotFound`."""
        async with self._database.begin() as session:
            if (await session.execute(_DELETE, {"key": key})).first() is None:
                raise NotFound("computed trait", key)
            await self._publish(session, key)
        self._outbox.notify()

    async def _publish(self, session: AsyncSession, key: str) -> None:
        data = ComputedTraitChanged(key=key).model_dump(mode="json")
        await self._outbox.append(session, [Happening(COMPUTED_TRAIT_CHANGED, key, self._clock.now(), data)])

    async def values(self, lookup: ComputedLookup) -> Computed:
        """Every computed trait that has a value, per person. Raises `BadInput` and `Behind`."""
        await self._waiter.reached([lookup.position])
        async with self._database.read() as session:
            traits = [_parsed(row.key, orjson.dumps(row.definition)) for row in (await session.execute(_ALL)).all()]
            names = {trait.definition.event for trait in traits}
            events = await events_of(session, lookup.profile_ids, names) if names else {}
        found = {
            profile_id: {trait.key: trait.value(events.get(profile_id, ())) for trait in traits}
            for profile_id in lookup.profile_ids
        }
        return Computed(
            traits={
                profile_id: {key: value for key, value in values.items() if value is not None}
                for profile_id, values in found.items()
            },
            events={trait.key: trait.definition.event for trait in traits},
        )


@lru_cache(maxsize=1024)
def _parsed(key: str, definition: bytes) -> ComputedTrait:
    return ComputedTrait(key, ComputedDraft.model_validate_json(definition))


def _check(draft: ComputedDraft) -> None:
    if draft.where is not None:
        read_filter(draft.where, "$.where")
    flaws = []
    if draft.take in ("sum", "min", "max") and draft.property is None:
        flaws.append(
            Flaw(path="$.property", message=f"is missing: {draft.take!r} of what?", remedy="name a property of the event")
        )
    if draft.take == "count" and draft.property is not None:
        flaws.append(
            Flaw(path="$.property", message="events are counted, not a property", remedy="leave it out; filter with 'where'")
        )
    if draft.take in ("count", "sum") and draft.add is not None:
        flaws.append(Flaw(path="$.add", message=f"{draft.take!r} yields a number, which is no date", remedy="leave it out"))
    if isinstance(draft.add, str):
        try:
            Duration.parse(draft.add)
        except ConditionError as error:
            flaws += [Flaw(path="$.add", message=one.message, remedy=one.remedy) for one in error.problems]
    if any("\0" in text for text in (draft.event, draft.property or "")):
        flaws.append(Flaw(path="$", message="holds a NUL, which no text in the database has", remedy="remove it"))
    if flaws:
        raise BadInput(flaws, "the computed trait")
