"""The dispatcher role: sends, reconciles and falls back, beside a health page. Any number may run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI

from channels.egress import PublicResolver
from channels.network import new_session
from infra.auth import KeyRing
from infra.clock import Clock
from infra.db import Database, service_url
from infra.feed.outbox import Outbox, new_id
from infra.http import ServiceClient
from infra.service import create_service, serve
from infra.settings import Settings
from services.channels.app import SERVICE, policy_of
from services.channels.decision import Policy
from services.channels.delivery import Delivery, Options, Provider
from services.channels.fallback import Fallback
from services.channels.people import People
from services.channels.providers import providers, uses_sandbox
from services.channels.receipt_book import ReceiptBook
from services.channels.reconcile import Reconciler
from services.channels.template_store import TemplateStore


def create_dispatcher(
    *,
    database: Database,
    profiles: ServiceClient,
    clock: Clock,
    policy: Policy,
    providers: list[Provider],
    options: Options,
) -> FastAPI:
    """The health page, with the dispatcher's loops as its background work."""
    book = ReceiptBook(Outbox(SERVICE, database))
    people = People(profiles)
    me = new_id()
    adapters = {channel: provider.adapter for provider in providers for channel in provider.channels}
    loops: list[Callable[[], Awaitable[None]]] = [
        Delivery(database, people, book, clock, policy, provider, options, me).run for provider in providers
    ]
    loops.append(Reconciler(database, book, clock, adapters, options).run)
    loops.append(Fallback(database, people, TemplateStore(database, clock), book, policy, clock).run)
    return create_service(
        "dispatcher",
        description="Sends queued messages through the providers.",
        routers=[],
        keyring=KeyRing(()),
        database=database,
        background=loops,
        closing=[profiles.close],
    )


async def main(settings: Settings) -> None:
    """Runs until SIGTERM."""
    options = Options(
        timeout=settings.provider_timeout_seconds,
        grace=settings.unknown_grace_seconds,
        fallback_grace=settings.provider_grace_seconds,
        resend_unknown=settings.unknown_resend,
    )
    guard = None if uses_sandbox(settings) else PublicResolver()
    async with new_session() as session, new_session(guard) as push_session:
        app = create_dispatcher(
            database=Database(service_url(settings.database_url.get_secret_value(), SERVICE), pool_size=settings.database_pool),
            profiles=ServiceClient("profiles", settings.profiles_url, key=settings.service_key.get_secret_value()),
            clock=settings.clock(),
            policy=policy_of(settings),
            providers=providers(settings, session, push_session),
            options=options,
        )
        await serve(app, settings)
