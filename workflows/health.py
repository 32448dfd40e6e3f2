"""The worker's health page: `GET /livez` while the process runs, `GET /readyz` while it takes work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Ready = Callable[[], Awaitable[bool]]
READ_SECONDS = 5.0


@asynccontextmanager
async def health_page(host: str, port: int, ready: Ready) -> AsyncIterator[int]:
    """Serves while the block runs; yields the port (a free one when `port` is 0). Raises OSError where it is taken."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), READ_SECONDS)
            writer.write(await _answer(request.split(b" ", 2)[1], ready))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, port)
    async with server:
        bound: int = server.sockets[0].getsockname()[1]
        yield bound


async def _answer(path: bytes, ready: Ready) -> bytes:
    match path.split(b"?", 1)[0]:
        case b"/livez":
            return _response("200 OK", '{"status":"alive"}')
        case b"/readyz" if await ready():
            return _response("200 OK", '{"status":"ready"}')
        case b"/readyz":
            return _response("503 Service Unavailable", '{"status":"not taking work"}')
        case _:
            return _response("404 Not Found", '{"status":"not found"}')


def _response(status: str, body: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return (head + body).encode()
