"""Composition of the channels service: its endpoints, its feed, and the settings they need."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from channels.errors import BadCallback, BadSignature
from channels.sendgrid_events import SendGridEvents
from channels.twilio_callbacks import TwilioCallbacks
from infra.auth import KeyRing
from infra.clock import Clock
from infra.db import Database, service_url
from infra.errors import BadInput, Flaw, Refused
from infra.feed.outbox import Outbox
from infra.http import ServiceClient
from infra.problems import problem_response
from infra.service import create_service, serve
from infra.settings import Settings
from services.channels.consents import ConsentPost
from services.channels.decision import Policy
from services.channels.endpoints import callbacks, messages, suppressions, templates, unsubscribe
from services.channels.intake import Intake
from services.channels.links import Links
from services.channels.people import People
from services.channels.providers import configured, sendgrid_events
from services.channels.receipt_book import ReceiptBook
from services.channels.rules import read_caps, read_quiet_hours
from services.channels.sending import Sending
from services.channels.story import Story
from services.channels.template_store import TemplateStore

SERVICE = "channels"


def create_app(
    *,
    database: Database,
    profiles: ServiceClient,
    keyring: KeyRing,
    clock: Clock,
    policy: Policy,
    public_url: str,
    twilio: TwilioCallbacks | None,
    sendgrid: SendGridEvents | None,
) -> FastAPI:
    """The service's app; closes `database` and `profiles` at its end."""
    outbox = Outbox(SERVICE, database)
    book = ReceiptBook(outbox)
    people = People(profiles)
    store = TemplateStore(database, clock)
    consents = ConsentPost(database, profiles)
    intake = Intake(database, book, consents, clock)
    app = create_service(
        SERVICE,
        description="Templates, the message ledger, sending policy, receipts, suppressions and unsubscribe pages.",
        routers=[
            messages.router(Sending(database, people, store, policy, clock), Story(database, book, clock)),
            templates.router(store, people, policy.links),
            suppressions.router(database, clock),
            callbacks.router(intake, twilio, sendgrid, public_url),
            unsubscribe.router(policy.links, intake),
        ],
        keyring=keyring,
        database=database,
        outbox=outbox,
        background=[consents.run],
        closing=[profiles.close],
    )
    app.add_exception_handler(BadSignature, _on_bad_signature)
    app.add_exception_handler(BadCallback, _on_bad_callback)
    return app


def policy_of(settings: Settings) -> Policy:
    """The sending rules that the settings describe. Raises `BadInput`."""
    return Policy(
        links=Links(settings.public_url, settings.link_secret.get_secret_value()),
        quiet_hours=read_quiet_hours(settings.quiet_hours, settings.timezone),
        configured=configured(settings),
        caps=read_caps(settings.frequency_caps),
    )


async def main(settings: Settings) -> None:
    """Serves until SIGTERM."""
    token = settings.twilio_auth_token.get_secret_value()
    app = create_app(
        database=Database(service_url(settings.database_url.get_secret_value(), SERVICE), pool_size=settings.database_pool),
        profiles=ServiceClient("profiles", settings.profiles_url, key=settings.service_key.get_secret_value()),
        keyring=KeyRing.parse(settings.api_keys),
        clock=settings.clock(),
        policy=policy_of(settings),
        public_url=settings.public_url,
        twilio=TwilioCallbacks(token) if token else None,
        sendgrid=sendgrid_events(settings),
    )
    await serve(app, settings)


async def _on_bad_signature(_: Request, error: Exception) -> JSONResponse:
    return problem_response(Refused(str(error), status=403))


async def _on_bad_callback(_: Request, error: Exception) -> JSONResponse:
    flaw = Flaw(path="$", message=str(error), remedy="send what the provider documents")
    return problem_response(BadInput([flaw], "the callback"))
