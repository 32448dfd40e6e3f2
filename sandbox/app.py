"""Builds the sandbox: providers, page and control API around one store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from sandbox.actions import Actions
from sandbox.activity_api import ActivityApi
from sandbox.answers import Answers
from sandbox.control import control_router
from sandbox.courier import Courier
from sandbox.delivery import Delivery
from sandbox.errors import ImpossibleActionError, SandboxError
from sandbox.faults import FaultBoard
from sandbox.http import AiohttpClient, HttpClient
from sandbox.journal import FileJournal, Storage
from sandbox.page import page_router
from sandbox.push_api import PushApi
from sandbox.sendgrid_api import SendGridApi
from sandbox.settings import SandboxSettings
from sandbox.signing import EventWebhookKey
from sandbox.store import Store
from sandbox.twilio_api import TwilioApi


def create_app(
    settings: SandboxSettings,
    *,
    storage: Storage,
    http_client: HttpClient,
    webhook_key: EventWebhookKey,
) -> FastAPI:
    """The whole sandbox. Its lifespan runs the callbacks, and closes ``storage`` and ``http_client`` at the end."""
    store = Store(storage)
    faults = FaultBoard()
    answers = Answers(faults, settings.hang_seconds)
    courier = Courier(store, http_client, settings, webhook_key)
    delivery = Delivery(store, courier, settings)
    actions = Actions(store, delivery, courier, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        courier.start()
        delivery.resume()
        yield
        await courier.stop()
        await http_client.aclose()
        store.close()

    app = FastAPI(title="Reis sandbox", lifespan=lifespan)
    app.include_router(TwilioApi(store, delivery, answers, settings).router())
    app.include_router(SendGridApi(store, delivery, answers, settings).router())
    app.include_router(ActivityApi(store, settings).router())
    app.include_router(PushApi(store, delivery, answers, settings).router())
    app.include_router(control_router(store, faults, actions, courier))
    app.include_router(page_router(store, actions, settings))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")

    @app.get("/keys", tags=["control"])
    async def keys() -> dict[str, str]:
        """The public key the Event Webhook is signed with, as SendGrid's settings page shows it."""
        return {"sendgrid_event_webhook_public_key": webhook_key.public_key}

    @app.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        ready = courier.running
        return JSONResponse({"status": "ok" if ready else "callbacks are not running"}, 200 if ready else 503)

    @app.exception_handler(SandboxError)
    async def problem(_: Request, error: SandboxError) -> Response:
        status = 409 if isinstance(error, ImpossibleActionError) else 404
        body = {"type": "about:blank", "title": type(error).__name__, "status": status, "detail": str(error)}
        return JSONResponse(body, status, media_type="application/problem+json")

    return app


def build(settings: SandboxSettings | None = None) -> FastAPI:
    """The sandbox as settings (by default the environment) describe it: ``uvicorn --factory sandbox.app:build``."""
    settings = settings or SandboxSettings()
    pem = settings.sendgrid_webhook_private_key
    key = EventWebhookKey.from_pem(pem.get_secret_value()) if pem else EventWebhookKey.kept_in(settings.data_dir)
    return create_app(
        settings,
        storage=FileJournal(settings.data_dir / "journal.jsonl"),
        http_client=AiohttpClient(settings.callback_timeout_seconds),
        webhook_key=key,
    )
