"""Segments as they are defined now: parsed, compiled, and in the order in which they depend on each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from graphlib import TopologicalSorter
from typing import assert_never

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions import (
    All,
    AnyOf,
    Condition,
    Happened,
    InSegment,
    Not,
    Person,
    References,
    TraitIs,
    ValueIs,
    evaluate,
    parse_condition,
    references,
)
from services.segments.sql import Predicate, compile_condition

_SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Segment:
    """One segment's newest version."""

    key: str
    version: int
    condition: Condition
    deleted: bool = False

    @cached_property
    def references(self) -> References:
        return references(self.condition)

    @cached_property
    def timed(self) -> bool:
        """Whether time alone may change the answer."""
        return depends_on_time(self.condition)

    @cached_property
    def predicate(self) -> Predicate:
        return compile_condition(self.condition)

    @cached_property
    def welcomes_strangers(self) -> bool:
        """Whether somebody of whom nothing is known yet belongs to it."""
        return evaluate(self.condition, Person(), _SOME_TIME).matches

    @cached_property
    def trait_roots(self) -> frozenset[str]:
        """The top-level traits that it looks at."""
        return frozenset(path.partition(".")[0] for path in self.references.traits)


def depends_on_time(condition: Condition) -> bool:
    """Whether the answer may change without new facts."""
    match condition:
        case All():
            return any(depends_on_time(part) for part in condition.all)
        case AnyOf():
            return any(depends_on_time(part) for part in condition.any)
        case Not():
            return depends_on_time(condition.not_)
        case TraitIs() | ValueIs():
            return condition.op in ("older_than", "newer_than")
        case Happened():
            return condition.within is not None
        case InSegment():
            return False
        case _:
            assert_never(condition)


@dataclass(frozen=True)
class Definitions:
    """All segments as of one revision. `ordered` puts each behind those that it refers to."""

    revision: int
    segments: Mapping[str, Segment]
    ordered: tuple[Segment, ...] = field(init=False)
    by_event: Mapping[str, frozenset[str]] = field(init=False)
    by_trait: Mapping[str, frozenset[str]] = field(init=False)
    dependents: Mapping[str, frozenset[str]] = field(init=False)
    welcoming_strangers: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        known = self.segments.values()
        graph = {segment.key: segment.references.segments & self.segments.keys() for segment in known}
        put = object.__setattr__
        put(self, "ordered", tuple(self.segments[key] for key in TopologicalSorter(graph).static_order()))
        put(self, "by_event", _index((name, segment.key) for segment in known for name in segment.references.events))
        put(self, "by_trait", _index((name, segment.key) for segment in known for name in segment.trait_roots))
        put(self, "dependents", _index((name, segment.key) for segment in known for name in segment.references.segments))
        put(self, "welcoming_strangers", frozenset(segment.key for segment in known if segment.welcomes_strangers))

    def path_between(self, start: str, goal: str) -> list[str]:
        """How `start` refers to `goal` through other segments, both included; empty if it does not."""
        came_from: dict[str, str] = {}
        open_ends = [start]
        while open_ends:
            key = open_ends.pop()
            if key == goal:
                chain = [key]
                while chain[-1] != start:
                    chain.append(came_from[chain[-1]])
                return chain[::-1]
            segment = self.segments.get(key)
            for reference in segment.references.segments if segment else ():
                if reference not in came_from and reference != start:
                    came_from[reference] = key
                    open_ends.append(reference)
        return []


class DefinitionCache:
    """Keeps the parsed definitions of a process; read again only when the database's revision differs."""

    def __init__(self) -> None:
        self._definitions = Definitions(-1, {})

    async def locked(self, session: AsyncSession) -> Definitions:
        """The newest definitions; holds the lock that makes writers of memberships take turns until the transaction ends."""
        revision = (await session.execute(text("SELECT revision FROM registry FOR UPDATE"))).scalar_one()
        return await self._at(session, int(revision))

    async def current(self, session: AsyncSession) -> Definitions:
        """The newest definitions, for reading."""
        return await self._at(session, int((await session.execute(text("SELECT revision FROM registry"))).scalar_one()))

    async def _at(self, session: AsyncSession, revision: int) -> Definitions:
        if self._definitions.revision != revision:
            rows = (await session.execute(text("SELECT key, version, condition, deleted FROM segment"))).all()
            old = self._definitions.segments
            segments = {
                row.key: old[row.key]
                if row.key in old and old[row.key].version == row.version
                else Segment(row.key, row.version, parse_condition(row.condition), row.deleted)
                for row in rows
            }
            self._definitions = Definitions(revision, segments)
        return self._definitions


def _index(pairs: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    index: dict[str, set[str]] = defaultdict(set)
    for name, key in pairs:
        index[name].add(key)
    return {name: frozenset(keys) for name, keys in index.items()}
