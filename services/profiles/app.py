"""Builds the profiles service."""

from __future__ import annotations

from fastapi import FastAPI

from infra.auth import KeyRing
from infra.clock import Clock
from infra.db import Database, service_url
from infra.feed.outbox import Outbox
from infra.service import create_service, serve
from infra.settings import Settings
from services.profiles.consents import Consents
from services.profiles.endpoints import profiles_router
from services.profiles.ingestion import Ingestion
from services.profiles.names_seen import NamesBook
from services.profiles.population import Population, population_router
from services.profiles.queries import Queries
from services.profiles.tracking import TrackingCors, tracking_router

SOURCE = "reis/profiles"


def create_app(*, database: Database, keyring: KeyRing, clock: Clock) -> FastAPI:
    """The app over its collaborators. `database` is closed at the end of the app's life."""
    outbox = Outbox(SOURCE, database)
    names = NamesBook(database)
    ingestion = Ingestion(database, outbox, clock, names)
    app = create_service(
        "profiles",
        description="Who people are, what they did and what they said yes to. Speaks Segment's tracking API.",
        routers=[
            tracking_router(ingestion, clock),
            profiles_router(Queries(database), ingestion, Consents(ingestion, outbox, clock), names),
            population_router(Population(database)),
        ],
        keyring=keyring,
        database=database,
        outbox=outbox,
    )
    app.add_middleware(TrackingCors)
    return app


async def main(settings: Settings) -> None:
    """The role `profiles`: serves until it is stopped."""
    url = service_url(settings.database_url.get_secret_value(), "profiles")
    database = Database(url, pool_size=settings.database_pool)
    app = create_app(database=database, keyring=KeyRing.parse(settings.api_keys), clock=settings.clock())
    await serve(app, settings)
