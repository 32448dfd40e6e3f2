"""Which providers the settings give us, and their adapters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import aiohttp

from channels.sendgrid_events import SendGridEvents
from channels.sendgrid_mail import SendGridMail
from channels.twilio_messages import TwilioMessages
from channels.web_push import WebPush
from contracts.channels import Channel
from infra.errors import BadInput, Flaw
from infra.settings import Settings
from services.channels.delivery import Provider
from services.channels.pace import Pace

TWILIO_STATUS_PATH = "/v1/callbacks/twilio"
# About a day, as long as a push service would keep it: an endpoint comes from anybody and may name a host that never answers.
_MOST_PUSH_CALLS = 300


def configured(settings: Settings) -> frozenset[Channel]:
    """The channels that have credentials and a sender."""
    twilio = bool(settings.twilio_account_sid and settings.twilio_auth_token.get_secret_value())
    given = {
        Channel.SMS: twilio and bool(settings.twilio_sms_from),
        Channel.WHATSAPP: twilio and bool(settings.twilio_whatsapp_from),
        Channel.EMAIL: bool(settings.sendgrid_api_key.get_secret_value() and settings.email_from),
        Channel.WEB_PUSH: bool(settings.vapid_private_key.get_secret_value()),
    }
    return frozenset(channel for channel, is_given in given.items() if is_given)


def uses_sandbox(settings: Settings) -> bool:
    """Whether a provider's API is on this machine: then push endpoints may be too."""
    hosts = {urlsplit(url).hostname for url in (settings.twilio_api_url, settings.sendgrid_api_url)}
    return bool(hosts & {"127.0.0.1", "localhost", "::1"})


def sendgrid_events(settings: Settings) -> SendGridEvents | None:
    """What reads SendGrid's callbacks, where its key is set. Raises `BadInput`."""
    key = settings.sendgrid_webhook_public_key
    if not key:
        return None
    with _key_of("SENDGRID_WEBHOOK_PUBLIC_KEY", "copy the verification key that SendGrid shows at Mail Settings, Event Webhook"):
        return SendGridEvents(key)


def providers(
    settings: Settings, session: aiohttp.ClientSession, push_session: aiohttp.ClientSession | None = None
) -> list[Provider]:
    """One per provider account, on a shared session; `push_session` resolves public addresses only. Raises `BadInput`."""
    given = configured(settings)
    found: list[Provider] = []
    numbers = {Channel.SMS: settings.twilio_sms_from, Channel.WHATSAPP: settings.twilio_whatsapp_from}
    senders = {channel: number for channel, number in numbers.items() if channel in given}
    timeout, rate = settings.provider_timeout_seconds, settings.provider_rate
    if senders:
        twilio = TwilioMessages(
            session,
            account_sid=settings.twilio_account_sid,
            auth_token=settings.twilio_auth_token.get_secret_value(),
            senders=senders,
            callback_url=settings.public_url.rstrip("/") + TWILIO_STATUS_PATH if settings.provider_callbacks else "",
            api_url=settings.twilio_api_url,
            timeout=timeout,
        )
        found.append(Provider(twilio, tuple(senders), Pace(rate)))
    if Channel.EMAIL in given:
        mail = SendGridMail(
            session,
            api_key=settings.sendgrid_api_key.get_secret_value(),
            sender=settings.email_from,
            api_url=settings.sendgrid_api_url,
            timeout=timeout,
        )
        found.append(Provider(mail, (Channel.EMAIL,), Pace(rate)))
    if Channel.WEB_PUSH in given:
        key = settings.vapid_private_key.get_secret_value()
        with _key_of("VAPID_PRIVATE_KEY", "write the raw 32 bytes of a P-256 key in base64url, 43 characters"):
            push = WebPush(
                push_session or session,
                private_key=key,
                subject=settings.vapid_subject,
                timeout=timeout,
                private_endpoints=uses_sandbox(settings),
            )
        found.append(Provider(push, (Channel.WEB_PUSH,), Pace(rate, is_one_server=False), most_calls=_MOST_PUSH_CALLS))
    return found


@contextmanager
def _key_of(setting: str, remedy: str) -> Iterator[None]:
    """A key that an adapter cannot use is the setting's fault; nothing of it is repeated."""
    try:
        yield
    except ValueError:
        raise BadInput([Flaw(path=setting, message="is no such key", remedy=remedy)], "the settings") from None
