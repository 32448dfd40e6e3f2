"""Every endpoint of every service wants a key with its scope, but for a list of those that are open on purpose."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from channels.sendgrid_events import SendGridEvents
from channels.twilio_callbacks import TwilioCallbacks
from infra.auth import ApiKey, KeyRing, Scope, _Requires, hashed
from infra.clock import Clock
from infra.db import Database
from infra.http import ServiceClient
from infra.local.keys import Keys
from infra.roles import ROLES
from infra.settings import Settings
from services.channels import app as channels
from services.channels import dispatcher
from services.channels.delivery import Options
from services.journeys import app as journeys
from services.profiles import app as profiles
from services.profiles.tracking import _Tracks
from services.segments import app as segments

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:9/none"
"""Whoever is refused is refused before anything is asked of a database."""

OPEN = {
    "GET /livez",
    "GET /readyz",
    "GET /docs",
    "GET /docs/oauth2-redirect",
    "GET /redoc",
    "GET /openapi.json",
}
"""In every service: health, and the description of the API, which is in the repository for everybody to read."""

OPEN_IN: dict[str, set[str]] = {
    "profiles": {"GET /v1/projects/{key}/settings"},  # the write key is in its path
    "channels": {
        # signed by the provider
        "POST /v1/callbacks/twilio",
        "POST /v1/callbacks/twilio/inbound",
        "POST /v1/callbacks/sendgrid",
        # followed by customers, with a token that we signed
        "GET /u/{token}",
        "POST /u/{token}",
        # reported by browsers, which know the attempt from the push that they got
        "POST /v1/clicks/push",
    },
    "journeys": {"GET /v1/schema"},  # the language, which is in the documents too
}


_SILENT = ("HEAD", "OPTIONS")


def ring(scopes: frozenset[Scope]) -> KeyRing:
    return KeyRing((ApiKey(name="somebody", sha256=hashed("key"), scopes=scopes),))


def _client(name: str) -> ServiceClient:
    return ServiceClient(name, "http://127.0.0.1:9")


async def _profiles(keyring: KeyRing) -> FastAPI:
    return profiles.create_app(database=Database(NOWHERE), keyring=keyring, clock=Clock())


async def _segments(keyring: KeyRing) -> FastAPI:
    return segments.create_app(database=Database(NOWHERE), profiles=_client("profiles"), keyring=keyring, clock=Clock())


def _settings() -> Settings:
    return Settings(link_secret=SecretStr("a long random text"))


async def _channels(keyring: KeyRing) -> FastAPI:
    return channels.create_app(
        database=Database(NOWHERE),
        profiles=_client("profiles"),
        keyring=keyring,
        clock=Clock(),
        policy=channels.policy_of(_settings()),
        public_url="http://127.0.0.1:9",
        twilio=TwilioCallbacks("token"),
        sendgrid=SendGridEvents(Keys.new().sendgrid_webhook_public_key),
    )


async def _dispatcher(_: KeyRing) -> FastAPI:
    return dispatcher.create_dispatcher(
        database=Database(NOWHERE),
        profiles=_client("profiles"),
        clock=Clock(),
        policy=channels.policy_of(_settings()),
        providers=[],
        options=Options(),
    )


async def _journeys(keyring: KeyRing) -> FastAPI:
    return journeys.create_app(
        database=Database(NOWHERE),
        keyring=keyring,
        clock=Clock(),
        temporal=await Client.connect("127.0.0.1:9", data_converter=pydantic_data_converter, lazy=True),
        task_queue="nobody",
        profiles=_client("profiles"),
        segments=_client("segments"),
        channels=_client("channels"),
    )


APPS: dict[str, Callable[[KeyRing], Awaitable[FastAPI]]] = {
    "profiles": _profiles,
    "segments": _segments,
    "channels": _channels,
    "dispatcher": _dispatcher,
    "journeys": _journeys,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A method of a path, written as `GET /v1/x/{id}`, and the scopes that the endpoint's signature names."""

    name: str
    scopes: frozenset[Scope]


def calls(app: FastAPI) -> list[Call]:
    """All there are, whether the API's description shows them or not."""
    found: list[Call] = []
    for route in iter_route_contexts(app.routes):
        assert route.path, f"{route} has no path: say here how it is guarded"
        scopes = scopes_of(route.dependant) if isinstance(route.original_route, APIRoute) else frozenset[Scope]()
        found += [Call(f"{method} {route.path}", scopes) for method in sorted(route.methods or ()) if method not in _SILENT]
    return found


def scopes_of(dependant: Dependant) -> frozenset[Scope]:
    own = frozenset({dependant.call.scope}) if isinstance(dependant.call, _Requires | _Tracks) else frozenset[Scope]()
    return own.union(*(scopes_of(each) for each in dependant.dependencies))


def is_open(service: str, call: Call) -> bool:
    return call.name in OPEN | OPEN_IN.get(service, set())


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        yield client


async def called(client: httpx.AsyncClient, call: str, key: str | None) -> httpx.Response:
    method, path = call.split(" ", 1)
    filled = re.sub(r"{[^}]*}", "00000000-0000-0000-0000-000000000000", path)
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return await client.request(method, filled, headers=headers, json={} if method in ("POST", "PUT", "PATCH") else None)


def test_every_role_that_serves_an_api_is_walked_here() -> None:
    assert set(APPS) == set(ROLES) - {"sandbox", "worker"}  # one is no part of production, the other has a health page only


@pytest.mark.parametrize("service", APPS)
async def test_the_open_endpoints_are_those_that_are_open_on_purpose(service: str) -> None:
    app = await APPS[service](ring(frozenset()))
    assert {call.name for call in calls(app) if not call.scopes} == OPEN | OPEN_IN.get(service, set())


@pytest.mark.parametrize("service", APPS)
async def test_nothing_else_is_answered_without_a_known_key(service: str) -> None:
    app = await APPS[service](ring(frozenset(Scope)))
    async with client_of(app) as client:
        for call in calls(app):
            if not is_open(service, call):
                for key in (None, "unknown"):
                    assert (await called(client, call.name, key)).status_code == 401, call


@pytest.mark.parametrize("service", APPS)
async def test_a_key_with_every_scope_but_the_endpoints_own_is_refused(service: str) -> None:
    app = await APPS[service](ring(frozenset()))
    async with client_of(app) as client:
        for call in calls(app):
            if not is_open(service, call):
                (scope,) = call.scopes
                app.state.keyring = ring(frozenset(Scope) - {scope})
                answer = await called(client, call.name, "key")
                assert answer.status_code == 403, call
                assert f"lacks the scope {scope.value!r}" in answer.json()["detail"]


async def test_what_is_open_to_providers_customers_and_browsers_answers_nobody_who_has_nothing_to_show() -> None:
    async with client_of(await _channels(ring(frozenset()))) as client:
        for call in sorted(OPEN_IN["channels"]):
            assert (await called(client, call, None)).status_code in (400, 403, 404), call
    async with client_of(await _profiles(ring(frozenset(Scope)))) as client:
        for call in OPEN_IN["profiles"]:
            assert (await called(client, call, None)).status_code == 401
