"""What a page of the profiles feed does here: projection and memberships, in the transaction of its cursor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.feed import FeedItem
from infra.clock import Clock
from services.segments.definitions import DefinitionCache, Definitions
from services.segments.membership import Memberships, Touched
from services.segments.projection import Page, Touches, project


class ProfilesFollower:
    """The effect of the profiles feed (`infra.feed.consumer.Effect`). `wake` is called after each commit."""

    def __init__(self, *, definitions: DefinitionCache, memberships: Memberships, clock: Clock, wake: Callable[[], None]) -> None:
        self._definitions = definitions
        self._memberships = memberships
        self._clock = clock
        self._wake = wake

    async def prepare(self, items: Sequence[FeedItem]) -> Callable[[AsyncSession], Awaitable[None]]:
        page = Page.read(items)

        async def write(session: AsyncSession) -> None:
            definitions = await self._definitions.locked(session)
            touches = await project(session, page, definitions.by_trait.keys())
            await self._memberships.refresh(session, definitions, touched_by(touches, definitions, self._clock.now()))

        return write

    def committed(self) -> None:
        self._memberships.committed()
        self._wake()


def touched_by(touches: Touches, definitions: Definitions, now: datetime) -> Touched:
    """The memberships that a page may have changed: those that look at something it touched.

    A newcomer belongs to a segment that looks at nothing of theirs only if that holds for somebody unknown.
    """
    touched: dict[str, dict[UUID, datetime]] = defaultdict(dict)

    def touch(keys: Iterable[str], people: Iterable[UUID]) -> None:
        asked = dict.fromkeys(people, now)
        for key in keys:
            touched[key].update(asked)

    for name, people in touches.events.items():
        touch(definitions.by_event.get(name, ()), people)
    for name, people in touches.traits.items():
        touch(definitions.by_trait.get(name, ()), people)
    if touches.newcomers:
        touch(definitions.welcoming_strangers, touches.newcomers)
    if touches.survivors:
        touch(definitions.segments, touches.survivors)
    return touched
