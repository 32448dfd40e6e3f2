"""What customers do with their messages, whether on the page or through the control API."""

from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from pydantic import JsonValue

from sandbox.courier import Courier
from sandbox.delivery import Delivery, Stage
from sandbox.errors import ImpossibleActionError
from sandbox.links import Unsubscribe, is_local, links
from sandbox.messages import Channel, Direction, Frozen, Message
from sandbox.records import Callback, MessageAccepted, MessageMoved, SuppressionChanged
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.twilio_params import suppression_pair

STOP_WORDS = frozenset(["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"])
START_WORDS = frozenset(["start", "yes", "unstop"])
NEVER_ARRIVED = frozenset({"failed", "undelivered", "bounce", "dropped", "undecryptable"})
BROWSER: dict[str, JsonValue] = {"useragent": "Mozilla/5.0 (sandbox customer)", "ip": "127.0.0.1"}


class Act(Frozen):
    """One act of a customer on one message."""

    message_id: str
    action: Literal["open", "read", "click", "reply", "unsubscribe", "spamreport"]
    text: str | None = None
    """Of a reply."""
    url: str | None = None
    """Of a click; none: the first link in the message."""
    visit: bool = True
    """Go where the click leads, if that is on this machine (a browser would)."""


class ActDone(Frozen):
    message_id: str
    action: str
    reply_id: str | None = None
    url: str | None = None


class Actions:
    """Carries acts out and reports them as the message's provider would."""

    def __init__(self, store: Store, delivery: Delivery, courier: Courier, settings: SandboxSettings) -> None:
        self._store = store
        self._delivery = delivery
        self._courier = courier
        self._settings = settings

    def act(self, act: Act) -> ActDone:
        """Raises ``UnknownMessageError`` and ``ImpossibleActionError``."""
        message = self._store.message(act.message_id)
        if message.direction is Direction.INBOUND:
            raise ImpossibleActionError(act.action, message.channel, "the customer wrote this message")
        self._delivery.hurry(message)
        status = self._store.progress[message.id].status
        if status in NEVER_ARRIVED:
            raise ImpossibleActionError(act.action, message.channel, f"the message never arrived ({status})")
        done = ActDone(message_id=message.id, action=act.action)
        match act.action, message.channel:
            case "open", Channel.EMAIL:
                self._delivery.move(message, Stage(name="open", is_status=False, fields=BROWSER))
            case "open", Channel.WEB_PUSH:
                self._note(message, "open")
            case "read" | "open", Channel.WHATSAPP:
                if status != "read":
                    self._delivery.move(message, Stage(name="read"))
            case "click", _:
                return done.model_copy(update={"url": self._click(message, act)})
            case "reply", Channel.SMS | Channel.WHATSAPP:
                if not act.text:
                    raise ImpossibleActionError(act.action, message.channel, "a reply needs a text")
                return done.model_copy(update={"reply_id": self._reply(message, act.text)})
            case "unsubscribe", Channel.EMAIL:
                return done.model_copy(update={"url": self._unsubscribe(message)})
            case "spamreport", Channel.EMAIL:
                self._delivery.move(message, Stage(name="spamreport", is_status=False))
                self._store.record(SuppressionChanged(pair=message.to, reason="Spam Reporting Address"))
            case _:
                raise ImpossibleActionError(act.action, message.channel, "this channel does not know that")
        return done

    def _click(self, message: Message, act: Act) -> str:
        offered = links(message)
        url = act.url or (offered[0] if offered else None)
        if url is None or url not in offered:
            raise ImpossibleActionError("click", message.channel, f"no link {url or ''} in the message".replace("  ", " "))
        if message.channel is Channel.EMAIL:
            where: JsonValue = {"index": offered.index(url), "type": "html" if message.html else "text"}
            fields: dict[str, JsonValue] = {**BROWSER, "url": url, "url_offset": where}
            self._delivery.move(message, Stage(name="click", is_status=False, detail=url, fields=fields))
        else:
            self._note(message, "click", url)
        if act.visit and is_local(url):
            self._browse("GET", url)
        return url

    def _unsubscribe(self, message: Message) -> str | None:
        """Through the message's own List-Unsubscribe header; without one SendGrid's own unsubscribe is used."""
        offer = Unsubscribe(message)
        if offer.url is None:
            self._delivery.move(message, Stage(name="unsubscribe", is_status=False))
            self._store.record(SuppressionChanged(pair=message.to, reason="Unsubscribed Address"))
            return None
        self._note(message, "unsubscribe", offer.url)
        if is_local(offer.url):
            if offer.one_click:
                self._browse("POST", offer.url, {"List-Unsubscribe": "One-Click"})
            else:
                self._browse("GET", offer.url)
        return offer.url

    def _reply(self, message: Message, text: str) -> str:
        now = datetime.now(UTC)
        sid = "SM" + uuid4().hex
        reply = Message(
            id=sid,
            seq=self._store.next_seq(),
            channel=message.channel,
            direction=Direction.INBOUND,
            to=message.sender or self._settings.twilio_sender,
            sender=message.to,
            body=text,
            request_id=sid,
            received_at=now,
            reply_to=message.id,
        )
        self._store.record(MessageAccepted(message=reply, status="received"))
        self._note(message, "reply", text)
        self._heed_keyword(reply)
        if self._settings.twilio_inbound_url:
            params = self._inbound(reply, message)
            url = self._settings.twilio_inbound_url
            self._courier.owe(Callback(id=uuid4().hex, lane="twilio", url=url, due_at=now, params=params))
        return sid

    def _heed_keyword(self, reply: Message) -> None:
        """Twilio itself honours STOP and START on SMS (not on WhatsApp), and still passes the message on."""
        word = reply.body.strip().lower()
        if reply.channel is Channel.SMS and word in STOP_WORDS | START_WORDS:
            pair = suppression_pair(reply.sender or "", reply.to)
            self._store.record(SuppressionChanged(pair=pair, reason="STOP" if word in STOP_WORDS else None))

    def _inbound(self, reply: Message, original: Message) -> dict[str, str]:
        """Source: https://www.twilio.com/docs/messaging/guides/webhook-request

        Only WhatsApp tells which message a reply belongs to; an SMS comes with nothing but its numbers.
        """
        prefix = "whatsapp:" if reply.channel is Channel.WHATSAPP else ""
        params = {
            "MessageSid": reply.id,
            "SmsSid": reply.id,
            "SmsMessageSid": reply.id,
            "AccountSid": self._settings.twilio_account_sid,
            "From": f"{prefix}{reply.sender}",
            "To": prefix + reply.to,
            "Body": reply.body,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsStatus": "received",
            "ApiVersion": "2010-04-01",
        }
        if original.messaging_service_sid:
            params["MessagingServiceSid"] = original.messaging_service_sid
        if reply.channel is Channel.WHATSAPP:
            owner = self._store.customers.owner(reply.customer_address)
            params |= {
                "OriginalRepliedMessageSid": original.id,
                "OriginalRepliedMessageSender": prefix + reply.to,
                "ProfileName": owner.name if owner else "",
                "WaId": (reply.sender or "").lstrip("+"),
                "MessageType": "text",
            }
        return params

    def _note(self, message: Message, name: str, detail: str | None = None) -> None:
        self._store.record(MessageMoved(id=message.id, name=name, detail=detail, at=datetime.now(UTC)))

    def _browse(self, method: Literal["GET", "POST"], url: str, params: dict[str, str] | None = None) -> None:
        self._courier.owe(
            Callback(id=uuid4().hex, lane="browser", url=url, method=method, params=params or {}, due_at=datetime.now(UTC))
        )
