"""Tiny roles for tests of the supervisor: each answers /readyz and says who it is."""

import asyncio
import json
import os

from infra.roles import Role, registry
from infra.settings import Settings

_ME = "tests.infra.local.roles"
TINY = registry((Role("first", _ME, 0), Role("second", _ME, 0, after=("first",))))
WITH_PARTS = registry((Role("first", _ME, 0, database=True, temporal=True),))
NAMESAKES = registry(tuple(Role(name, _ME, 0) for name in ("profiles", "segments", "channels", "journeys", "sandbox")))
"""Named as real ones, whose addresses and credentials the others are told."""
STUBBORN = registry((Role("stubborn", "tests.infra.local.stubborn", 0, stop_seconds=0.5),))
BROKEN = registry((Role("broken", "tests.infra.local.no_such_module", 0),))


async def main(settings: Settings) -> None:
    """Serves `GET` with this process's id, environment and clock, whatever the path."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"pid": os.getpid(), "now": settings.clock().now().isoformat(), "env": dict(os.environ)}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        await writer.drain()
        writer.close()

    print("serving", flush=True)
    async with await asyncio.start_server(answer, settings.host, settings.port) as server:
        await server.serve_forever()
