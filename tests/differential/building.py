"""Puts up the stage: all services, real, over real databases; they talk through ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from uuid import uuid4

import httpx
from fastapi import FastAPI, Response
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from activities.enrolments import EnrolmentActivities
from contracts.channels import Channel
from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.db import Database
from infra.http import ServiceClient
from infra.outbound import Outbound
from journeys.simulation import Behaviour
from policy import DeliveryPolicy, QuietHours
from services.channels.app import create_app as channels_app
from services.channels.decision import Policy
from services.channels.links import Links
from services.journeys.app import create_app as journeys_app
from services.journeys.steps.requests import Secrets
from services.profiles.app import create_app as profiles_app
from services.segments.app import create_app as segments_app
from tests.differential.postal import ALL_DELIVERED, NO_RULES, Postal
from tests.differential.stage import KEY, ZONE, Stage, SteppedClock
from workflows.converter import data_converter
from workflows.definitions import Definitions, from_service
from workflows.worker import build_worker

_KEYRING = KeyRing((ApiKey(name="tests", sha256=hashed(KEY), scopes=frozenset(Scope)),))


@asynccontextmanager
async def stage(
    address: str,
    databases: Callable[[str], str],
    begins: datetime,
    *,
    delivery: DeliveryPolicy = NO_RULES,
    behaviour: Behaviour = ALL_DELIVERED,
    answer: int = 200,
) -> AsyncIterator[Stage]:
    """Everything running, at the instant `begins`. `databases` makes a migrated one and answers its URL.

    `behaviour` is what becomes of messages, `answer` what each called web service says.
    """
    clock = SteppedClock(begins)
    urls = {name: databases(name) for name in ("profiles", "segments", "channels", "journeys")}
    queue = f"differential-{uuid4()}"
    temporal = await Client.connect(address, data_converter=pydantic_data_converter)
    apps: dict[str, FastAPI] = {}
    policy = Policy(
        links=Links("http://links", "secret"),
        quiet_hours=QuietHours.parse(delivery.quiet_hours, ZONE),
        configured=frozenset(Channel),
        caps=delivery.caps,
    )

    def client(name: str) -> ServiceClient:
        return ServiceClient(name, f"http://{name}", key=KEY, transport=_Late(apps, name), timeout=30)

    async with AsyncExitStack() as stack:
        apps["profiles"] = profiles_app(database=Database(urls["profiles"]), keyring=_KEYRING, clock=clock)
        apps["segments"] = segments_app(
            database=Database(urls["segments"]), profiles=client("profiles"), keyring=_KEYRING, clock=clock
        )
        apps["channels"] = channels_app(
            database=Database(urls["channels"]),
            profiles=client("profiles"),
            keyring=_KEYRING,
            clock=clock,
            policy=policy,
            public_url="http://channels",
            twilio=None,
            sendgrid=None,
        )
        apps["journeys"] = journeys_app(
            database=Database(urls["journeys"]),
            keyring=_KEYRING,
            clock=clock,
            temporal=temporal,
            task_queue=queue,
            profiles=client("profiles"),
            segments=client("segments"),
            channels=client("channels"),
            workspace_zone=ZONE,
            outbound=Outbound(httpx.ASGITransport(_web(answer))),
            secrets=Secrets({"RECEPTION": SecretStr("known to reception")}),
        )
        for app in apps.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        own = {name: Database(url) for name, url in urls.items()}
        for database in own.values():
            stack.push_async_callback(database.close)
        clients = {name: await stack.enter_async_context(client(name)) for name in apps}
        definitions = Definitions(from_service(clients["journeys"]))
        working = await Client.connect(address, data_converter=data_converter(definitions))
        activities = EnrolmentActivities(clients["journeys"])
        await stack.enter_async_context(
            build_worker(working, queue, activities, sandbox=False, build_id="differential", failing=[Exception])
        )
        skipper = TimeSkipper(temporal, config=TimeSkippingConfig(max_session_skip_count=100_000))
        postal = Postal(own["channels"], clients["profiles"], clock, policy, behaviour)
        yield Stage(clock, clients, own, temporal, skipper, postal)


def _web(answer: int) -> FastAPI:
    """Every web service there is."""
    app = FastAPI()

    async def any_path() -> Response:
        return Response(status_code=answer)

    app.add_api_route("/{path:path}", any_path, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    return app


class _Late(httpx.AsyncBaseTransport):
    """Reaches an app that is put together later: the services need each other."""

    def __init__(self, apps: Mapping[str, FastAPI], name: str) -> None:
        self._apps = apps
        self._name = name

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await httpx.ASGITransport(app=self._apps[self._name]).handle_async_request(request)
