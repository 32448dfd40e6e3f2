"""What SendGrid's signed Event Webhook reports, verified over the exact bytes before it is parsed.

Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from sendgrid.helpers.eventwebhook import EventWebhook

from channels.errors import BadCallback, BadSignature
from channels.receipts import ProviderReceipt, Suppress
from channels.sendgrid_mail import OWN_ARGUMENT
from contracts.channels import Status

_STATUSES = {
    "processed": Status.SENT,
    "deferred": Status.SENT,
    "delivered": Status.DELIVERED,
    "open": Status.OPENED,
    "click": Status.CLICKED,
    "bounce": Status.BOUNCED,
    "dropped": Status.REJECTED,
    "spamreport": Status.COMPLAINED,
    "unsubscribe": Status.UNSUBSCRIBED,
    "group_unsubscribe": Status.UNSUBSCRIBED,
}
_SUPPRESS = {"bounce": Suppress.HARD_BOUNCE, "spamreport": Suppress.COMPLAINT, "unsubscribe": Suppress.UNSUBSCRIBED}
_WITHDRAW = frozenset({"bounce", "spamreport", "unsubscribe", "group_unsubscribe"})


class SendGridEvents:
    """Verifies and reads. `public_key` is the one SendGrid shows: base64 of the SubjectPublicKeyInfo of an elliptic curve's
    key. Raises ValueError for anything else."""

    def __init__(self, public_key: str) -> None:
        self._webhook = EventWebhook(public_key)
        if not isinstance(self._webhook.public_key, EllipticCurvePublicKey):
            raise ValueError("the key is none of an elliptic curve")  # noqa: TRY004  # the text is wrong, not its type

    def parse_sendgrid_events(self, body: bytes, signature: str, timestamp: str) -> list[ProviderReceipt]:
        """All events of one post. Raises `BadSignature` or `BadCallback`."""
        try:
            genuine = bool(signature and timestamp) and self._webhook.verify_signature(body.decode(), signature, timestamp)
        except ValueError:
            genuine = False
        if not genuine:
            raise BadSignature("SendGrid", "SENDGRID_WEBHOOK_PUBLIC_KEY")
        try:
            events = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadCallback("sendgrid", str(error)) from error
        if not isinstance(events, list):
            raise BadCallback("sendgrid", "it is no list of events")
        return [_receipt(event) for event in events if isinstance(event, dict)]


def _receipt(event: dict[str, Any]) -> ProviderReceipt:
    name = str(event.get("event", ""))
    soft = name == "bounce" and event.get("type") == "blocked"  # a temporary refusal, not a dead address
    moment = event.get("timestamp")
    return ProviderReceipt(
        event_id=str(event.get("sg_event_id") or hashlib.sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).hexdigest()),
        status=Status.REJECTED if soft else _STATUSES.get(name, Status.UNKNOWN),
        attempt=_attempt(event),
        provider_id=str(event.get("sg_message_id", "")).partition(".")[0],
        at=datetime.fromtimestamp(moment, UTC) if isinstance(moment, int) else None,
        url=event.get("url") if isinstance(event.get("url"), str) else None,
        reason=str(event.get("reason") or event.get("response") or "") if name in ("bounce", "dropped", "deferred") else "",
        suppress=None if soft else _SUPPRESS.get(name),
        withdraw=not soft and name in _WITHDRAW,
        raw=event,
    )


def _attempt(event: dict[str, Any]) -> UUID | None:
    for name in (OWN_ARGUMENT, "attempt"):
        try:
            return UUID(str(event[name]))
        except (KeyError, ValueError):
            continue
    return None
