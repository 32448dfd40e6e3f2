"""The consumer's side of a feed: effect and cursor in one transaction, so no loss and no double effect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import orjson
import structlog
from pydantic import ValidationError
from sqlalchemy import Column, DateTime, Identity, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.feed import FeedItem, FeedPage
from infra.db import Database, is_outage
from infra.errors import ReisError, Rejected, Unavailable
from infra.feed.cursor import Cursor
from infra.http import ServiceClient, places_of

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_OF_AN_ITEM = (ReisError, SQLAlchemyError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError)


def consumer_tables(metadata: MetaData) -> None:
    """Adds the consumer's tables (`feed_cursor`, `feed_dead_letter`) to a service's metadata."""
    Table(
        "feed_cursor",
        metadata,
        Column("feed", Text, primary_key=True),
        Column("cursor", Text, nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )
    Table(
        "feed_dead_letter",
        metadata,
        Column("number", Integer, Identity(always=True), primary_key=True),
        Column("feed", Text, nullable=False),
        Column("item", JSONB, nullable=False),
        Column("error", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )


class Effect(Protocol):
    """What a page of items does. Calls to other services come first, outside the transaction."""

    async def prepare(self, items: Sequence[FeedItem]) -> Callable[[AsyncSession], Awaitable[None]]:
        """Fetches what is needed over HTTP and returns the effect to run inside the cursor's transaction."""
        ...

    def committed(self) -> None:
        """Runs after the commit: wake whoever delivers what was written."""
        ...


class Moved(ReisError):
    """Another process moved this cursor: its page is not ours to apply."""

    status = 409


class FeedConsumer:
    """Follows one feed for ever. `run` returns only by cancellation; every fault is retried with back-off."""

    def __init__(
        self, *, feed: str, reader: str, client: ServiceClient, database: Database, effect: Effect, page: int = 500
    ) -> None:
        self.feed = feed
        self._reader = reader
        self._client = client
        self._database = database
        self._effect = effect
        self._page = page
        self._reached: Cursor | None = None
        self._progress = asyncio.Condition()

    async def run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self.step(wait=20.0)
                pause = _FIRST_PAUSE
            except Exception as error:
                if _is_outage(error):
                    log.warning("feed.waiting", feed=self.feed, why=_first_line(error), seconds=pause)
                else:
                    log.exception("feed.failed", feed=self.feed, seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def step(self, *, wait: float) -> int:
        """Reads and applies one page; returns the number of items."""
        before = await self._load()
        if before is not None:  # after a restart all of it is applied already
            await self._publish(before)
        page = await self._fetch(before, wait)
        if page.items:
            await self._apply(page, before)
        await self._publish(page.next)
        return len(page.items)

    async def catch_up(self, position: str, *, patience: float) -> bool:
        """Waits up to `patience` real seconds until this consumer has applied everything up to `position`."""
        goal = Cursor.parse(position)
        if self._reached is not None and self._reached.reached(goal):
            return True
        try:
            async with asyncio.timeout(patience), self._progress:
                await self._progress.wait_for(lambda: self._reached is not None and self._reached.reached(goal))
        except TimeoutError:
            return False
        return True

    async def _fetch(self, after: str | None, wait: float) -> FeedPage:
        parameters: dict[str, str | int | float] = {"limit": self._page, "wait": wait, "reader": self._reader}
        if after:
            parameters["after"] = after
        content = await self._client.get_bytes("/v1/feed", params=parameters, patience=wait)
        try:
            return FeedPage.model_validate_json(content)
        except ValidationError:
            return await self._readable(content, after)

    async def _readable(self, content: bytes, after: str | None) -> FeedPage:
        """The items before the first that cannot be read; where that is the first, it is buried and nothing is left to do.

        Raises `Unavailable` for an answer that is no page at all.
        """
        try:
            page = orjson.loads(content)
            raw, following = list(page["items"]), str(page["next"])
        except (ValueError, LookupError, TypeError):
            raise Unavailable(self.feed, "its answer is no page of a feed") from None
        items: list[FeedItem] = []
        for each in raw:
            try:
                items.append(FeedItem.model_validate(each))
            except ValidationError as error:
                if items:
                    return FeedPage(items=tuple(items), next=items[-1].cursor)
                if not isinstance(each, dict) or not isinstance(each.get("cursor"), str):
                    raise Unavailable(self.feed, "an item of its feed has no cursor") from None
                log.error("feed.dead_letter", feed=self.feed, why=places_of(error))  # noqa: TRY400  # a traceback would show the item
                await self._bury(orjson.dumps({"unreadable": repr(each)}).decode(), places_of(error), after, each["cursor"])
                return FeedPage(items=(), next=each["cursor"])
        return FeedPage(items=tuple(items), next=following)

    async def _bury(self, item: str, error: str, before: str | None, after: str) -> None:
        """Keeps an item that cannot be applied, and goes on behind it."""
        async with self._database.begin() as session:
            await self._advance(session, before, after)
            await session.execute(
                text("INSERT INTO feed_dead_letter (feed, item, error) VALUES (:feed, CAST(:item AS jsonb), :error)"),
                {"feed": self.feed, "item": item, "error": error},
            )

    async def _apply(self, page: FeedPage, before: str | None) -> None:
        try:
            await self._apply_items(page.items, before, page.next)
        except _OF_AN_ITEM as error:
            if _is_outage(error) or _is_ours(error):
                raise
            log.warning("feed.page_failed", feed=self.feed, items=len(page.items), why=_first_line(error))
            await self._one_by_one(page, before)

    async def _apply_items(self, items: Sequence[FeedItem], before: str | None, after: str) -> None:
        write = await self._effect.prepare(items)
        async with self._database.begin() as session:
            await self._advance(session, before, after)
            await write(session)
        self._effect.committed()

    async def _one_by_one(self, page: FeedPage, before: str | None) -> None:
        """A page that fails is applied item by item; the one at fault is kept as a dead letter, not lost."""
        for item in page.items:
            try:
                await self._apply_items([item], before, item.cursor)
            except _OF_AN_ITEM as error:
                if _is_outage(error) or _is_ours(error):
                    raise
                shown = not isinstance(error, SQLAlchemyError)  # a database's error names the values
                log.error(  # noqa: TRY400
                    "feed.dead_letter", feed=self.feed, item=item.id, type=item.type, why=_first_line(error), exc_info=shown
                )
                await self._bury(item.model_dump_json(), _first_line(error), before, item.cursor)
            before = item.cursor

    async def _load(self) -> str | None:
        async with self._database.read() as session:
            row = (await session.execute(text("SELECT cursor FROM feed_cursor WHERE feed = :feed"), {"feed": self.feed})).first()
        return str(row[0]) if row else None

    async def _advance(self, session: AsyncSession, before: str | None, after: str) -> None:
        if before is None:
            statement = "INSERT INTO feed_cursor (feed, cursor) VALUES (:feed, :after) ON CONFLICT DO NOTHING RETURNING feed"
        else:
            statement = (
                "UPDATE feed_cursor SET cursor = :after, updated_at = now() "
                "WHERE feed = :feed AND cursor = :before RETURNING feed"
            )
        row = (await session.execute(text(statement), {"feed": self.feed, "before": before, "after": after})).first()
        if row is None:
            raise Moved(f"the cursor of feed {self.feed} was moved by another process")

    async def _publish(self, cursor: str) -> None:
        async with self._progress:
            self._reached = Cursor.parse(cursor)
            self._progress.notify_all()


def _is_outage(error: Exception) -> bool:
    """Whether to try the same again: nobody answers."""
    return isinstance(error, Unavailable | Moved) or is_outage(error)


def _first_line(error: Exception) -> str:
    """What went wrong, without the values: the details of a database's error show rows."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _is_ours(error: Exception) -> bool:
    """Whether our own key was refused: no item is at fault for that."""
    return isinstance(error, Rejected) and error.answered in {401, 403}
