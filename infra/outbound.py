"""One call to an address that somebody wrote: within limits of time and size, redirected no further than to the same host."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from infra.egress import EgressRefused

MOST_REDIRECTS = 3
_KEEP_THE_METHOD = frozenset({307, 308})
_REDIRECTS = frozenset({301, 302, 303}) | _KEEP_THE_METHOD


class OutboundFailed(Exception):
    """There was no answer. `final`: trying again will not help. The sentence names no path, query, header or body."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        self.final = final
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """What to send. Headers are names to values, as they are to appear."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What came back. `whole` is False where the body was longer than asked for, and cut off."""

    status: int
    headers: httpx.Headers
    content: bytes
    whole: bool


class Outbound:
    """An HTTP client for addresses that are not ours. No cookies, no proxies of the environment, no surprises.

    A redirect is followed to the same host only, never from https to http, and never turns a request with a body into one
    without: headers and body may hold secrets, which no other host must see. Each hop is judged by the transport again.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def call(self, request: OutboundRequest, *, timeout: float, most_bytes: int) -> OutboundAnswer:
        """The answer within `timeout` real seconds in all, its body up to `most_bytes`. Raises `OutboundFailed`."""
        try:
            async with asyncio.timeout(timeout):
                return await self._follow(_built(request), most_bytes)
        except (TimeoutError, httpx.TimeoutException):
            raise OutboundFailed(f"no whole answer within {timeout:g} s") from None
        except EgressRefused as error:
            raise OutboundFailed(str(error), final=True) from None
        except httpx.HTTPError as error:
            raise OutboundFailed(f"the connection failed ({type(error.__cause__ or error).__name__})") from None

    async def close(self) -> None:
        await self._transport.aclose()

    async def _follow(self, request: httpx.Request, most_bytes: int) -> OutboundAnswer:
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._transport.handle_async_request(request)
            try:
                if response.status_code not in _REDIRECTS or "location" not in response.headers:
                    return await _read(response, most_bytes)
                request = _redirected(request, response)
            finally:
                await response.aclose()
        raise OutboundFailed(f"it redirects more than {MOST_REDIRECTS} times", final=True)


def _built(request: OutboundRequest) -> httpx.Request:
    try:
        url = httpx.URL(request.url)
        headers = {"accept": "*/*", "user-agent": "Reis", **{name.lower(): value for name, value in request.headers.items()}}
        # A compressed answer could be far larger than what arrives; it is asked for plainly.
        return httpx.Request(request.method, url, headers=headers | {"accept-encoding": "identity"}, content=request.content)
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise OutboundFailed(f"the request cannot be written ({type(error).__name__})", final=True) from None


def _redirected(request: httpx.Request, response: httpx.Response) -> httpx.Request:
    status = response.status_code
    if status not in _KEEP_THE_METHOD and request.method != "GET":
        raise OutboundFailed(f"it redirects with {status}, which would drop the body: write the final address", final=True)
    try:
        target = request.url.join(response.headers["location"])
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise OutboundFailed("it redirects to something that is no address", final=True) from None
    if (target.scheme, request.url.scheme) not in {("https", "https"), ("https", "http"), ("http", "http")}:
        raise OutboundFailed(f"it redirects from {request.url.scheme} to {target.scheme}", final=True)
    if target.host != request.url.host or target.userinfo:
        raise OutboundFailed(f"it redirects to another host, {target.host}: write the final address", final=True)
    if target.port != request.url.port and target.scheme == request.url.scheme:
        raise OutboundFailed("it redirects to another port: write the final address", final=True)
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    return httpx.Request(request.method, target, headers=headers, content=request.content or None)


async def _read(response: httpx.Response, most_bytes: int) -> OutboundAnswer:
    content = bytearray()
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise OutboundFailed(f"the answer is encoded with {encoding!r:.40}, which was not asked for", final=True)
    async for part in response.aiter_raw():
        content += part
        if len(content) > most_bytes:
            return OutboundAnswer(response.status_code, response.headers, bytes(content[:most_bytes]), whole=False)
    return OutboundAnswer(response.status_code, response.headers, bytes(content), whole=True)
