"""Twilio's Messages API as far as sending and reconciling need it.

Sources: https://www.twilio.com/docs/messaging/api/message-resource and https://www.twilio.com/docs/api/errors
"""

import base64
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import JsonValue, TypeAdapter, ValidationError

from sandbox.answers import Answers
from sandbox.delivery import TWILIO_ERRORS, Delivery, Stage, twilio_failure
from sandbox.messages import Channel, Direction, Message
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.twilio_params import Refusal, recipient, sender_of, suppression_pair

VARIABLES: TypeAdapter[dict[str, str | int | float]] = TypeAdapter(dict[str, str | int | float])
MAX_BODY = 1600
PAGE_SIZE = 50


def _spoiled(status: int, headers: dict[str, str]) -> Response:
    if status == 429:
        return Refusal(429, 20429, "Too Many Requests").answer(headers)
    return Refusal(status, 20500 if status == 500 else 20503, "Service unavailable").answer(headers)


class TwilioApi:
    """The endpoints under ``/2010-04-01``."""

    def __init__(self, store: Store, delivery: Delivery, answers: Answers, settings: SandboxSettings) -> None:
        self._store = store
        self._delivery = delivery
        self._answers = answers
        self._settings = settings
        token = settings.twilio_auth_token.get_secret_value()
        credentials = f"{settings.twilio_account_sid}:{token}".encode()
        self._authorization = base64.b64encode(credentials).decode()
        self._path = f"/2010-04-01/Accounts/{settings.twilio_account_sid}"

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/2010-04-01/Accounts/{account}", tags=["twilio"])
        router.add_api_route("/Messages.json", self.create, methods=["POST"], status_code=201)
        router.add_api_route("/Messages.json", self.search, methods=["GET"])
        router.add_api_route("/Messages/{sid}.json", self.fetch, methods=["GET"])
        return router

    async def create(self, account: str, request: Request) -> Response:
        """Accepts a message: 201 with status ``queued``, or ``accepted`` when a Messaging Service picks the sender."""
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        try:
            self._authenticate(account, request)
            channel, to = recipient(form)
            message = self._message(channel, to, form)
            outcome = await self._answers.strike(channel, to)
            if outcome.answer and outcome.prevents_recording:
                return await self._answers.spoil(outcome.answer, request, _spoiled)
            if channel is Channel.SMS and suppression_pair(to, message.sender) in self._store.suppressions:
                raise Refusal(400, 21610, "Attempt to send to unsubscribed recipient")
            message = message.model_copy(update={"seq": self._store.next_seq()})
            status = "queued" if form.get("From") else "accepted"
            self._delivery.accept(message, status, outcome, ends=self._outside_window(message))
            if outcome.answer:
                return await self._answers.spoil(outcome.answer, request, _spoiled)
            answer = self._resource(message)
            if status == "accepted":
                answer["from"] = None
            return JSONResponse(answer, 201)
        except Refusal as refusal:
            return refusal.answer()

    async def fetch(self, account: str, sid: str, request: Request) -> Response:
        """One message with its present status."""
        try:
            self._authenticate(account, request)
            if sid not in self._store.progress or not sid.startswith("SM"):
                raise Refusal(404, 20404, f"The requested resource {request.url.path} was not found")
        except Refusal as refusal:
            return refusal.answer()
        return JSONResponse(self._resource(self._store.message(sid)))

    async def search(self, account: str, request: Request) -> Response:
        """Messages, newest first, by ``To``, ``From`` and ``DateSent`` (``<`` and ``>`` before the value allowed)."""
        query = dict(request.query_params)
        try:
            self._authenticate(account, request)
            size = max(1, min(1000, int(query.get("PageSize", PAGE_SIZE))))
            page = max(0, int(query.get("Page", 0)))
            found = [m for m in self._newest_first(query.get("To")) if _matches(m, query)]
        except Refusal as refusal:
            return refusal.answer()
        except ValueError:
            return Refusal(400, 20001, "Invalid filter or page").answer()
        query |= {"PageSize": str(size)}
        path = f"{self._path}/Messages.json?"
        more = len(found) > (page + 1) * size
        body = {
            "messages": [self._resource(m) for m in found[page * size : (page + 1) * size]],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": min(len(found), (page + 1) * size) - 1,
            "uri": path + urlencode(query | {"Page": str(page)}),
            "first_page_uri": path + urlencode(query | {"Page": "0"}),
            "next_page_uri": path + urlencode(query | {"Page": str(page + 1)}) if more else None,
            "previous_page_uri": path + urlencode(query | {"Page": str(page - 1)}) if page else None,
        }
        return JSONResponse(body)

    def _authenticate(self, account: str, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        known = scheme.lower() == "basic" and secrets.compare_digest(given.encode(), self._authorization.encode())
        if not known or account != self._settings.twilio_account_sid:
            raise Refusal(401, 20003, "Authenticate")

    def _message(self, channel: Channel, to: str, form: Mapping[str, str]) -> Message:
        sender = sender_of(channel, form) or self._settings.twilio_sender
        content_sid = form.get("ContentSid") or None
        body = self._content(content_sid, form) if content_sid else form.get("Body", "")
        if not body and not form.get("MediaUrl"):
            raise Refusal(400, 21602, "Message body is required.")
        if len(body) > MAX_BODY:
            raise Refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
        callback = form.get("StatusCallback") or None
        if callback and urlsplit(callback).scheme not in ("http", "https"):
            raise Refusal(400, 21609, f"The 'StatusCallback' URL {callback} is not a valid URL.")
        query = parse_qs(urlsplit(callback or "").query)
        sid = "SM" + uuid4().hex
        return Message(
            id=sid,
            seq=0,
            channel=channel,
            to=to,
            sender=sender,
            body=body,
            attempt=query["attempt"][0] if "attempt" in query else None,
            custom_args={name: values[0] for name, values in query.items()},
            request_id=sid,
            received_at=datetime.now(UTC),
            status_callback=callback,
            messaging_service_sid=form.get("MessagingServiceSid") or None,
            content_sid=content_sid,
        )

    def _content(self, sid: str, form: Mapping[str, str]) -> str:
        try:
            variables = VARIABLES.validate_json(form.get("ContentVariables") or "{}")
        except ValidationError:
            raise Refusal(400, 21656, "The ContentVariables Parameter is invalid.") from None
        template = self._store.contents.get(sid)
        if template is None:
            return " · ".join([f"[template {sid}]", *(str(value) for value in variables.values())])
        return re.sub(r"\{\{(.+?)\}\}", lambda m: str(variables.get(m[1].strip(), m[0])), template)

    def _outside_window(self, message: Message) -> Stage | None:
        """WhatsApp lets a business write freely only within 24 hours after the customer's last message."""
        if not self._settings.whatsapp_window or message.channel is not Channel.WHATSAPP or message.content_sid:
            return None
        opened = message.received_at - timedelta(hours=24)
        for earlier in reversed(self._store.with_address(message.to)):
            if earlier.received_at < opened:
                break
            if earlier.direction is Direction.INBOUND and earlier.channel is Channel.WHATSAPP:
                return None
        return twilio_failure("undelivered", 63016)

    def _newest_first(self, to: str | None) -> Iterator[Message]:
        customer = to.removeprefix("whatsapp:") if to else None
        pool = self._store.with_address(customer) if customer else self._store.messages
        return (m for m in reversed(pool) if m.channel in (Channel.SMS, Channel.WHATSAPP))

    def _resource(self, message: Message) -> dict[str, JsonValue]:
        progress = self._store.progress[message.id]
        prefix = "whatsapp:" if message.channel is Channel.WHATSAPP else ""
        sent = progress.status not in ("accepted", "queued")
        uri = f"{self._path}/Messages/{message.id}"
        return {
            "account_sid": self._settings.twilio_account_sid,
            "api_version": "2010-04-01",
            "body": message.body,
            "date_created": _rfc2822(message.received_at),
            "date_sent": _rfc2822(message.received_at) if sent else None,
            "date_updated": _rfc2822(progress.updated_at),
            "direction": "inbound" if message.direction is Direction.INBOUND else "outbound-api",
            "error_code": progress.error_code,
            "error_message": TWILIO_ERRORS.get(progress.error_code) if progress.error_code else None,
            "from": prefix + (message.sender or ""),
            "messaging_service_sid": message.messaging_service_sid,
            "num_media": "0",
            "num_segments": str(max(1, -(-len(message.body) // 160))),
            "price": None,
            "price_unit": "USD",
            "sid": message.id,
            "status": progress.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": prefix + message.to,
            "uri": f"{uri}.json",
        }


def _matches(message: Message, query: Mapping[str, str]) -> bool:
    prefix = "whatsapp:" if message.channel is Channel.WHATSAPP else ""
    if query.get("To", prefix + message.to) != prefix + message.to:
        return False
    sender = prefix + (message.sender or "")
    if query.get("From", sender) != sender:
        return False
    at = message.received_at
    if "DateSent" in query and at.date() != date.fromisoformat(query["DateSent"][:10]):
        return False
    if "DateSent>" in query and at < _instant(query["DateSent>"], end_of_day=False):
        return False
    return "DateSent<" not in query or at <= _instant(query["DateSent<"], end_of_day=True)


def _instant(text: str, *, end_of_day: bool) -> datetime:
    text = text.lstrip("=")
    if len(text) == len("2026-01-01"):
        day = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return day + timedelta(days=1, microseconds=-1) if end_of_day else day
    # The resource shows whole seconds, so a filter by them must not exclude the message itself.
    instant = datetime.fromisoformat(text)
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return instant + timedelta(microseconds=999_999) if end_of_day else instant


def _rfc2822(instant: datetime) -> str:
    return format_datetime(instant.replace(microsecond=0))
