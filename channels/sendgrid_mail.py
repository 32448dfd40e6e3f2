"""E-mail through SendGrid's `POST /v3/mail/send`: the body by SendGrid's helper, the call on our session."""

from __future__ import annotations

from email.utils import parseaddr
from typing import Any

import aiohttp
import orjson
from sendgrid.helpers.mail import CustomArg, Email, Header, Mail, To

from channels.errors import NoAnswer, NotTaken
from channels.message import ACCOUNT_PAUSE, Accepted, Asked, EmailContent, Lookup, Outcome, OutgoingMessage, Refused, Unknown
from channels.network import call

PROVIDER = "sendgrid"
OWN_ARGUMENT = "reis_attempt"
"""SendGrid's `deferred` event has a field `attempt` of its own, which hides a custom argument of that name."""


class SendGridMail:
    """The adapter for the channel `email`. `sender` is `Name <address>`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_key: str,
        sender: str,
        api_url: str = "https://api.sendgrid.com",
        timeout: float = 10.0,
    ) -> None:
        self._session = session
        self._url = api_url.rstrip("/")
        name, address = parseaddr(sender)
        self._sender = Email(address, name or None)
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._timeout = timeout
        self.account = f"{PROVIDER}:{address}"

    async def send(self, message: OutgoingMessage) -> Outcome:
        """SendGrid answers 202 with `X-Message-Id`; events carry the attempt as a custom argument."""
        data = orjson.dumps(self._body(message))
        try:
            answer = await call(
                self._session,
                PROVIDER,
                "POST",
                f"{self._url}/v3/mail/send",
                timeout=self._timeout,
                headers=self._headers,
                data=data,
            )
        except NotTaken as trouble:
            return Refused(code="not_taken", permanent=False, retry_after=trouble.retry_after, detail=str(trouble))
        except NoAnswer as trouble:
            return Unknown(why=str(trouble))
        if answer.status in (200, 202):
            return Accepted(provider_id=answer.headers.get("X-Message-Id", ""))
        if answer.status in (401, 403):  # the key, the credits or the sender: no fault of this message
            return Refused(code=str(answer.status), permanent=False, retry_after=ACCOUNT_PAUSE, detail=answer.text[:500])
        dead = answer.status == 400 and '"personalizations.0.to.0.email"' in answer.text
        return Refused(code=str(answer.status), permanent=True, address_dead=dead, detail=answer.text[:500])

    async def look_up(self, asked: Asked) -> Accepted | Lookup:
        """Asks the Email Activity API, which not every SendGrid account has; without it nothing can be said.

        https://www.twilio.com/docs/sendgrid/for-developers/sending-email/getting-started-email-activity-api
        """
        query = f"unique_args['attempt']=\"{asked.message.attempt}\""
        try:
            answer = await call(
                self._session,
                PROVIDER,
                "GET",
                f"{self._url}/v3/messages",
                timeout=self._timeout,
                headers=self._headers,
                params={"query": query, "limit": "10"},
            )
        except (NotTaken, NoAnswer):
            return Lookup.CANNOT_TELL
        if answer.status != 200:
            return Lookup.CANNOT_TELL
        found = orjson.loads(answer.text).get("messages") or []
        return Accepted(provider_id=str(found[0].get("msg_id", ""))) if found else Lookup.ABSENT

    def _body(self, message: OutgoingMessage) -> dict[str, Any]:
        content = message.content
        assert isinstance(content, EmailContent)
        mail = Mail(self._sender, To(message.address), content.subject, content.text, content.html)
        personalization = mail.personalizations[0]
        for name in ("attempt", OWN_ARGUMENT):
            personalization.add_custom_arg(CustomArg(name, str(message.attempt)))
        if content.unsubscribe_url:
            personalization.add_header(Header("List-Unsubscribe", f"<{content.unsubscribe_url}>"))
            personalization.add_header(Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        body: dict[str, Any] = mail.get()
        return body
