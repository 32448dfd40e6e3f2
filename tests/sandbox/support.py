"""Real servers for the sandbox's tests: the sandbox itself, and somebody its callbacks go to."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import httpx
import orjson
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from twilio.rest import Client  # type: ignore[import-untyped]

from sandbox.app import build
from sandbox.settings import SandboxSettings

PATIENCE_SECONDS = 20


def bound_socket(port: int = 0) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


def free_port() -> int:
    with bound_socket() as sock:
        return int(sock.getsockname()[1])


T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """Looks again until there is something to see."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            seen = await look()
            if seen:
                return seen


class Server:
    """A uvicorn in this event loop."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._sock = bound_socket(port)
        self.port = int(self._sock.getsockname()[1])
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._sock]))

        async def started() -> bool:
            await asyncio.sleep(0.001)
            assert self._task is not None
            assert not self._task.done()
            return self._server.started

        await until(started)

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._sock.close()


class Received(NamedTuple):
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = orjson.loads(self.body)
        return found


class Receiver:
    """Takes callbacks; answers the next ones with ``answers``, then 204."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[int] = []
        self._news = asyncio.Condition()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        status = self.answers.pop(0) if self.answers else 204
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        async with self._news:
            self.received.append(Received(scope["path"], scope["query_string"].decode(), headers, body))
            self._news.notify_all()

    async def until(self, look: Callable[[list[Received]], T | None]) -> T:
        """Waits until what was received answers ``look``."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            while True:
                seen = look(self.received)
                if seen:
                    return seen
                await self._news.wait()

    async def statuses(self, *wanted: str) -> list[Received]:
        """Waits for the status callbacks with these statuses, in any order."""

        def all_there(received: list[Received]) -> list[Received] | None:
            there = [r for r in received if r.form.get("MessageStatus") in wanted]
            return there if {r.form["MessageStatus"] for r in there} == set(wanted) else None

        return await self.until(all_there)

    async def events(self, *wanted: str) -> list[dict[str, Any]]:
        """Waits for SendGrid events of these kinds."""

        def all_there(received: list[Received]) -> list[dict[str, Any]] | None:
            there = [e for r in received if r.path == "/events" for e in r.events if e["event"] in wanted]
            return there if {e["event"] for e in there} == set(wanted) else None

        return await self.until(all_there)


class Sandbox:
    """A running sandbox and its clients."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self.url = settings.public_url
        self.http = httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS)
        self._server: Server | None = None

    @classmethod
    async def started(cls, data_dir: Path, port: int | None = None, **settings: Any) -> "Sandbox":
        port = port or free_port()
        sandbox = cls(SandboxSettings(data_dir=data_dir, port=port, **{"status_delay_seconds": 0.01, **settings}))
        sandbox._server = Server(build(sandbox.settings), port)
        await sandbox._server.start()
        return sandbox

    async def stop(self) -> None:
        await self.http.aclose()
        if self._server is not None:
            await self._server.stop()
            self._server = None

    def twilio(self, token: str | None = None) -> Client:
        """The real SDK, pointed here."""
        client = Client(self.settings.twilio_account_sid, token or self.settings.twilio_auth_token.get_secret_value())
        client.api.base_url = self.url
        return client

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: dict[str, Any], status: int = 201) -> Any:
        answer = await self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def act(self, message_id: str, action: str, **more: Any) -> Any:
        return await self.post("/api/act", {"message_id": message_id, "action": action, **more}, 200)

    async def messages(self, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get("/api/messages", **params))["messages"]
        return found


async def in_thread(call: Callable[[], T]) -> T:
    """The SDKs block; the sandbox lives in this loop."""
    return await asyncio.to_thread(call)


@contextlib.asynccontextmanager
async def serving(receiver: Receiver, port: int = 0) -> AsyncIterator[str]:
    server = Server(receiver, port)
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()
