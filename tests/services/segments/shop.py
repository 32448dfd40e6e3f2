"""A profiles service reduced to its feed, and a segments service that follows it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import httpx
from fastapi import FastAPI, Query
from pydantic import JsonValue
from uuid_utils.compat import uuid7

from contracts.feed import FeedItem, FeedPage
from contracts.profiles import EVENT_TRACKED, PROFILE_CHANGED, PROFILES_MERGED
from contracts.segments import Computed, Evaluated

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class ProfilesFeed:
    """What the profiles service says, in the order in which a test says it."""

    def __init__(self) -> None:
        self.items: list[FeedItem] = []
        self.open = True
        self._more = asyncio.Event()
        self.app = FastAPI()

        @self.app.get("/v1/feed")
        async def feed(after: str = "profiles.0.0", limit: int = 100, wait: Annotated[float, Query()] = 0) -> FeedPage:
            start = int(after.split(".")[1])
            while not self._readable(start):
                self._more.clear()
                await self._more.wait()
            items = self._readable(start)[:limit]
            return FeedPage(items=tuple(items), next=items[-1].cursor)

    def _readable(self, start: int) -> list[FeedItem]:
        return self.items[start:] if self.open else []

    def resume(self) -> None:
        self.open = True
        self._more.set()

    @property
    def position(self) -> str:
        return f"profiles.{len(self.items)}.0"

    def say(self, kind: str, subject: UUID, data: dict[str, JsonValue]) -> None:
        number = len(self.items) + 1
        item = FeedItem(
            id=str(uuid7()),
            source="profiles",
            type=kind,
            subject=str(subject),
            time=NOW,
            cursor=f"profiles.{number}.0",
            data=data,
        )
        self.items.append(item)
        self._more.set()

    def person(self, subject: UUID, version: int = 1, **traits: JsonValue) -> UUID:
        self.say(PROFILE_CHANGED, subject, {"traits": traits, "version": version, "created_at": NOW.isoformat()})
        return subject

    def event(self, subject: UUID, name: str, at: datetime = NOW, **properties: JsonValue) -> str:
        event_id = str(uuid7())
        data: dict[str, JsonValue] = {"id": event_id, "name": name, "timestamp": at.isoformat(), "properties": properties}
        self.say(EVENT_TRACKED, subject, data)
        return event_id

    def merge(self, survivor: UUID, merged: UUID, version: int, **traits: JsonValue) -> None:
        self.say(PROFILES_MERGED, survivor, {"merged": str(merged), "traits": traits, "version": version})


class Segments:
    """The service as its callers see it."""

    def __init__(self, client: httpx.AsyncClient, feed: ProfilesFeed) -> None:
        self.client = client
        self.feed = feed
        self._after = ""
        self._heard: list[FeedItem] = []

    async def put(self, key: str, condition: JsonValue) -> httpx.Response:
        return await self.client.put(f"/v1/segments/{key}", json={"name": key.title(), "condition": condition})

    async def define(self, key: str, condition: JsonValue) -> None:
        response = await self.put(key, condition)
        assert response.status_code == 200, response.text
        assert response.json()["computed"]

    async def settled(self) -> None:
        """Everything that the profiles feed has said so far is applied."""
        await self.computed([])

    async def members(self, key: str) -> set[UUID]:
        await self.settled()
        response = await self.client.get(f"/v1/segments/{key}/members", params={"limit": 1000})
        assert response.status_code == 200, response.text
        return {UUID(member["profile_id"]) for member in response.json()["members"]}

    async def history(self, profile_id: UUID) -> dict[str, list[bool]]:
        await self.settled()
        answer = (await self.client.get(f"/v1/profiles/{profile_id}/memberships")).json()
        return {one["segment"]: [entry["member"] for entry in one["history"]] for one in answer["memberships"]}

    async def evaluate(self, *asked: tuple[UUID, JsonValue]) -> Evaluated:
        items = [{"profile_id": str(who), "condition": condition, "position": self.feed.position} for who, condition in asked]
        response = await self.client.post("/v1/evaluate", json={"items": items})
        assert response.status_code == 200, response.text
        return Evaluated.model_validate_json(response.content)

    async def computed(self, people: list[UUID]) -> Computed:
        body = {"profile_ids": list(map(str, people)), "position": self.feed.position if self.feed.items else None}
        response = await self.client.post("/v1/computed", json=body)
        assert response.status_code == 200, response.text
        return Computed.model_validate_json(response.content)

    async def heard(self, enough: Callable[[list[FeedItem]], bool]) -> list[FeedItem]:
        """All that the segments feed has said, once it is enough."""
        while not enough(self._heard):
            response = await self.client.get(
                "/v1/feed", params={"after": self._after, "wait": 20} if self._after else {"wait": 20}
            )
            assert response.status_code == 200, response.text
            page = FeedPage.model_validate_json(response.content)
            self._heard += page.items
            self._after = page.next
        return self._heard

    async def said(self, count: int) -> list[tuple[str, UUID, str, int]]:
        """The first `count` things it said: (type, who, segment, number)."""
        items = await self.heard(lambda heard: len(heard) >= count)
        return [(item.type, UUID(item.subject), str(item.data["segment"]), int(str(item.data["number"]))) for item in items]
