"""Reading what strangers send: no more of it than may be right."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.errors import Flaw, TooLarge
from infra.problems import problem_response

MOST_BYTES = 16 * 2**20
"""More than any endpoint takes; what has a limit of its own is stricter."""


async def read_body(request: Request, most: int) -> bytes:
    """The whole body, of `most` bytes at most. Raises `TooLarge` as soon as there are more; the rest is not read."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise too_large(most)
        parts.append(part)
    return b"".join(parts)


def too_large(most: int) -> TooLarge:
    """The refusal of a body of more than `most` bytes."""
    return TooLarge([Flaw(path="$", message=f"is larger than {most // 1024} KB", remedy="send less at once")], "the body")


class BodyLimit:
    """ASGI middleware: refuses larger bodies before anything else sees the request, since keys are looked at after reading."""

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        if length.isdecimal() and int(length) > self._most:
            await problem_response(too_large(self._most))(scope, receive, send)
            return
        await self._app(scope, receive if length.isdecimal() else self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        """For a body of unknown length; the server itself holds others to theirs."""
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._most:
                raise HTTPException(TooLarge.status, str(too_large(self._most)))
            return message

        return counted
