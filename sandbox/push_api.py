"""The push service: takes messages for subscriptions, as a browser vendor's server does (RFC 8030)."""

import re
import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from sandbox.answers import Answers
from sandbox.delivery import Delivery
from sandbox.errors import UnknownCustomerError
from sandbox.messages import Channel, Frozen, Message
from sandbox.records import CustomerSaved, SubscriptionDropped, SubscriptionMade
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.webpush import BrowserKeys, UndecryptableError, VapidError, check_vapid, decrypt, new_browser_keys

MAX_BODY_BYTES = 4096
TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


class SubscriptionRequest(Frozen):
    """Whose browser subscribes: a customer's id, phone number, email address or name (a new name makes one)."""

    customer: str
    application_server_key: str | None = None
    """The VAPID public key (base64url) the page subscribes with; other senders are then refused."""


class SubscriptionKeys(Frozen):
    p256dh: str
    auth: str


class Subscription(Frozen):
    """What ``PushSubscription.toJSON()`` gives in a browser."""

    endpoint: str
    expirationTime: None = None  # noqa: N815 -- the browser's word
    keys: SubscriptionKeys


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"code": status, "error": message}, status, headers)


def _spoiled(status: int, headers: dict[str, str]) -> Response:
    return _error(status, "Too Many Requests" if status == 429 else "Service Unavailable", headers)


class PushApi:
    """Subscriptions and the messages to them."""

    def __init__(self, store: Store, delivery: Delivery, answers: Answers, settings: SandboxSettings) -> None:
        self._store = store
        self._delivery = delivery
        self._answers = answers
        self._origin = settings.public_url

    def router(self) -> APIRouter:
        router = APIRouter(tags=["web push"])
        router.add_api_route("/push/{subscription_id}", self.push, methods=["POST"], status_code=201)
        router.add_api_route("/api/push-subscriptions", self.subscribe, methods=["POST"], status_code=201)
        router.add_api_route("/api/push-subscriptions/{subscription_id}", self.unsubscribe, methods=["DELETE"], status_code=204)
        return router

    async def subscribe(self, wish: SubscriptionRequest) -> Subscription:
        """Makes a subscription as a browser would and keeps its private key."""
        customer = self._store.customers.find(wish.customer)
        if customer is None:
            phone = wish.customer if wish.customer.startswith("+") else None
            email = wish.customer.lower() if "@" in wish.customer else None
            self._store.record(CustomerSaved(id=uuid4().hex, name=wish.customer, phone=phone, email=email))
            customer = self._store.customers.find(wish.customer)
        if customer is None:
            raise UnknownCustomerError(wish.customer)
        keys = new_browser_keys(secrets.token_bytes(16))
        made = SubscriptionMade(
            id=secrets.token_urlsafe(24),
            customer=customer.id,
            private_key=keys.private_key,
            public_key=keys.public_key,
            auth=keys.auth,
            application_server_key=wish.application_server_key,
            at=datetime.now(UTC),
        )
        self._store.record(made)
        return Subscription(
            endpoint=f"{self._origin}/push/{made.id}",
            keys=SubscriptionKeys(p256dh=keys.public_key, auth=keys.auth),
        )

    async def unsubscribe(self, subscription_id: str) -> Response:
        """The person takes the permission back: from now on 410."""
        if subscription_id not in self._store.subscriptions:
            return _error(404, "unknown subscription")
        self._store.record(SubscriptionDropped(id=subscription_id))
        return Response(status_code=204)

    async def push(self, subscription_id: str, request: Request) -> Response:
        """201 with Location. 404 unknown, 410 dropped, 401/403 VAPID, 400 TTL, encoding or topic, 413 too large."""
        subscription = self._store.subscriptions.get(subscription_id)
        body = await request.body()
        refusal = self._refusal(subscription_id, subscription, request, body)
        if refusal is not None or subscription is None:
            return refusal or _error(404, "unknown subscription")
        outcome = await self._answers.strike(Channel.WEB_PUSH, subscription_id)
        if outcome.gone:
            self._store.record(SubscriptionDropped(id=subscription_id))
            return _error(410, "subscription expired or unsubscribed")
        if outcome.answer and outcome.prevents_recording:
            return await self._answers.spoil(outcome.answer, request, _spoiled)
        message, status = self._message(subscription, request, body)
        self._delivery.accept(message, status, outcome)
        if outcome.answer:
            return await self._answers.spoil(outcome.answer, request, _spoiled)
        headers = {"Location": f"{self._origin}/push-messages/{message.id}", "TTL": request.headers["ttl"]}
        return Response(status_code=201, headers=headers)

    def _refusal(
        self, subscription_id: str, subscription: SubscriptionMade | None, request: Request, body: bytes
    ) -> Response | None:
        if subscription is None:
            return _error(404, "unknown subscription")
        if subscription_id in self._store.dropped_subscriptions:
            return _error(410, "subscription expired or unsubscribed")
        authorization = request.headers.get("authorization")
        if not authorization:
            return _error(401, "a VAPID Authorization header is required", {"WWW-Authenticate": "vapid"})
        try:
            check_vapid(authorization, self._origin, subscription.application_server_key)
        except VapidError as error:
            return _error(403, str(error))
        if not request.headers.get("ttl", "").isdecimal():
            return _error(400, "a TTL header in seconds is required")
        if len(body) > MAX_BODY_BYTES:
            return _error(413, f"a message may have {MAX_BODY_BYTES} bytes at most")
        if body and request.headers.get("content-encoding") != "aes128gcm":
            return _error(400, "Content-Encoding must be aes128gcm")
        if "topic" in request.headers and not TOPIC.fullmatch(request.headers["topic"]):
            return _error(400, "Topic must be 1 to 32 characters of base64url")
        return None

    def _message(self, subscription: SubscriptionMade, request: Request, body: bytes) -> tuple[Message, str]:
        """An undecryptable message is accepted too: the service cannot read it, the browser drops it silently."""
        keys = BrowserKeys(subscription.private_key, subscription.public_key, subscription.auth)
        status, text = "delivered", ""
        if body:
            try:
                text = decrypt(body, keys).decode()
            except (UndecryptableError, UnicodeDecodeError) as error:
                status, text = "undecryptable", f"[{error}]"
        payload = _json(text)
        shown: dict[str, Any] = payload if isinstance(payload, dict) else {}
        shown = shown.get("notification") if isinstance(shown.get("notification"), dict) else shown  # type: ignore[assignment]
        attempt = payload.get("attempt") if isinstance(payload, dict) else None
        message_id = uuid4().hex
        topic = request.headers.get("topic")
        message = Message(
            id=message_id,
            seq=self._store.next_seq(),
            channel=Channel.WEB_PUSH,
            to=subscription.id,
            subject=str(shown["title"]) if shown.get("title") else None,
            body=str(shown.get("body") or "") if shown else text,
            headers={"TTL": request.headers["ttl"]} | ({"Topic": topic} if topic else {}),
            attempt=str(attempt) if attempt else None,
            request_id=message_id,
            received_at=datetime.now(UTC),
            payload=payload,
        )
        return message, status


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
