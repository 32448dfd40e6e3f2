"""Segment's HTTP tracking API: what every Segment client sends, unchanged.

Source: Segment's tracking API and the clients' own code. The key comes as user name of Basic auth, as Bearer token
or as `writeKey` in the body; the content type is ignored (browsers send text/plain); gzip is understood.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Annotated, NamedTuple

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import JsonValue
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from infra.auth import Caller, KeyRing, Scope
from infra.bodies import read_body, too_large
from infra.clock import Clock
from infra.errors import Flaw, TooLarge
from services.profiles.errors import Malformed
from services.profiles.ingestion import Ingestion
from services.profiles.messages import (
    DEEPEST,
    LARGEST_EVENT,
    SHORT,
    TYPES,
    Json,
    Message,
    MessageReader,
    flaws_of_nul,
    too_deep,
)

LARGEST_BATCH = 500 * 1024
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_DEEPEST_BODY = DEEPEST + 3
"""A message's properties, in the message, in the list, in the body."""
_SUCCESS = b'{"success": true}'
_WITH_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    "security": [{"HTTPBasic": []}, {"HTTPBearer": []}],
}


class Sent(NamedTuple):
    """Who sent what: the body as JSON."""

    caller: Caller
    body: Json
    size: int


class _Tracks:
    """The dependency behind `Tracked`: a key with the scope, and the body it may be in."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Sent:
        keyring: KeyRing = request.app.state.keyring
        key = _key_of(request.headers.get("authorization", ""))
        caller = keyring.caller(key, self.scope) if key else None
        content = await _content(request)
        body = _parsed(content)
        if caller is None:
            in_body = body.get("writeKey")
            caller = keyring.caller(in_body if isinstance(in_body, str) else "", self.scope)
        return Sent(caller, body, len(content))


Tracked = Annotated[Sent, Depends(_Tracks(Scope.TRACK))]


def tracking_router(ingestion: Ingestion, clock: Clock) -> APIRouter:
    """The endpoints a Segment client knows."""
    router = APIRouter(tags=["tracking"])

    def reader(sent: Sent) -> MessageReader:
        direct = Scope.PROFILES_WRITE in sent.caller.scopes
        return MessageReader(clock.now(), weigh=sent.size > LARGEST_EVENT, direct=direct, correct=clock.is_real)

    async def take_batch(sent: Tracked) -> Response:
        """Takes every message or, when one is wrong, none. Message ids that were taken before are skipped.

        500 KB at most, unpacked; 32 KB a message. A key with `profiles:write` beside `track` may send `profileId`.
        """
        batch = sent.body.get("batch")
        if not isinstance(batch, list):
            raise Malformed([Flaw(path="$.batch", message="is no list", remedy="send the messages as a list")], "the batch")
        reading = reader(sent)
        reading.sent(sent.body.get("sentAt"), "$")
        messages = [reading.read(raw, f"$.batch[{number}]") for number, raw in enumerate(batch)]
        _refuse_flawed(reading, "the batch")
        await ingestion.take([message for message in messages if message is not None])
        return Response(_SUCCESS, media_type="application/json")

    def single(kind: str) -> None:
        async def take_single(sent: Tracked) -> Response:
            """A message id that was taken before is skipped. 32 KB at most."""
            reading = reader(sent)
            message: Message | None = reading.read(sent.body, "$", kind)
            _refuse_flawed(reading, "the message")
            if message is not None:
                await ingestion.take_one(message)
            return Response(_SUCCESS, media_type="application/json")

        for path in (kind, kind[0]):
            router.add_api_route(
                f"/v1/{path}",
                take_single,
                methods=["POST"],
                name=f"{kind} ({path})",
                summary=f"One {kind} call",
                openapi_extra=_WITH_BODY,
            )

    for path in ("batch", "b"):
        router.add_api_route(
            f"/v1/{path}",
            take_batch,
            methods=["POST"],
            name=f"batch ({path})",
            summary="Many calls at once",
            openapi_extra=_WITH_BODY,
        )
    for kind in TYPES:
        single(kind)

    @router.get("/v1/projects/{key}/settings", summary="What browser and mobile clients fetch before they send")
    async def project_settings(key: str, request: Request) -> dict[str, JsonValue]:
        keyring: KeyRing = request.app.state.keyring
        keyring.caller(key, Scope.TRACK)
        segment: Json = {"apiKey": key, "apiHost": f"{request.url.netloc}/v1"}
        if request.url.hostname in _THIS_MACHINE:  # elsewhere TLS ends at a proxy; clients take https where nothing is said
            segment["protocol"] = request.url.scheme
        plan: Json = {"track": {"__default": {"enabled": True, "integrations": {}}}}
        return {"integrations": {"Segment.io": segment}, "plan": plan, "edgeFunction": {}}

    return router


class TrackingCors:
    """Lets browsers of any site call the tracking paths, and no other path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            max_age=86_400,
        )
        self._paths = frozenset(f"/v1/{name}" for name in ("batch", "b", *TYPES, *SHORT))

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        tracking = scope["type"] == "http" and (path in self._paths or path.startswith("/v1/projects/"))
        await (self._open if tracking else self._app)(scope, receive, send)


def _refuse_flawed(reading: MessageReader, what: str) -> None:
    if reading.too_large:
        raise TooLarge(reading.flaws, what)
    if reading.flaws:
        raise Malformed(reading.flaws, what)


def _key_of(header: str) -> str:
    kind, _, credentials = header.partition(" ")
    match kind.lower():
        case "basic":
            try:
                return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                return ""
        case "bearer":
            return credentials.strip()
        case _:
            return ""


async def _content(request: Request) -> bytes:
    content = await read_body(request, LARGEST_BATCH)
    if content[:2] != b"\x1f\x8b":
        return content
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(content, LARGEST_BATCH + 1)
    except zlib.error as error:
        raise Malformed([Flaw(path="$", message="is no valid gzip", remedy="send gzip or plain JSON")], "the body") from error
    if len(content) > LARGEST_BATCH:
        raise too_large(LARGEST_BATCH)
    if not unpacker.eof:
        raise Malformed([Flaw(path="$", message="is gzip that ends too early", remedy="send the whole of it")], "the body")
    return content


def _parsed(content: bytes) -> Json:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        flaw = Flaw(path="$", message=f"is no JSON: {error}", remedy="send a JSON object in UTF-8")
        raise Malformed([flaw], "the body") from error
    if not isinstance(body, dict):
        raise Malformed([Flaw(path="$", message="is not an object", remedy="send a JSON object")], "the body")
    if b"\\u0000" in content:
        if too_deep(body, _DEEPEST_BODY):
            flaw = Flaw(path="$", message=f"is nested more than {_DEEPEST_BODY} levels deep", remedy="flatten it")
            raise Malformed([flaw], "the body")
        if flaws := flaws_of_nul(body, "$"):
            raise Malformed(flaws, "the body")
    return body
