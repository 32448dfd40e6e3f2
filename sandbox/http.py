"""The one way out of the sandbox: posting callbacks and following a customer's clicks."""

from collections.abc import Mapping
from typing import Protocol

import aiohttp
from yarl import URL


class UnreachableError(Exception):
    """Nobody answered: refused, reset or timed out."""


class HttpClient(Protocol):
    """Sends one request and answers the status. Raises ``UnreachableError``."""

    async def request(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> int: ...

    async def aclose(self) -> None: ...


class AiohttpClient:
    """``HttpClient`` on one shared session, made at first use (a session needs a running loop)."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def request(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> int:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.request(
                method, _exact(url), headers=headers, data=body or None, allow_redirects=method == "GET"
            ) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise UnreachableError(f"{url}: {type(error).__name__}") from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


def _exact(url: str) -> URL:
    """The URL byte for byte: a signature covers it, so nothing may normalise it on the way."""
    return URL(url, encoded=True)
