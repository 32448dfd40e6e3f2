"""Calls of a partner, what it answers, and what is kept of it."""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.responses import Response

from tests.services.journeys.calls.partner import Calling, Partner
from tests.services.journeys.conftest import Service

Process = Callable[..., Calling]


def call(site: Partner, **more: Any) -> dict[str, Any]:
    return {"id": "score", "type": "call", "url": f"{site.url}/score", "body": {}, **more}


def answer(status: int = 200, body: object = None, **headers: str) -> Response:
    return Response(
        orjson.dumps(body), status, {name.replace("_", "-"): value for name, value in headers.items()}, "application/json"
    )


async def result(service: Service) -> dict[str, Any]:
    ((body,),) = await service.rows("SELECT body FROM result")
    return dict(body)
