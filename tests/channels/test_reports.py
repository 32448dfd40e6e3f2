"""Reports of providers: verified over exactly what was sent, read into one vocabulary, never dropped."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import uuid4

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from channels.errors import BadSignature
from channels.receipts import Suppress
from channels.sendgrid_events import SendGridEvents
from channels.stop_words import word_of
from channels.twilio_callbacks import TwilioCallbacks
from contracts.channels import Status
from sandbox.signing import EventWebhookKey, twilio_signature

KEY = EventWebhookKey(ec.generate_private_key(ec.SECP256R1()))
URL = "https://shop.example/v1/callbacks/twilio?attempt="


@pytest.mark.parametrize(
    ("name", "code", "status", "suppress"),
    [
        ("queued", "", Status.SENT, None),
        ("delivered", "", Status.DELIVERED, None),
        ("read", "", Status.OPENED, None),
        ("undelivered", "30003", Status.REJECTED, None),
        ("undelivered", "30005", Status.BOUNCED, Suppress.DEAD),
        ("failed", "21610", Status.REJECTED, Suppress.STOP),
        ("teleported", "", Status.UNKNOWN, None),
    ],
)
def test_twilio_statuses_come_in_our_words(name: str, code: str, status: Status, suppress: Suppress | None) -> None:
    attempt = uuid4()
    form = {"MessageSid": "SM1", "MessageStatus": name, "ErrorCode": code, "To": "+15550002001"}
    url = f"{URL}{attempt}"
    body = urlencode(form).encode()
    receipt = TwilioCallbacks("secret").parse_twilio_status(url, body, twilio_signature("secret", url, form))
    assert (receipt.attempt, receipt.status, receipt.suppress, receipt.raw) == (attempt, status, suppress, form)


@pytest.mark.parametrize("change", ["url", "body", "token", "none"])
def test_a_twilio_signature_covers_url_and_form(change: str) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    url = f"{URL}{uuid4()}"
    signature = "" if change == "none" else twilio_signature("other" if change == "token" else "secret", url, form)
    sent = f"{URL}{uuid4()}" if change == "url" else url
    body = urlencode(form | ({"MessageStatus": "read"} if change == "body" else {})).encode()
    with pytest.raises(BadSignature):
        TwilioCallbacks("secret").parse_twilio_status(sent, body, signature)


def _events(*events: dict[str, object]) -> tuple[bytes, str]:
    body = orjson.dumps(list(events)) + b"\r\n"
    return body, KEY.sign("1700000000", body)


def test_sendgrid_events_come_in_our_words_and_ones_we_do_not_know_are_kept() -> None:
    attempt = str(uuid4())
    common = {"reis_attempt": attempt, "sg_message_id": "abc.recv", "timestamp": 1700000000}
    body, signature = _events(
        {**common, "event": "deferred", "attempt": "3", "sg_event_id": "1"},
        {**common, "event": "click", "url": "https://x.example/", "sg_event_id": "2"},
        {**common, "event": "bounce", "type": "bounce", "sg_event_id": "3"},
        {**common, "event": "bounce", "type": "blocked", "sg_event_id": "4"},
        {**common, "event": "levitated", "sg_event_id": "5"},
    )
    found = SendGridEvents(KEY.public_key).parse_sendgrid_events(body, signature, "1700000000")
    assert {str(receipt.attempt) for receipt in found} == {attempt}
    assert [(receipt.status, receipt.suppress, receipt.withdraw) for receipt in found] == [
        (Status.SENT, None, False),
        (Status.CLICKED, None, False),
        (Status.BOUNCED, Suppress.HARD_BOUNCE, True),
        (Status.REJECTED, None, False),
        (Status.UNKNOWN, None, False),
    ]
    assert found[4].raw["event"] == "levitated"


@pytest.mark.parametrize("change", ["line end", "timestamp", "key", "none", "garbage"])
def test_a_sendgrid_signature_covers_every_byte(change: str) -> None:
    body, signature = _events({"event": "open"})
    other = EventWebhookKey(ec.generate_private_key(ec.SECP256R1()))
    signature = {"none": "", "garbage": "@@", "key": other.sign("1700000000", body)}.get(change, signature)
    body = body.rstrip() if change == "line end" else body
    with pytest.raises(BadSignature):
        SendGridEvents(KEY.public_key).parse_sendgrid_events(body, signature, "1" if change == "timestamp" else "1700000000")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("STOP", "stop"),
        (" stop. ", "stop"),
        ("Arrêt", "stop"),
        ("Stop all", "stop"),
        ("please stop by", ""),
        ("Start", "start"),
        ("yes", ""),
    ],
)
def test_only_a_whole_reply_is_a_stop_word(text: str, word: str) -> None:
    assert word_of(text) == word
