"""SendGrid's Email Activity API as far as reconciling needs it: ``GET /v3/messages`` by a custom argument.

Source: https://www.twilio.com/docs/sendgrid/api-reference/email-activity/filter-all-messages
"""

import re
import secrets
from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from sandbox.mail import Flaw
from sandbox.messages import Channel
from sandbox.sendgrid_api import errors
from sandbox.settings import SandboxSettings
from sandbox.store import Store

QUERY = re.compile(r"""\(?\s*unique_args\['([^']+)'\]\s*=\s*["']([^"']*)["']\s*\)?""")
MAX_LIMIT = 1000


class ActivityApi:
    """Answers what became of mails; the real one knows a mail some seconds to minutes after it took it."""

    def __init__(self, store: Store, settings: SandboxSettings) -> None:
        self._store = store
        self._authorization = f"Bearer {settings.sendgrid_api_key.get_secret_value()}"

    def router(self) -> APIRouter:
        router = APIRouter(tags=["sendgrid"])
        router.add_api_route("/v3/messages", self.search, methods=["GET"])
        return router

    async def search(self, request: Request) -> Response:
        """Mails whose custom argument has the asked value, newest first."""
        if not secrets.compare_digest(request.headers.get("authorization", "").encode(), self._authorization.encode()):
            return errors(401, [Flaw("The provided authorization grant is invalid, expired, or revoked")])
        asked = QUERY.fullmatch(unquote(request.query_params.get("query", "")))
        limit = request.query_params.get("limit", "10")
        if asked is None or not limit.isdecimal() or not 1 <= int(limit) <= MAX_LIMIT:
            return errors(400, [Flaw("invalid query or limit", "query")])
        name, value = asked.groups()
        pool = self._store.find(attempt=value) if name == "attempt" else self._store.find(channel=Channel.EMAIL)
        found = [m for m in pool if m.channel is Channel.EMAIL and m.custom_args.get(name) == value]
        messages = [
            {
                "from_email": message.sender,
                "msg_id": message.id,
                "subject": message.subject,
                "to_email": message.to,
                "status": self._status(message.id),
                "opens_count": self._times("open", message.id),
                "clicks_count": self._times("click", message.id),
                "last_event_time": self._store.progress[message.id].updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for message in reversed(found)
        ]
        return JSONResponse({"messages": messages[: int(limit)]})

    def _status(self, message_id: str) -> str:
        status = self._store.progress[message_id].status
        if status in ("queued", "processed", "deferred"):
            return "processed"
        return "delivered" if status == "delivered" else "not_delivered"

    def _times(self, name: str, message_id: str) -> int:
        return sum(happening.name == name for happening in self._store.progress[message_id].happenings)
