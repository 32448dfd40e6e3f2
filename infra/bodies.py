"""Reading what strangers send: no more of it than may be right."""

from __future__ import annotations

from starlette.requests import Request

from infra.errors import Flaw, TooLarge


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
