"""What every service answers: health, problem details, background work that comes back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError

from infra.auth import ApiKey, Caller, KeyRing, Scope, hashed, requires
from infra.db import Database
from infra.errors import BadInput, Behind, Conflict, Flaw, NotFound, ReisError, Rejected, Unavailable
from infra.service import create_service

router = APIRouter()


class Item(BaseModel):
    name: str
    sizes: list[Annotated[int, Field(gt=0)]] = []


class Hidden(Exception):
    """Its text must not leave the process."""


ERRORS: dict[str, tuple[Exception, int]] = {
    "bad": (BadInput([Flaw(path="$.a", message="is odd", remedy="make it even")]), 422),
    "none": (NotFound("profile", 7), 404),
    "conflict": (Conflict("twice"), 409),
    "behind": (Behind("wait"), 503),
    "unavailable": (Unavailable("channels", "down"), 503),
    "rejected": (Rejected("channels", 400, "no"), 502),
    "database": (OperationalError("SELECT secret", None, Exception("host db.internal")), 503),
}


@router.get("/errors/{name}")
async def error(name: str) -> None:
    raise ERRORS[name][0] if name in ERRORS else Hidden("secret")


@router.post("/items")
async def items(caller: Annotated[Caller, requires(Scope.PROFILES_WRITE)], item: Item) -> str:
    return caller.name


def _app(database: Database | None = None) -> FastAPI:
    keys = tuple(
        ApiKey(name=scope.value, sha256=hashed(scope.value), scopes=frozenset({scope}))
        for scope in (Scope.PROFILES_WRITE, Scope.TRACK)
    )
    return create_service("test", description="", routers=[router], keyring=KeyRing(keys), database=database)


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://test")


@pytest.mark.parametrize("name", ERRORS)
async def test_each_error_has_its_status_and_is_a_problem_detail(name: str) -> None:
    raised, status = ERRORS[name]
    async with _client(_app()) as client:
        answer = await client.get(f"/errors/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "errors"} <= set(problem)
    assert "secret" not in answer.text
    assert "internal" not in answer.text
    if isinstance(raised, ReisError):
        assert problem["detail"] == str(raised)
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize(("path", "status"), [("/errors/bug", 500), ("/nowhere", 404), ("/items", 405)])
async def test_bugs_and_wrong_addresses_are_problem_details_that_tell_no_secret(path: str, status: int) -> None:
    async with _client(_app()) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert "secret" not in answer.text


async def test_an_invalid_body_is_answered_with_json_paths_and_remedies() -> None:
    async with _client(_app()) as client:
        client.headers["authorization"] = "Bearer profiles:write"
        answer = await client.post("/items", json={"sizes": [1, 0]})
        garbage = await client.post("/items", content=b"{", headers={"content-type": "application/json"})
    flaws = {flaw["path"]: flaw["remedy"] for flaw in answer.json()["errors"]}
    assert answer.status_code == 422
    assert flaws["$.name"] == "add this field"
    assert "$.sizes[1]" in flaws
    assert garbage.json()["errors"][0]["remedy"] == "send valid JSON"


async def test_a_key_is_asked_for_before_the_body_is_looked_at() -> None:
    async with _client(_app()) as client:
        for header, status in (("", 401), ("Bearer x", 401), ("Basic eDp5", 401), ("Bearer track", 403)):
            answer = await client.post("/items", json={"name": "a"}, headers={"authorization": header} if header else {})
            assert answer.status_code == status
            assert ("www-authenticate" in answer.headers) == (status == 401)
        answer = await client.post("/items", json={"name": "a"}, headers={"authorization": "Bearer profiles:write"})
        assert answer.json() == "profiles:write"


async def test_readiness_needs_the_database_and_life_does_not(database_url: str) -> None:
    database = Database(database_url)
    async with _client(_app(database)) as client:
        assert (await client.get("/readyz")).status_code == 200
    await database.close()
    gone = Database(database_url.replace("/test_", "/gone_"))
    async with _client(_app(gone)) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
    await gone.close()


async def test_background_work_that_fails_is_started_again_and_ends_with_the_app() -> None:
    runs: list[str] = []
    ended: list[str] = []
    came_back = asyncio.Event()

    async def fragile() -> None:
        runs.append("run")
        if len(runs) == 1:
            raise RuntimeError
        came_back.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("job")

    async def close() -> None:
        ended.append("closed")

    app = create_service("test", description="", routers=[], keyring=KeyRing(()), background=[fragile], closing=[close])
    async with app.router.lifespan_context(app):
        await came_back.wait()
    assert ended == ["job", "closed"]


async def test_a_body_larger_than_any_endpoint_takes_is_refused_before_anybody_is_asked_for_a_key() -> None:
    part, read = b" " * 2**20, 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(64):
            read += 1
            yield part

    async with _client(_app()) as client:
        declared = await client.post("/items", content=part * 17)
        streamed = await client.post("/items", content=endless())
    assert (declared.status_code, streamed.status_code, read) == (413, 413, 17)
    assert declared.json()["errors"][0]["remedy"] == "send less at once"
