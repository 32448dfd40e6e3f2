"""Every error of a service as problem details (RFC 9457): what is wrong, where, and the remedy."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from infra.errors import BadInput, Behind, Flaw, Refused, ReisError, Unavailable

log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """Problem details (RFC 9457); `errors` names each place and its remedy."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Flaw] = []


def answer_with_problems(app: FastAPI) -> None:
    """Makes every error of `app` a problem, those of the framework and the database too."""
    app.add_exception_handler(ReisError, _on_reis_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)
    app.add_exception_handler(DataError, _on_unstorable)
    for kind in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(kind, _on_database_error)


def problem_response(error: ReisError) -> JSONResponse:
    """The HTTP answer for one of our errors."""
    flaws = list(error.flaws) if isinstance(error, BadInput) else []
    problem = Problem(title=error.title, status=error.status, detail=str(error), errors=flaws)
    headers: dict[str, str] = {}
    if isinstance(error, Refused) and error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, Behind | Unavailable):
        headers["retry-after"] = "1"
    return JSONResponse(problem.model_dump(), error.status, headers, media_type="application/problem+json")


async def _on_reis_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ReisError)
    return problem_response(error)


async def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    problem = Problem(title=title, status=error.status_code, detail=error.detail)
    return JSONResponse(problem.model_dump(), error.status_code, error.headers, media_type="application/problem+json")


async def _on_bug(request: Request, _: Exception) -> JSONResponse:
    """Says nothing of what went wrong: the server logs that."""
    problem = Problem(title="Internal error", status=500, detail=f"{request.method} {request.url.path} failed; the log says why")
    return JSONResponse(problem.model_dump(), 500, media_type="application/problem+json")


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    flaws = [Flaw(path=_json_path(detail["loc"]), message=detail["msg"], remedy=_remedy(detail)) for detail in error.errors()]
    return problem_response(BadInput(flaws, "the request"))


async def _on_unstorable(request: Request, error: Exception) -> JSONResponse:
    log.warning("database.unstorable", path=request.url.path, why=str(error).splitlines()[0])
    flaw = Flaw(path="$", message="holds a value that PostgreSQL cannot store", remedy="leave out U+0000")
    return problem_response(BadInput([flaw], "the request"))


async def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    log.warning("database.unavailable", path=request.url.path, why=str(error).splitlines()[0])
    return problem_response(Unavailable("the database", "it does not answer at the moment"))


def _json_path(location: tuple[Any, ...] | list[Any]) -> str:
    first, *rest = location or ("body",)
    root = "$" if first == "body" else str(first)
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


def _remedy(detail: Any) -> str:
    match detail.get("type"):
        case "missing":
            return "add this field"
        case "json_invalid":
            return "send valid JSON"
        case "extra_forbidden":
            return "remove this field or correct its name"
        case _:
            return "see the OpenAPI description at /docs"
