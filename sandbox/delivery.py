"""What a provider does with a message after it accepted it: move it along and report every move."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Literal, assert_never
from uuid import uuid4

from pydantic import Field, JsonValue

from sandbox.courier import Courier
from sandbox.faults import Fault, Outcome
from sandbox.messages import Channel, Direction, Frozen, Message
from sandbox.records import Callback, MessageAccepted, MessageMoved, SuppressionChanged
from sandbox.settings import SandboxSettings
from sandbox.store import Store

UNDER_WAY = frozenset({"accepted", "queued", "sent", "processed", "deferred"})

DEFERRED_FIELDS: dict[str, JsonValue] = {"attempt": "1"}
"""SendGrid's ``deferred`` event has a field ``attempt`` of its own, which hides a custom argument of that name."""

TWILIO_ERRORS = {
    30003: "Unreachable destination handset",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    63003: "Channel could not find To address",
    63016: "Failed to send freeform message because you are outside the allowed window",
    63024: "Invalid message recipient",
}


class Stage(Frozen):
    """One step of a message's way: a status of the provider, or (``is_status`` false) an act of the customer."""

    name: str
    is_status: bool = True
    error_code: int | None = None
    detail: str | None = None
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    """What this step adds to a SendGrid event."""


class Delivery:
    """Moves accepted messages through their stages, in real time, and owes the callbacks for it."""

    def __init__(self, store: Store, courier: Courier, settings: SandboxSettings) -> None:
        self._store = store
        self._courier = courier
        self._settings = settings
        self._ahead: dict[str, list[Stage]] = {}
        self._silent: set[str] = set()
        self._late: dict[str, float] = {}

    def accept(self, message: Message, status: str, outcome: Outcome, *, ends: Stage | None = None) -> None:
        """Records a message and sets it on its way; ``ends`` replaces a happy end."""
        self._store.record(MessageAccepted(message=message, status=status))
        if outcome.callbacks_dropped:
            self._silent.add(message.id)
        if outcome.callback_delay:
            self._late[message.id] = outcome.callback_delay
        self._follow(message, _stages(message, status, outcome.delivery, ends))

    def resume(self) -> None:
        """After a restart: finishes what was under way (without faults, which a restart forgets)."""
        for message in self._store.messages:
            status = self._store.progress[message.id].status
            if message.direction is Direction.OUTBOUND and status in UNDER_WAY:
                self._follow(message, _stages(message, status, None, None))

    def hurry(self, message: Message) -> None:
        """Completes the delivery now: a customer acts on the message, so it must have arrived."""
        for stage in self._ahead.pop(message.id, []):
            self.move(message, stage)

    def move(self, message: Message, stage: Stage) -> None:
        """Records one stage and reports it the way the message's provider does."""
        now = datetime.now(UTC)
        self._store.record(
            MessageMoved(
                id=message.id,
                name=stage.name,
                status=stage.name if stage.is_status else None,
                error_code=stage.error_code,
                detail=stage.detail,
                at=now,
            )
        )
        if stage.name == "bounce":
            self._store.record(SuppressionChanged(pair=message.to, reason="Bounced Address"))
        if message.id in self._silent:
            return
        due = now + timedelta(seconds=self._late.get(message.id, 0))
        match message.channel:
            case Channel.SMS | Channel.WHATSAPP:
                if message.status_callback and stage.is_status:
                    params = self._status(message, stage)
                    url = message.status_callback
                    self._courier.owe(Callback(id=uuid4().hex, lane="twilio", url=url, due_at=due, params=params))
            case Channel.EMAIL:
                if self._settings.sendgrid_events_url:
                    url = self._settings.sendgrid_events_url
                    event = _event(message, stage, now)
                    self._courier.owe(Callback(id=uuid4().hex, lane="sendgrid", url=url, due_at=due, event=event))
            case Channel.WEB_PUSH:
                pass  # A push service reports nothing.
            case _:
                assert_never(message.channel)

    def _follow(self, message: Message, stages: list[Stage]) -> None:
        if stages:
            self._ahead[message.id] = stages
            asyncio.get_running_loop().call_later(self._settings.status_delay_seconds, self._step, message)

    def _step(self, message: Message) -> None:
        stages = self._ahead.pop(message.id, [])
        if stages:
            self.move(message, stages[0])
            self._follow(message, stages[1:])

    def _status(self, message: Message, stage: Stage) -> dict[str, str]:
        prefix = "whatsapp:" if message.channel is Channel.WHATSAPP else ""
        params = {
            "MessageSid": message.id,
            "SmsSid": message.id,
            "MessageStatus": stage.name,
            "SmsStatus": stage.name,
            "To": prefix + message.to,
            "From": prefix + (message.sender or self._settings.twilio_sender),
            "AccountSid": self._settings.twilio_account_sid,
            "ApiVersion": "2010-04-01",
        }
        if message.channel is Channel.WHATSAPP:
            params |= {"ChannelPrefix": "whatsapp", "ChannelToAddress": message.to}
            if stage.name == "read":
                params["EventType"] = "READ"
        if message.messaging_service_sid:
            params["MessagingServiceSid"] = message.messaging_service_sid
        if stage.error_code is not None:
            params["ErrorCode"] = str(stage.error_code)
            if stage.detail:
                params["ErrorMessage"] = stage.detail
        return params


def _stages(message: Message, status: str, fault: Fault | None, ends: Stage | None) -> list[Stage]:
    """What is still ahead of a message that has ``status``."""
    match message.channel:
        case Channel.SMS | Channel.WHATSAPP:
            if fault is not None and fault.effect in ("undelivered", "failed"):
                ends = twilio_failure(fault.effect, fault.error_code)
            ahead = [Stage(name="queued"), Stage(name="sent")]
            if ends is not None and ends.name == "failed":
                ahead.pop()  # It never left the provider.
            ahead.append(ends or Stage(name="delivered"))
            return ahead[{"accepted": 0, "queued": 1, "sent": 2}[status] :]
        case Channel.EMAIL:
            if ends is not None:
                return [ends]
            ahead = [Stage(name="processed")]
            if fault is not None and fault.effect == "bounce":
                ahead.append(bounce(fault.reason))
            else:
                if fault is not None and fault.effect == "defer":
                    wait: dict[str, JsonValue] = {"response": "450 4.2.1 try again later", **DEFERRED_FIELDS}
                    ahead.append(Stage(name="deferred", fields=wait))
                ahead.append(Stage(name="delivered", fields={"response": "250 2.0.0 OK", "tls": 1}))
            return ahead[{"queued": 0, "processed": 1, "deferred": 1}[status] :]
        case Channel.WEB_PUSH:
            return []
        case _:
            assert_never(message.channel)


def twilio_failure(status: Literal["undelivered", "failed"], code: int) -> Stage:
    return Stage(name=status, error_code=code, detail=TWILIO_ERRORS.get(code))


def bounce(reason: str) -> Stage:
    fields: dict[str, JsonValue] = {
        "reason": reason,
        "status": "5.1.1",
        "type": "bounce",
        "bounce_classification": "Invalid Address",
    }
    return Stage(name="bounce", detail=reason, fields=fields)


def _event(message: Message, stage: Stage, now: datetime) -> dict[str, JsonValue]:
    """One object of the Event Webhook: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event"""
    event: dict[str, JsonValue] = dict(message.custom_args)
    event |= {
        "email": message.to,
        "timestamp": int(now.timestamp()),
        "smtp-id": f"<{message.request_id}@geopod-ismtpd-sandbox>",
        "event": stage.name,
        "sg_event_id": uuid4().hex,
        "sg_message_id": message.id,
    }
    if message.categories:
        event["category"] = list(message.categories)
    return event | stage.fields
