"""What a called service said: which path it leads to, whether to ask again, and what is kept of it."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx
import orjson
from pydantic import JsonValue

from infra.outbound import OutboundAnswer, OutboundFailed
from journeys.model import Retry
from services.journeys.steps.requests import Secrets

LARGEST_BODY = 64 * 1024
_AGAIN = frozenset({408, 425, 429})
_KEPT = frozenset(
    {"content-type", "content-language", "date", "etag", "last-modified", "location", "link", "retry-after", "expires"}
)
_LONGEST_HEADER = 1_024
_DEEPEST = 100  # a body nested deeper is kept as text
_MOST_HEADERS = 40


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one try came to: over by `path`, or to be tried again (at the earliest after what the service asked for).

    `result` is what `results.STEP` refers to, should this try be the last.
    """

    path: Literal["ok", "failed", "again"]
    result: dict[str, Any]
    retry_after: timedelta | None = None


def judge(answer: OutboundAnswer | OutboundFailed, secrets: Secrets, now: datetime) -> Verdict:
    """The verdict on an answer, or on there being none. `now` is real."""
    if isinstance(answer, OutboundFailed):
        return Verdict("failed" if answer.final else "again", {"error": secrets.hide(str(answer))})
    result: dict[str, Any] = {"status": answer.status, "headers": _headers(answer.headers, secrets)}
    if answer.whole:
        result["body"] = _body(answer, secrets)
    if 200 <= answer.status < 300:
        if not answer.whole:
            result["error"] = f"the answer is longer than {LARGEST_BODY} bytes: its body was not kept"
        return Verdict("ok", result)
    result["error"] = f"answered {answer.status}"
    again = answer.status in _AGAIN or answer.status >= 500
    return Verdict("again" if again else "failed", result, _retry_after(answer.headers, now) if again else None)


def pause(retry: Retry, tried: int, wished: timedelta | None) -> timedelta:
    """How long to wait after so many tries: twice as long each time, a quarter more or less, at least as wished; never longer
    than `longest`."""
    longest = retry.longest.longest
    doubled = min(retry.first.longest * 2 ** min(tried - 1, 30), longest) if retry.first.longest < longest else longest
    spread = doubled * random.uniform(0.75, 1.25)  # noqa: S311  # spreads load, keeps no secret
    return min(max(spread, wished or timedelta(0)), longest)


def _headers(headers: httpx.Headers, secrets: Secrets) -> dict[str, str]:
    """Those that say something about the answer, by lower-case name; never cookies."""
    found = {
        name: _storable(secrets.hide(value))[:_LONGEST_HEADER]
        for name, value in headers.items()
        if name in _KEPT or name.startswith(("x-", "ratelimit"))
    }
    return dict(list(found.items())[:_MOST_HEADERS])


def _body(answer: OutboundAnswer, secrets: Secrets) -> JsonValue:
    """The JSON where it is some, else the text; None where it is empty."""
    kind = Message()
    kind["content-type"] = answer.headers.get("content-type", "")
    charset = kind.get_content_charset("utf-8")
    try:
        text = answer.content.decode(charset, "replace")
    except (LookupError, ValueError):
        text = answer.content.decode("utf-8", "replace")
    if not text:
        return None
    if kind.get_content_type().endswith("json"):
        with suppress(orjson.JSONDecodeError, RecursionError):
            return _storable_json(orjson.loads(text), secrets, _DEEPEST)
    return _storable(secrets.hide(text))


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL, and JSON no half of a character, which some encodings can make."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _storable_json(value: JsonValue, secrets: Secrets, deeper: int) -> JsonValue:
    """Secrets are hidden here, where nothing is an escape any more. Raises RecursionError where it is too deep to keep."""
    if deeper < 0:
        raise RecursionError
    match value:
        case str():
            return _storable(secrets.hide(value))
        case dict():
            return {_storable(secrets.hide(name)): _storable_json(part, secrets, deeper - 1) for name, part in value.items()}
        case list():
            return [_storable_json(part, secrets, deeper - 1) for part in value]
        case _:
            return value


def _retry_after(headers: httpx.Headers, now: datetime) -> timedelta | None:
    """Seconds or a date (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return timedelta(seconds=min(int(text[:9]), 10**8))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return max((at if at.tzinfo else at.replace(tzinfo=UTC)) - now, timedelta(0))
