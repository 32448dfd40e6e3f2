"""Questions about the whole population, asked by SQL: who matches, how many, who is a member."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.segments import (
    MemberFound,
    MemberQuery,
    MembersFound,
    MembershipChange,
    MembershipSearch,
    MembershipsFound,
    MembershipsOfPerson,
    MemberZones,
)
from infra.clock import Clock
from infra.db import Database
from infra.errors import NotFound
from services.segments.definitions import DefinitionCache
from services.segments.membership import item_id
from services.segments.reading import check_segments, read_condition
from services.segments.schemas import (
    Count,
    Member,
    Members,
    MembershipEntry,
    ProfileMembership,
    ProfileMemberships,
    Query,
    QueryAnswer,
)
from services.segments.sql import compile_condition

_COUNT = "SELECT count(*) FILTER (WHERE {condition}) AS matching, count(*) AS population FROM person AS p"
_IDS = (
    "SELECT p.profile_id FROM person AS p WHERE {condition} "
    "AND (CAST(:after AS uuid) IS NULL OR p.profile_id > CAST(:after AS uuid)) "
    "ORDER BY p.profile_id LIMIT :limit"
)
_MEMBER_COUNT = text(
    "SELECT (SELECT count(*) FROM membership WHERE segment = :key AND member) AS matching, "
    "(SELECT count(*) FROM person) AS population"
)
_MEMBERS = text(
    "SELECT profile_id, since, number FROM membership WHERE segment = :key AND member "
    "AND (CAST(:after AS uuid) IS NULL OR profile_id > CAST(:after AS uuid)) ORDER BY profile_id LIMIT :limit"
)
_MEMBERS_WITH_TRAITS = text(
    "SELECT m.profile_id, p.traits FROM membership m JOIN person p ON p.profile_id = m.profile_id "
    "WHERE m.segment = :key AND m.member AND (CAST(:after AS uuid) IS NULL OR m.profile_id > CAST(:after AS uuid)) "
    "AND (CAST(:zones AS text[]) IS NULL OR (coalesce(p.traits->>'timezone', '') = ANY(CAST(:zones AS text[]))) <> :others) "
    "ORDER BY m.profile_id LIMIT :limit"
)
_ZONES = text(
    "SELECT CASE WHEN jsonb_typeof(p.traits->'timezone') = 'string' THEN p.traits->>'timezone' END AS zone, count(*) AS members "
    "FROM membership m JOIN person p ON p.profile_id = m.profile_id WHERE m.segment = :key AND m.member GROUP BY 1"
)
_SURVIVOR = text("SELECT survivor FROM merge WHERE merged = :id")
_HISTORY = text(
    "SELECT segment, member, at, number, version FROM membership_history WHERE profile_id = :id ORDER BY segment, at, position"
)
_SEARCH = text(
    "SELECT w.n, h.position, h.segment, h.member, h.at "
    "FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w(n int, profile_id uuid, segment text, since timestamptz) "
    "LEFT JOIN merge AS m ON m.merged = w.profile_id "
    "JOIN membership_history AS h ON h.profile_id = coalesce(m.survivor, w.profile_id) AND h.segment = w.segment "
    "AND h.at >= w.since ORDER BY h.at, h.position"
)
_MEMBER_NOW = text(
    "SELECT w.n, s.segment, s.since "
    "FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w(n int, profile_id uuid, segment text, since timestamptz) "
    "LEFT JOIN merge AS m ON m.merged = w.profile_id "
    "JOIN membership AS s ON s.segment = w.segment AND s.profile_id = coalesce(m.survivor, w.profile_id) AND s.member"
)
_NOW_MEMBER = text("SELECT segment FROM membership WHERE profile_id = :id AND member")


class Census:
    """Answers about the population as it is projected now."""

    def __init__(self, *, database: Database, definitions: DefinitionCache, clock: Clock) -> None:
        self._database = database
        self._definitions = definitions
        self._clock = clock

    async def query(self, query: Query) -> QueryAnswer:
        """Raises `BadInput` for a condition that says nothing we understand, or names an unknown segment."""
        condition = read_condition(query.condition, "$.condition")
        at = query.at or self._clock.now()
        async with self._database.read() as session:
            check_segments(query.condition, "$.condition", await self._definitions.current(session))
            predicate = compile_condition(condition, "history" if query.at else "current")
            count = (await session.execute(predicate.statement(_COUNT), predicate.parameters(at))).one().matching
            parameters = predicate.parameters(at, after=query.after, limit=query.limit)
            ids = (await session.execute(predicate.statement(_IDS), parameters)).scalars() if query.limit else ()
            return QueryAnswer(count=count, at=at, profile_ids=tuple(ids))

    async def count(self, key: str, at: datetime | None) -> Count:
        """Members now; or, for an instant, those whom today's definition holds for then. Raises `NotFound`."""
        async with self._database.read() as session:
            segment = (await self._definitions.current(session)).segments.get(key)
            if segment is None or segment.deleted:
                raise NotFound("segment", key)
            if at is None:
                row = (await session.execute(_MEMBER_COUNT, {"key": key})).one()
            else:
                predicate = compile_condition(segment.condition, "history")
                row = (await session.execute(predicate.statement(_COUNT), predicate.parameters(at))).one()
        return Count(count=row.matching, population=row.population, at=at or self._clock.now())

    async def members(self, key: str, after: UUID | None, limit: int) -> Members:
        """Raises `NotFound`."""
        async with self._database.read() as session:
            segment = (await self._definitions.current(session)).segments.get(key)
            if segment is None or segment.deleted:
                raise NotFound("segment", key)
            rows = (await session.execute(_MEMBERS, {"key": key, "after": after, "limit": limit + 1})).all()
        members = tuple(Member(profile_id=row.profile_id, since=row.since, number=row.number) for row in rows[:limit])
        return Members(members=members, next=members[-1].profile_id if len(rows) > limit else None)

    async def found(self, key: str, query: MemberQuery) -> MembersFound:
        """Members with their traits. Raises `NotFound`."""
        async with self._database.read() as session:
            await self._check(session, key)
            values = query.model_dump(exclude={"limit", "zones"}) | {"key": key, "limit": query.limit + 1}
            values["zones"] = None if query.zones is None else list(query.zones)
            rows = (await session.execute(_MEMBERS_WITH_TRAITS, values)).all()
        members = tuple(MemberFound(profile_id=row.profile_id, traits=row.traits) for row in rows[: query.limit])
        return MembersFound(members=members, next=members[-1].profile_id if len(rows) > query.limit else None)

    async def zones(self, key: str) -> MemberZones:
        """The zones that members say they live in. Raises `NotFound`."""
        async with self._database.read() as session:
            await self._check(session, key)
            rows = (await session.execute(_ZONES, {"key": key})).all()
        return MemberZones(
            zones={row.zone: row.members for row in rows if row.zone is not None},
            without=sum(row.members for row in rows if row.zone is None),
        )

    async def _check(self, session: AsyncSession, key: str) -> None:
        segment = (await self._definitions.current(session)).segments.get(key)
        if segment is None or segment.deleted:
            raise NotFound("segment", key)

    async def memberships(self, profile_id: UUID) -> ProfileMemberships:
        """Of the surviving profile; nobody known has none."""
        async with self._database.read() as session:
            survivor: UUID = (await session.execute(_SURVIVOR, {"id": profile_id})).scalar() or profile_id
            histories: dict[str, list[MembershipEntry]] = defaultdict(list)
            for row in (await session.execute(_HISTORY, {"id": survivor})).all():
                histories[row.segment].append(
                    MembershipEntry(member=row.member, at=row.at, number=row.number, version=row.version)
                )
            member_of = set((await session.execute(_NOW_MEMBER, {"id": survivor})).scalars())
        memberships = tuple(
            ProfileMembership(segment=segment, member=segment in member_of, history=tuple(entries))
            for segment, entries in histories.items()
        )
        return ProfileMemberships(profile_id=survivor, memberships=memberships)

    async def changes(self, search: MembershipSearch) -> MembershipsFound:
        """What changed for some people since an instant each, and what they are members of now: one answer per filter."""
        rows = [
            {"n": number, "profile_id": one.profile_id, "segment": segment, "since": one.since}
            for number, one in enumerate(search.filters)
            for segment in one.segments
        ]
        wanted = {"wanted": orjson.dumps(rows).decode()}
        changes: dict[int, list[MembershipChange]] = defaultdict(list)
        member_of: dict[int, dict[str, datetime]] = defaultdict(dict)
        async with self._database.read() as session:
            for row in (await session.execute(_SEARCH, wanted)).all():
                changes[row.n].append(
                    MembershipChange(id=item_id(row.position), segment=row.segment, member=row.member, at=row.at)
                )
            for row in (await session.execute(_MEMBER_NOW, wanted)).all():
                member_of[row.n][row.segment] = row.since
        return MembershipsFound(
            memberships=tuple(
                MembershipsOfPerson(changes=tuple(changes[number]), member_of=member_of[number])
                for number in range(len(search.filters))
            )
        )
