"""Web push (RFC 8030, 8291, 8292) through pywebpush on our session."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from py_vapid import Vapid
from pywebpush import WebPushException, webpush_async

from channels.egress import forbidden
from channels.errors import NoAnswer, NotTaken
from channels.message import Accepted, Asked, Lookup, Outcome, OutgoingMessage, PushContent, Refused, Unknown
from channels.network import raise_for_trouble, trouble

PROVIDER = "web_push"
# RFC 8291, 4: a push service need not take more than 4096 bytes; encryption adds a header (86) and a tag with padding (17).
MOST_BYTES = 4096 - 86 - 17
_TTL_SECONDS = 24 * 3600


class _NoRedirects:
    """pywebpush follows redirects, which would lead around every check of the endpoint."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def post(self, url: str, **given: Any) -> aiohttp.ClientResponse:
        return await self._session.post(url, allow_redirects=False, **given)


class WebPush:
    """The adapter for the channel `web_push`; an address is the JSON that `PushSubscription.toJSON()` gives.

    A push service has no way to ask what became of a message, and its `Topic` replaces only what it has not yet
    delivered. A push of unknown fate is therefore never sent again.

    Endpoints come from browsers, that is from anybody: without `private_endpoints` (for a local push service) only
    https on the public internet is called.

    Raises ValueError where `private_key` is none (base64url of the raw 32 bytes, or a DER).
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        private_key: str,
        subject: str,
        timeout: float = 10.0,
        private_endpoints: bool = False,
    ) -> None:
        self._session = _NoRedirects(session)
        self._private_endpoints = private_endpoints
        self._vapid = Vapid.from_string(private_key)
        self._subject = subject
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, 5.0))
        self.account = PROVIDER

    async def send(self, message: OutgoingMessage) -> Outcome:
        """Encrypts and posts {title, body, url, attempt}."""
        content = message.content
        assert isinstance(content, PushContent)
        payload = orjson.dumps(
            {"title": content.title, "body": content.body, "url": content.url, "attempt": str(message.attempt)}
        )
        if len(payload) > MOST_BYTES:
            return Refused(code="too_large", permanent=True, detail=f"{len(payload)} bytes, at most {MOST_BYTES}")
        try:
            return await self._post(orjson.loads(message.address), payload.decode())
        except NotTaken as problem:
            return Refused(code="not_taken", permanent=False, retry_after=problem.retry_after, detail=str(problem))
        except NoAnswer as problem:
            return Unknown(why=str(problem))

    async def look_up(self, asked: Asked) -> Accepted | Lookup:  # noqa: ARG002  the protocol's signature
        """RFC 8030 has no such question."""
        return Lookup.CANNOT_TELL

    async def _post(self, subscription: dict[str, Any], payload: str) -> Outcome:
        endpoint = str(subscription.get("endpoint", ""))
        if urlsplit(endpoint).scheme not in ("http", "https"):
            return Refused(code="bad_subscription", permanent=True, address_dead=True, detail="the endpoint is no URL")
        if not self._private_endpoints and (why := await forbidden(endpoint)):
            return Refused(code="bad_subscription", permanent=True, address_dead=True, detail=why)
        try:
            response = await webpush_async(
                subscription,
                payload,
                vapid_private_key=self._vapid,
                vapid_claims={"sub": self._subject},
                timeout=self._timeout,
                ttl=_TTL_SECONDS,
                aiohttp_session=self._session,
            )
        except WebPushException as error:
            if error.response is None:
                return Refused(code="bad_subscription", permanent=True, address_dead=True, detail=error.message)
            raise_for_trouble(PROVIDER, error.response.status, error.response.headers)
            status = error.response.status
            return Refused(code=str(status), permanent=True, address_dead=status in (404, 410), detail=error.message[:500])
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise trouble(PROVIDER, error) from error
        except (ValueError, TypeError) as error:  # keys that are no point on the curve
            return Refused(code="bad_subscription", permanent=True, address_dead=True, detail=str(error))
        return Accepted(provider_id=response.headers.get("Location", ""))
