"""A partner's web service on a port of this machine, and the caller that reaches it under the name `partner.test`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.egress import Allowed, EgressTransport
from infra.outbound import Outbound
from services.journeys.outgoing import Outgoing
from services.journeys.steps.caller import Caller
from services.journeys.steps.requests import Secrets
from tests.sandbox.support import Server
from tests.services.journeys.conftest import Service


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Partner:
    """Answers with `answers`, one after the other, the last one for ever. `closed`: it answers nobody until it is set."""

    answers: list[Response] = field(default_factory=lambda: [Response(b'{"score": 640}', media_type="application/json")])
    asked: list[Asked] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def answer(self, request: Request) -> Response:
        self.asked.append(Asked(request.method, request.url.path, dict(request.headers), await request.body()))
        self.arrived.set()
        await self.open.wait()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def url(self) -> str:
        return f"http://partner.test:{self.port}"


@asynccontextmanager
async def partner() -> AsyncIterator[Partner]:
    """A partner that is there, and answers."""
    found = Partner()
    found.open.set()
    server = Server(Starlette(routes=[Route("/{path:path}", found.answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])]), 0)
    await server.start()
    found.port = server.port
    try:
        yield found
    finally:
        found.open.set()
        await server.stop()


def outbound() -> Outbound:
    """What reaches the partner, and nobody else of this machine."""
    return Outbound(EgressTransport(Allowed.parse("partner.test, other.test"), resolve=_this_machine))


async def _this_machine(host: str, port: int) -> Sequence[str]:
    if not host.endswith(".test"):
        raise OSError(f"{host}:{port} is unknown")
    return ["127.0.0.1"]


@dataclass
class Calling:
    """A process that makes calls. Several share one database."""

    caller: Caller
    told: list[Outgoing]
    outbound: Outbound

    @classmethod
    def of(cls, service: Service, **limits: int) -> "Calling":
        told: list[Outgoing] = []
        client = outbound()
        secrets = Secrets.parse(SecretStr('{"CRM_KEY": "hush-hush", "LOGIN": "me:pw"}'))
        caller = Caller(
            database=service.database, outbound=client, secrets=secrets, clock=service.clock, deliver=told.extend, **limits
        )
        return cls(caller, told, client)

    async def close(self) -> None:
        await self.caller.idle()
        await self.outbound.close()

    async def work(self) -> list[Outgoing]:
        """Makes what is due; answers the signals."""
        await self.caller.step()
        await self.caller.idle()
        told, self.told[:] = list(self.told), []
        return told
