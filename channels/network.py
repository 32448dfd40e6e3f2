"""One shared aiohttp session for all providers, and which of its failures prove that nothing was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.abc import AbstractResolver

from channels.errors import NoAnswer, NotTaken


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's whole answer."""

    status: int
    headers: Mapping[str, str]
    text: str


def new_session(resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """A session without cookies; needs a running loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=200, keepalive_timeout=60, resolver=resolver), cookie_jar=aiohttp.DummyCookieJar()
    )


async def call(
    session: aiohttp.ClientSession,
    provider: str,
    method: str,
    url: str,
    *,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    data: Mapping[str, str] | bytes | None = None,
) -> Answer:
    """Makes one request within `timeout` real seconds. Answers below 500 except 429; raises `NotTaken` or `NoAnswer`."""
    limits = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, 5.0))
    try:
        async with session.request(
            method, url, headers=headers, params=params, data=data, timeout=limits, allow_redirects=False
        ) as response:
            answer = Answer(response.status, response.headers, await response.text())
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise trouble(provider, error) from error
    raise_for_trouble(provider, answer.status, answer.headers)
    return answer


def trouble(provider: str, error: Exception) -> NotTaken | NoAnswer:
    """The verdict on a failed call: without a connection nothing left; in doubt it did."""
    why = f"{type(error).__name__} {error}".strip()
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return NotTaken(provider, why)
    return NoAnswer(provider, why)


def raise_for_trouble(provider: str, status: int, headers: Mapping[str, str]) -> None:
    """Raises `NotTaken` for 429 and `NoAnswer` for 5xx: a failing server may have taken the message before it failed."""
    if status == 429:
        raise NotTaken(provider, "429 too many requests", retry_after=_seconds(headers.get("Retry-After", "")))
    if status >= 500:
        raise NoAnswer(provider, f"answered {status}")


def _seconds(retry_after: str) -> float:
    """`Retry-After` in seconds (RFC 9110, 10.2.3: a number or a date); 1 when it is missing or unreadable."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 1.0
