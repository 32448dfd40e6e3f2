"""The channels service as it runs in production, with real servers around it and made-up people."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI, HTTPException
from sqlalchemy import CursorResult, make_url, text

from channels.network import new_session
from channels.sendgrid_events import SendGridEvents
from channels.twilio_callbacks import TwilioCallbacks
from contracts.channels import Channel, SendRequest, SendResult
from contracts.profiles import Accepted, Consent, ConsentEntries, ConsentState, Profile, ProfileLookup, ProfilesFound
from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database, service_url
from infra.errors import BadInput, Flaw
from infra.http import ServiceClient
from infra.migrations import schema_of, upgrade
from infra.problems import answer_with_problems
from infra.settings import Settings
from services.channels.app import create_app, policy_of
from services.channels.delivery import Options
from services.channels.dispatcher import create_dispatcher
from services.channels.providers import providers
from tests.sandbox.support import Sandbox, Server, free_port

KEY = "a-key-of-the-tests"
T = TypeVar("T")

TEMPLATE = {
    "email": {"subject": "Hi {{ profile.name }}", "html": "<p>{{ profile.name }}: <a href='{{ unsubscribe_url }}'>stop</a></p>"},
    "sms": {"body": "Hi {{ profile.name }}"},
    "whatsapp": {"body": "Hello {{ profile.name }}"},
    "web_push": {"title": "Hi {{ profile.name }}", "body": "Look", "url": "https://shop.example/"},
}


async def until(look: Callable[[], Awaitable[T | None]], seconds: float = 30) -> T:
    """Looks again until there is something to see."""
    async with asyncio.timeout(seconds):
        while not (seen := await look()):
            await asyncio.sleep(0.02)
    return seen


class People:
    """A profiles service of made-up people, speaking contracts/profiles.py."""

    def __init__(self) -> None:
        self.profiles: dict[UUID, Profile] = {}
        self.consents: list[dict[str, Any]] = []
        self.lookups = 0
        self.away = False
        self.refusing: int | None = None
        self.flaws: tuple[str, ...] = ()
        self.erased: set[UUID] = set()
        self.app = FastAPI()
        answer_with_problems(self.app)
        self.app.add_api_route("/v1/profiles/lookup", self._lookup, methods=["POST"])
        self.app.add_api_route("/v1/consents", self._consents, methods=["POST"])

    def add(self, *granted: str, **traits: Any) -> UUID:
        """A person with traits, who said yes to marketing on the channels named."""
        id_ = uuid4()
        now = datetime.now(UTC)
        consents = tuple(Consent(channel=c, purpose="marketing", state=ConsentState.GRANTED, at=now) for c in granted)
        self.profiles[id_] = Profile(id=id_, traits=traits, identities={}, consents=consents, version=1, created_at=now)
        return id_

    def change(self, id_: UUID, **changes: Any) -> None:
        self.profiles[id_] = self.profiles[id_].model_copy(update=changes)

    def withdraw(self, id_: UUID, channel: str, purpose: str = "marketing") -> None:
        entry = Consent(channel=channel, purpose=purpose, state=ConsentState.WITHDRAWN, at=datetime.now(UTC))
        self.change(id_, consents=(*self.profiles[id_].consents, entry))

    async def _lookup(self, body: ProfileLookup) -> ProfilesFound:
        self.lookups += 1
        return ProfilesFound(profiles={id_: self.profiles[id_] for id_ in body.ids if id_ in self.profiles})

    async def _consents(self, body: ConsentEntries) -> Accepted:
        if self.away:
            raise HTTPException(503)
        if self.refusing is not None:
            raise HTTPException(self.refusing)
        nobody = [f"$.entries[{n}].profile_id" for n, entry in enumerate(body.entries) if entry.profile_id in self.erased]
        if nobody or self.flaws:
            raise BadInput([Flaw(path=path, message="is wrong") for path in (*nobody, *self.flaws)])
        for entry in body.entries:
            self.consents.append(
                entry.model_dump(mode="json", include={"profile_id", "channel", "purpose", "state", "source", "restores"})
            )
            if entry.profile_id in self.profiles and entry.profile_id is not None:
                consent = Consent(
                    channel=entry.channel, purpose=entry.purpose, state=entry.state, at=entry.at or datetime.now(UTC)
                )
                self.change(entry.profile_id, consents=(*self.profiles[entry.profile_id].consents, consent))
        return Accepted(accepted=len(body.entries))


@dataclass
class World:
    """One channels service with its database, dispatcher and sandbox."""

    sandbox: Sandbox
    people: People
    settings: Settings
    database: Database
    stack: AsyncExitStack
    clock: Clock
    api: httpx.AsyncClient
    url: str
    keys: Any = field(default_factory=lambda: iter(range(10**6)))

    @classmethod
    async def started(
        cls, database_url: str, folder: Path, *, clock: Clock | None = None, people: People | None = None, **changes: Any
    ) -> World:
        stack = AsyncExitStack()
        port, sandbox_port = free_port(), free_port()
        url = f"http://127.0.0.1:{port}"
        sandbox = await Sandbox.started(
            folder / f"sandbox{sandbox_port}",
            sandbox_port,
            twilio_inbound_url=f"{url}/v1/callbacks/twilio/inbound",
            sendgrid_events_url=f"{url}/v1/callbacks/sendgrid",
        )
        stack.push_async_callback(sandbox.stop)
        public_key = (await sandbox.get("/keys"))["sendgrid_event_webhook_public_key"]
        settings = settings_for(database_url, sandbox, public_key, public_url=url, **changes)
        await asyncio.to_thread(upgrade, schema_of("channels"), database_url)
        clock = clock or settings.clock()
        people = people or People()
        app = create_app(
            database=Database(service_url(database_url, "channels")),
            profiles=profiles_client(people),
            keyring=KeyRing((ApiKey(name="tests", sha256=hashed(KEY), scopes=frozenset(Scope)),)),
            clock=clock,
            policy=policy_of(settings),
            public_url=url,
            twilio=TwilioCallbacks(settings.twilio_auth_token.get_secret_value()),
            sendgrid=SendGridEvents(public_key),
        )
        server = Server(app, port)
        await server.start()
        stack.push_async_callback(server.stop)
        api = await stack.enter_async_context(
            httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}, timeout=30)
        )
        database = Database(service_url(database_url, "channels"))
        stack.push_async_callback(database.close)
        world = cls(sandbox, people, settings, database, stack, clock, api, url)
        await world.put_template("hello")
        return world

    async def dispatch(self, **options: Any) -> Callable[[], Awaitable[None]]:
        """Starts a dispatcher in this process; answers how to stop it."""
        given = {
            "timeout": self.settings.provider_timeout_seconds,
            "grace": self.settings.unknown_grace_seconds,
            "fallback_grace": self.settings.provider_grace_seconds,
            "resend_unknown": self.settings.unknown_resend,
        }
        stack = AsyncExitStack()
        session = await stack.enter_async_context(new_session())
        app = create_dispatcher(
            database=Database(service_url(self.settings.database_url.get_secret_value(), "channels")),
            profiles=profiles_client(self.people),
            clock=self.clock,
            policy=policy_of(self.settings),
            providers=providers(self.settings, session),
            options=Options(**(given | options)),
        )
        server = Server(app, 0)
        await server.start()
        stack.push_async_callback(server.stop)
        self.stack.push_async_callback(stack.aclose)
        return stack.aclose

    async def put_template(self, key: str, **parts: Any) -> None:
        answer = await self.api.put(f"/v1/templates/{key}", json=parts or TEMPLATE)
        assert answer.status_code == 200, answer.text

    def request(self, profile_id: UUID, *channels: Channel, **more: Any) -> SendRequest:
        given = {"key": f"k{next(self.keys)}", "template": "hello", "purpose": "transactional"} | more
        return SendRequest.model_validate({"profile_id": profile_id, "channels": channels or (Channel.SMS,), **given})

    async def send(self, *requests: SendRequest) -> list[SendResult]:
        body = {"messages": [request.model_dump(mode="json") for request in requests]}
        answer = await self.api.post("/v1/messages", json=body)
        assert answer.status_code == 200, answer.text
        return [SendResult.model_validate(result) for result in answer.json()["results"]]

    async def send_one(self, profile_id: UUID, *channels: Channel, **more: Any) -> SendResult:
        return (await self.send(self.request(profile_id, *channels, **more)))[0]

    async def story(self, profile_id: UUID, *, body: bool = False) -> list[dict[str, Any]]:
        answer = await self.api.get("/v1/messages", params={"profile_id": str(profile_id), "body": body})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    async def attempts(self, profile_id: UUID) -> list[tuple[str, str]]:
        """(channel, status) of every attempt, in order."""
        return [(a["channel"], a["status"]) for m in reversed(await self.story(profile_id)) for a in m["attempts"]]

    async def reached(self, profile_id: UUID, *wanted: tuple[str, str]) -> None:
        """Waits until the attempts to a person have come to these statuses."""

        async def look() -> bool:
            return await self.attempts(profile_id) == list(wanted)

        try:
            await until(look)
        except TimeoutError:
            raise AssertionError(f"{await self.story(profile_id)}") from None

    async def published(self) -> list[dict[str, Any]]:
        answer = await self.api.get("/v1/feed", params={"limit": 1000})
        items: list[dict[str, Any]] = answer.json()["items"]
        return [item["data"] for item in items]

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.begin() as session:
            result = await session.execute(text(statement), values)
            return list(result.all()) if isinstance(result, CursorResult) and result.returns_rows else []

    async def fault(self, effect: str, **more: Any) -> None:
        await self.sandbox.post("/api/faults", {"effect": effect, **more})

    async def stop(self) -> None:
        await self.stack.aclose()


def settings_for(database_url: str, sandbox: Sandbox, public_key: str, **changes: Any) -> Settings:
    """What `reis up` would give the channels roles, quick."""
    given: dict[str, Any] = {
        "database_url": make_url(database_url).render_as_string(hide_password=False),
        "twilio_account_sid": sandbox.settings.twilio_account_sid,
        "twilio_auth_token": sandbox.settings.twilio_auth_token,
        "twilio_api_url": sandbox.url,
        "twilio_sms_from": "+15550001000",
        "twilio_whatsapp_from": "+15550002000",
        "sendgrid_api_key": sandbox.settings.sendgrid_api_key,
        "sendgrid_api_url": sandbox.url,
        "sendgrid_webhook_public_key": public_key,
        "vapid_private_key": new_vapid_key(),
        "link_secret": "a secret of the tests",
        "quiet_hours": "",
        "provider_timeout_seconds": 1.0,
        "provider_grace_seconds": 0.5,
        "unknown_grace_seconds": 1.0,
    }
    return Settings.model_validate(given | changes)


def new_vapid_key() -> str:
    raw = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def profiles_client(people: People) -> ServiceClient:
    return ServiceClient("profiles", "http://profiles", key=KEY, transport=httpx.ASGITransport(people.app))
