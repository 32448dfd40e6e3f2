"""What providers and browsers call. The provider's signature is the scope: verified before anything is parsed.

Anybody can call, so that no more is read than a provider sends.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request, Response

from channels.sendgrid_events import SendGridEvents
from channels.twilio_callbacks import TwilioCallbacks
from infra.bodies import read_body
from services.channels.intake import Intake
from services.channels.providers import TWILIO_STATUS_PATH

_EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
_MOST_FORM_BYTES = 64 * 1024
_MOST_EVENTS_BYTES = 2 * 1024 * 1024  # SendGrid posts 768 KB at most
_MOST_CLICK_BYTES = 4096


def router(intake: Intake, twilio: TwilioCallbacks | None, sendgrid: SendGridEvents | None, public_url: str) -> APIRouter:
    """Only configured providers have endpoints. `public_url`: what providers call, which their signatures cover."""
    routes = APIRouter(tags=["callbacks"])
    base = public_url.rstrip("/")

    def called(request: Request) -> str:
        query = request.url.query
        return f"{base}{request.url.path}" + (f"?{query}" if query else "")

    if twilio is not None:

        @routes.post(TWILIO_STATUS_PATH, summary="Twilio: status of a message", status_code=204)
        async def twilio_status(request: Request, x_twilio_signature: Annotated[str, Header()] = "") -> Response:
            receipt = twilio.parse_twilio_status(called(request), await read_body(request, _MOST_FORM_BYTES), x_twilio_signature)
            await intake.reports([receipt])
            return Response(status_code=204)

        @routes.post(f"{TWILIO_STATUS_PATH}/inbound", summary="Twilio: a customer's reply")
        async def twilio_inbound(request: Request, x_twilio_signature: Annotated[str, Header()] = "") -> Response:
            reply = twilio.parse_twilio_inbound(called(request), await read_body(request, _MOST_FORM_BYTES), x_twilio_signature)
            await intake.reply(reply)
            return Response(_EMPTY_TWIML, media_type="text/xml")

    if sendgrid is not None:

        @routes.post("/v1/callbacks/sendgrid", summary="SendGrid: signed event webhook", status_code=204)
        async def sendgrid_events(
            request: Request,
            x_twilio_email_event_webhook_signature: Annotated[str, Header()] = "",
            x_twilio_email_event_webhook_timestamp: Annotated[str, Header()] = "",
        ) -> Response:
            body = await read_body(request, _MOST_EVENTS_BYTES)
            receipts = sendgrid.parse_sendgrid_events(
                body, x_twilio_email_event_webhook_signature, x_twilio_email_event_webhook_timestamp
            )
            await intake.reports(receipts)
            return Response(status_code=204)

    @routes.post("/v1/clicks/push", summary="A click on a push notification: {attempt, url}", status_code=204)
    async def push_click(request: Request) -> Response:
        """Called by the page's service worker, which knows the attempt's unguessable id from the notification. Takes no key."""
        body = await read_body(request, _MOST_CLICK_BYTES)
        try:
            click = orjson.loads(body)
            attempt, url = UUID(str(click["attempt"])), click.get("url")
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return Response(status_code=400)
        await intake.clicked(attempt, url if isinstance(url, str) else None)
        return Response(status_code=204, headers={"access-control-allow-origin": "*"})

    return routes
