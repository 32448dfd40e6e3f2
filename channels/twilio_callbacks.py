"""What Twilio reports: status callbacks and replies, verified before they are parsed.

Sources: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status and …/usage/security
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl, urlsplit
from uuid import UUID

from pydantic import JsonValue
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from channels.errors import BadCallback, BadSignature
from channels.receipts import ProviderReceipt, Reply, Suppress
from channels.stop_words import word_of
from channels.twilio_messages import DEAD_ADDRESS, STOPPED
from contracts.channels import Channel, Status

_STATUSES = {
    "accepted": Status.SENT,
    "scheduled": Status.SENT,
    "queued": Status.SENT,
    "sending": Status.SENT,
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.OPENED,
    "undelivered": Status.REJECTED,
    "failed": Status.REJECTED,
    "canceled": Status.CANCELLED,
}


class TwilioCallbacks:
    """Verifies and reads. `url` is always the full public URL that Twilio called, query included."""

    def __init__(self, auth_token: str) -> None:
        self._validator = RequestValidator(auth_token)

    def parse_twilio_status(self, url: str, body: bytes, signature: str) -> ProviderReceipt:
        """A status callback. Raises `BadSignature` or `BadCallback`."""
        form = self._verified(url, body, signature)
        sid, name = form.get("MessageSid", ""), form.get("MessageStatus", "")
        code = int(form["ErrorCode"]) if form.get("ErrorCode", "").isdigit() else None
        status = _STATUSES.get(name, Status.UNKNOWN)
        dead = status is Status.REJECTED and code in DEAD_ADDRESS
        stopped = code == STOPPED
        return ProviderReceipt(
            event_id=f"{sid}:{name}",
            status=Status.BOUNCED if dead else status,
            attempt=_attempt(url),
            provider_id=sid,
            reason=" ".join(part for part in (form.get("ErrorCode"), form.get("ErrorMessage")) if part),
            suppress=Suppress.DEAD if dead else Suppress.STOP if stopped else None,
            withdraw=stopped,
            raw=_raw(form),
        )

    def parse_twilio_inbound(self, url: str, body: bytes, signature: str) -> Reply:
        """A customer's reply. Raises `BadSignature` or `BadCallback`."""
        form = self._verified(url, body, signature)
        sender, sid = form.get("From", ""), form.get("MessageSid", "")
        if not sender or not sid:
            raise BadCallback("twilio", "From or MessageSid is missing")
        text = form.get("Body", "")
        opt_out = form.get("OptOutType", "").lower()  # set where Twilio's own opt-out management is on
        return Reply(
            event_id=sid,
            channel=Channel.WHATSAPP if sender.startswith("whatsapp:") else Channel.SMS,
            address=sender.removeprefix("whatsapp:"),
            text=text,
            answers=form.get("OriginalRepliedMessageSid", ""),
            word=opt_out if opt_out in ("stop", "start") else word_of(text),
            raw=_raw(form),
        )

    def _verified(self, url: str, body: bytes, signature: str) -> dict[str, str]:
        try:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        except UnicodeDecodeError:
            raise BadSignature("Twilio", "TWILIO_AUTH_TOKEN") from None
        if not signature or not self._validator.validate(url, form, signature):
            raise BadSignature("Twilio", "TWILIO_AUTH_TOKEN")
        return form


def _attempt(url: str) -> UUID | None:
    try:
        return UUID(parse_qs(urlsplit(url).query)["attempt"][0])
    except (KeyError, ValueError):
        return None


def _raw(form: Mapping[str, str]) -> dict[str, JsonValue]:
    return dict(form)
