"""A shop that talks to the service: short names for what tests do all the time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx

from contracts.feed import FeedItem, FeedPage
from contracts.profiles import Profile

SERVICE = {"authorization": "Bearer service-key"}
READER = {"authorization": "Bearer reader-key"}
WRITE_KEY = ("write-key", "")


class Shop:
    """Sends messages and asks who people are. Each answer is checked."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def batch(self, *messages: dict[str, Any]) -> None:
        response = await self.client.post("/v1/batch", json={"batch": list(messages)}, auth=WRITE_KEY)
        assert (response.status_code, response.json()) == (200, {"success": True}), response.text

    async def refused(self, *messages: Any, status: int = 400) -> list[dict[str, str]]:
        """The flaws that a batch was refused for."""
        response = await self.client.post("/v1/batch", json={"batch": list(messages)}, auth=WRITE_KEY)
        assert response.status_code == status, response.text
        flaws: list[dict[str, str]] = response.json()["errors"]
        assert all(flaw["remedy"] for flaw in flaws)
        return flaws

    async def user(self, value: str) -> Profile:
        return await self._named(user_id=value)

    async def visitor(self, value: str) -> Profile:
        return await self._named(anonymous_id=value)

    async def events(self, profile: Profile) -> list[str]:
        """Names of the person's events, oldest first."""
        response = await self.client.get(f"/v1/profiles/{profile.id}/events", headers=SERVICE)
        return [event["name"] for event in reversed(response.json()["events"])]

    async def counts(self) -> tuple[int, int]:
        answer = (await self.client.get("/v1/counts", headers=SERVICE)).json()
        return answer["profiles"], answer["events"]

    async def names(self) -> dict[str, list[str] | None]:
        """What events and traits are called."""
        response = await self.client.get("/v1/names", headers=READER)
        assert response.status_code == 200, response.text
        found: dict[str, list[str] | None] = response.json()
        return found

    async def head(self) -> str:
        """The cursor behind everything that happened so far."""
        return FeedPage.model_validate_json((await self.client.get("/v1/feed/head", headers=SERVICE)).content).next

    async def feed(self, after: str = "") -> list[FeedItem]:
        items: list[FeedItem] = []
        while True:
            query = {"limit": "1000", **({"after": after} if after else {})}
            response = await self.client.get("/v1/feed", params=query, headers=SERVICE)
            page = FeedPage.model_validate_json(response.content)
            if not page.items:
                return items
            items += page.items
            after = page.next

    async def post(self, path: str, body: object) -> Any:
        response = await self.client.post(path, json=body, headers=SERVICE)
        assert response.status_code == 200, response.text
        return response.json()

    async def lookup(self, *ids: UUID) -> dict[str, Any]:
        found: dict[str, Any] = (await self.post("/v1/profiles/lookup", {"ids": [str(one) for one in ids]}))["profiles"]
        return found

    async def find(self, **query: str) -> Profile | None:
        response = await self.client.get("/v1/profiles", params=query, headers=SERVICE)
        return Profile.model_validate_json(response.content) if response.status_code == 200 else None

    async def _named(self, **query: str) -> Profile:
        found = await self.find(**query)
        assert found is not None, query
        return found


def track(event: str, **rest: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, **rest}


def identify(**rest: Any) -> dict[str, Any]:
    return {"type": "identify", **rest}


def alias(previous: str, user: str, **rest: Any) -> dict[str, Any]:
    return {"type": "alias", "previousId": previous, "userId": user, **rest}
