"""SMS and WhatsApp through Twilio's Messages API, with Twilio's own SDK on our session."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta

import aiohttp
import orjson
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]
from twilio.http import AsyncHttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from channels.errors import NoAnswer, NotTaken
from channels.message import ACCOUNT_PAUSE, Accepted, Asked, Lookup, Outcome, OutgoingMessage, Refused, TextContent, Unknown
from channels.network import call
from contracts.channels import Channel

PROVIDER = "twilio"
# https://www.twilio.com/docs/api/errors: numbers to which nothing will ever arrive.
DEAD_ADDRESS = frozenset({21211, 21614, 30005, 30006, 63024})
STOPPED = 21610
_SKEW = timedelta(minutes=2)  # between our database's clock and Twilio's
_PAGE = 50


class SessionHttpClient(AsyncHttpClient):  # type: ignore[misc]
    """The SDK's transport on a shared session.

    The SDK's own ignores its timeout (twilio-python#925), form-encodes JSON (#932) and logs bodies.
    """

    def __init__(self, session: aiohttp.ClientSession, timeout: float) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True, timeout=timeout)
        self._session = session
        self._timeout = timeout

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,  # noqa: FBT001, FBT002, ARG002  the SDK's signature
    ) -> Response:
        """Raises `NotTaken` or `NoAnswer`; all else is the SDK's to judge."""
        is_json = (headers or {}).get("Content-Type", "").startswith("application/json")
        answer = await call(
            self._session,
            PROVIDER,
            method.upper(),
            url,
            timeout=timeout or self._timeout,
            headers={**(headers or {}), **_authorization(auth)},
            params=params,
            data=orjson.dumps(data) if is_json and data is not None else data,
        )
        return Response(answer.status, answer.text, answer.headers)


class TwilioMessages:
    """The adapter for the channels `sms` and `whatsapp`.

    `callback_url` is where Twilio reports to, without the query; empty: no reports are asked for.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        account_sid: str,
        auth_token: str,
        senders: Mapping[Channel, str],
        callback_url: str = "",
        api_url: str = "",
        timeout: float = 10.0,
    ) -> None:
        self._client = Client(account_sid, auth_token, http_client=SessionHttpClient(session, timeout))
        if api_url:
            self._client.api.base_url = api_url.rstrip("/")
        self._senders = {channel: _addressed(channel, number) for channel, number in senders.items()}
        self._callback_url = callback_url
        self.account = f"{PROVIDER}:{account_sid}"

    async def send(self, message: OutgoingMessage) -> Outcome:
        """One `POST /Messages.json`; the status callback's URL carries the attempt."""
        fields = {"to": _addressed(message.channel, message.address), "from_": self._senders[message.channel]}
        if self._callback_url:
            fields["status_callback"] = f"{self._callback_url}?attempt={message.attempt}"
        try:
            taken = await self._client.messages.create_async(**fields, **_content(message))
        except NotTaken as trouble:
            return Refused(code="not_taken", permanent=False, retry_after=trouble.retry_after, detail=str(trouble))
        except NoAnswer as trouble:
            return Unknown(why=str(trouble))
        except TwilioRestException as error:
            if _of_account(error):
                return Refused(code=str(error.code), permanent=False, retry_after=ACCOUNT_PAUSE, detail=error.msg)
            return Refused(
                code=str(error.code),
                permanent=True,
                address_dead=error.code in DEAD_ADDRESS,
                stopped=error.code == STOPPED,
                detail=error.msg,
            )
        return Accepted(provider_id=taken.sid)

    async def look_up(self, asked: Asked) -> Accepted | Lookup:
        """Searches Twilio's newest messages to the address for ours: same sender and text, made since the call.

        Twilio stores no id of ours that could be asked for. A message known under another attempt does not count. What
        Twilio makes of an approved template it knows alone: one with the text of our `body` is ours, one with another text
        may be.
        """
        message = asked.message
        sender = self._senders[message.channel]
        to = _addressed(message.channel, message.address)
        try:
            newest = await self._client.messages.list_async(to=to, from_=sender, limit=_PAGE, page_size=_PAGE)
        except (NotTaken, NoAnswer, TwilioRestException):
            return Lookup.CANNOT_TELL
        content = message.content
        assert isinstance(content, TextContent)
        since = asked.called_at - _SKEW
        recent = [found for found in reversed(newest) if found.date_created >= since]
        candidates = [found for found in recent if found.sid not in asked.taken]
        for found in candidates:
            if (found.body or "").strip() == content.body.strip():
                return Accepted(provider_id=found.sid)
        is_all = len(recent) < _PAGE
        return Lookup.ABSENT if is_all and not (content.content_sid and candidates) else Lookup.CANNOT_TELL


def _of_account(error: TwilioRestException) -> bool:
    """Whether our credentials or account were turned away: codes from 21000 on are about the message."""
    return bool(error.code == 20003 or (error.status in (401, 403) and (error.code or 0) < 21000))


def _authorization(auth: tuple[str, str] | None) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(":".join(auth).encode()).decode()} if auth else {}


def _addressed(channel: Channel, number: str) -> str:
    return f"whatsapp:{number.removeprefix('whatsapp:')}" if channel is Channel.WHATSAPP else number


def _content(message: OutgoingMessage) -> dict[str, str]:
    content = message.content
    assert isinstance(content, TextContent)
    if content.content_sid:
        return {"content_sid": content.content_sid, "content_variables": orjson.dumps(content.content_variables).decode()}
    return {"body": content.body}
