"""SendGrid's ``POST /v3/mail/send``.

Sources: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send and …/mail-send/errors
"""

import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import JsonValue

from sandbox.answers import Answers
from sandbox.delivery import Delivery, Stage
from sandbox.mail import Flaw, MailSend, check
from sandbox.messages import Channel, Message
from sandbox.settings import SandboxSettings
from sandbox.store import Store


def errors(status: int, flaws: list[Flaw], headers: dict[str, str] | None = None) -> Response:
    body = {"errors": [{"message": f.message, "field": f.field, "help": f.help} for f in flaws]}
    return JSONResponse(body, status, headers)


def _spoiled(status: int, headers: dict[str, str]) -> Response:
    if status == 429:
        headers |= {"X-RateLimit-Remaining": "0"}
        return errors(429, [Flaw("too many requests")], headers)
    return errors(status, [Flaw("An error occurred on a SendGrid server.")], headers)


class SendGridApi:
    """Accepts mail; one message per recipient of a personalization."""

    def __init__(self, store: Store, delivery: Delivery, answers: Answers, settings: SandboxSettings) -> None:
        self._store = store
        self._delivery = delivery
        self._answers = answers
        self._api_key = settings.sendgrid_api_key.get_secret_value()

    def router(self) -> APIRouter:
        router = APIRouter(tags=["sendgrid"])
        router.add_api_route("/v3/mail/send", self.send, methods=["POST"], status_code=202)
        return router

    async def send(self, request: Request) -> Response:
        """202 with ``X-Message-Id`` and no body; 200 in SendGrid's own sandbox mode, where nothing is sent."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(key.encode(), self._api_key.encode()):
            return errors(401, [Flaw("The provided authorization grant is invalid, expired, or revoked")])
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return errors(415, [Flaw("Content-Type should be application/json.")])
        try:
            body: Any = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return errors(400, [Flaw("Bad Request")])
        mail, flaws = check(body)
        if mail is None:
            return errors(400, flaws)
        if mail.sandbox_mode:
            return Response(status_code=200)
        outcome = await self._answers.strike(Channel.EMAIL, mail.letters[0].to)
        if outcome.answer and outcome.prevents_recording:
            return await self._answers.spoil(outcome.answer, request, _spoiled)
        request_id = secrets.token_urlsafe(16)
        for index, message in enumerate(self._messages(mail, request_id)):
            numbered = message.model_copy(update={"seq": self._store.next_seq()})
            own = outcome if index == 0 else await self._answers.strike(Channel.EMAIL, numbered.to)
            self._delivery.accept(numbered, "queued", own, ends=self._suppressed(numbered))
        if outcome.answer:
            return await self._answers.spoil(outcome.answer, request, _spoiled)
        return Response(status_code=202, headers={"X-Message-Id": request_id})

    def _messages(self, mail: MailSend, request_id: str) -> list[Message]:
        now = datetime.now(UTC)
        return [
            Message(
                id=f"{request_id}.recvd-sandbox-{uuid4().hex[:8]}-{number}.0",
                seq=0,
                channel=Channel.EMAIL,
                to=letter.to,
                sender=mail.sender,
                sender_name=mail.sender_name,
                subject=letter.subject,
                body=mail.text or "",
                html=mail.html,
                headers=letter.headers,
                attempt=letter.custom_args.get("attempt"),
                custom_args=letter.custom_args,
                categories=mail.categories,
                request_id=request_id,
                received_at=now,
            )
            for number, letter in enumerate(mail.letters)
        ]

    def _suppressed(self, message: Message) -> Stage | None:
        reason = self._store.suppressions.get(message.to)
        if reason is None:
            return None
        fields: dict[str, JsonValue] = {"reason": reason, "status": "5.0.0"}
        return Stage(name="dropped", detail=reason, fields=fields)
