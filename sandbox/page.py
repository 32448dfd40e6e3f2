"""The page: every customer's phone and inbox, to read, click and reply."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from fastapi.templating import Jinja2Templates
from markupsafe import Markup

from sandbox.actions import Act, Actions
from sandbox.errors import UnknownCustomerError
from sandbox.links import Unsubscribe, is_local, linkify, links, rewrite
from sandbox.messages import Message
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.views import CustomerPage, customer_rows, hue, initials

REFRESH_SECONDS = 0.4
# An email may style itself and show inlined or local pictures; it can neither run nor fetch anything else.
EMAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data: http://127.0.0.1:* http://localhost:*"
)


def click_url(message: Message, url: str) -> str:
    """Where the page sends a click: here first, so that it is noticed, then on."""
    return f"/click/{quote(message.id)}?{urlencode({'url': url})}"


def page_router(store: Store, actions: Actions, settings: SandboxSettings) -> APIRouter:
    """The HTML side of the sandbox."""
    router = APIRouter(include_in_schema=False)
    templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
    templates.env.filters["clickable"] = lambda message: Markup(  # noqa: S704 -- linkify escapes
        linkify(message.body, lambda url: click_url(message, url))
    )
    templates.env.globals["click_url"] = click_url
    templates.env.globals["links"] = links
    templates.env.globals["Unsubscribe"] = Unsubscribe
    templates.env.globals["initials"] = initials
    templates.env.globals["hue"] = hue

    def journey_link(page: CustomerPage) -> str | None:
        if not settings.reis_links:
            return None
        customer = page.customer
        fields = {"id": customer.id, "email": customer.email or "", "phone": customer.phone or ""}
        return settings.reis_links.format_map({name: quote(value) for name, value in fields.items()})

    @router.get("/")
    async def index(request: Request, q: str = "") -> Response:
        rows = customer_rows(store, q)
        context = {"rows": rows, "q": q, "page": None, "store": store}
        return templates.TemplateResponse(request, "page.html", context)

    @router.get("/customers/{customer_id}")
    async def customer(request: Request, customer_id: str, app: str = "home", mail: str | None = None, q: str = "") -> Response:
        found = store.customers.find(customer_id)
        if found is None:
            raise UnknownCustomerError(customer_id)
        page = CustomerPage(store, found, app, mail)
        context = {
            "rows": customer_rows(store, q),
            "q": q,
            "page": page,
            "store": store,
            "journey_link": journey_link(page),
        }
        return templates.TemplateResponse(request, "page.html", context)

    @router.get("/emails/{message_id}")
    async def email(message_id: str) -> Response:
        """The HTML part for the sandboxed frame, its links leading through ``/click``."""
        message = store.message(message_id)
        document = message.html
        if document is None:
            text = linkify(message.body, lambda url: click_url(message, url))
            document = f'<!doctype html><pre style="font:15px/1.6 system-ui;white-space:pre-wrap">{text}</pre>'
        else:
            document = rewrite(document, lambda url: click_url(message, url))
        return HTMLResponse(document, headers={"Content-Security-Policy": EMAIL_POLICY})

    @router.get("/click/{message_id}")
    async def click(request: Request, message_id: str, url: str) -> Response:
        """Notes the click, then goes there if it is on this machine, else shows where it would have gone."""
        actions.act(Act(message_id=message_id, action="click", url=url, visit=False))
        if is_local(url):
            return RedirectResponse(url, 302)
        return templates.TemplateResponse(request, "left.html", {"url": url})

    @router.get("/changes")
    async def changes() -> StreamingResponse:
        """Server-sent events: one whenever something happened since the last look."""

        async def stream() -> AsyncIterator[str]:
            seen = store.version
            yield f"retry: 1000\ndata: {seen}\n\n"
            while True:
                await asyncio.sleep(REFRESH_SECONDS)
                if store.version != seen:
                    seen = store.version
                    yield f"data: {seen}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return router
