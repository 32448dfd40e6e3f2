"""The page behind the unsubscribe link, and one-click unsubscribe by mail clients (RFC 8058). The signed token is the scope."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from contracts.channels import Channel
from services.channels.intake import Intake
from services.channels.links import Links

_NAMES = {Channel.EMAIL: "e-mail", Channel.SMS: "SMS", Channel.WHATSAPP: "WhatsApp", Channel.WEB_PUSH: "browser notifications"}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}}
button{{font:inherit;padding:.6rem 1.2rem;border-radius:.4rem;border:1px solid #888;cursor:pointer}}</style></head>
<body><h1>{title}</h1><p>{text}</p>{form}</body></html>"""
_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


def router(links: Links, intake: Intake) -> APIRouter:
    routes = APIRouter(tags=["unsubscribe"])

    @routes.get("/u/{token}", summary="Ask whether to unsubscribe", response_class=HTMLResponse)
    async def page(token: str) -> HTMLResponse:
        """Changes nothing: mail scanners follow links, so that a GET must not (RFC 8058, section 1)."""
        wish = links.read(token)
        text = f"You will get no more {escape(wish.purpose)} messages by {_NAMES[wish.channel]} from us."
        form = '<form method="post"><button type="submit">Unsubscribe</button></form>'
        return HTMLResponse(_PAGE.format(title="Unsubscribe?", text=text, form=form), headers=_HEADERS)

    @routes.post("/u/{token}", summary="Unsubscribe", response_class=HTMLResponse)
    async def unsubscribe(token: str) -> HTMLResponse:
        """Takes back consent for the channel and purpose of the message; repeating is harmless."""
        wish = links.read(token)
        await intake.unsubscribe(wish, "unsubscribe link")
        text = f"You will get no more {escape(wish.purpose)} messages by {_NAMES[wish.channel]} from us."
        return HTMLResponse(_PAGE.format(title="You are unsubscribed", text=text, form=""), headers=_HEADERS)

    return routes
