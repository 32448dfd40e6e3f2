"""Calling the other services: one client per process and service, errors with a verdict, coalesced calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from infra.errors import Flaw, Rejected, Unavailable

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Model = TypeVar("Model", bound=BaseModel)

_OF_THE_CALLER = frozenset({401, 403, 405, 415})  # refusals that no single request can be the reason of
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


class ServiceClient:
    """An HTTP client for one of our services.

    Raises `Unavailable` when asking again later makes sense and `Rejected` when it does not. `transport` is the
    seam for tests that run the other service in process.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        *,
        key: str = "",
        timeout: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.service = service
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=5.0),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=60),
            transport=transport,
            trust_env=False,
        )
        self._timeout = timeout

    async def get_bytes(
        self, path: str, *, params: Mapping[str, str | int | float] | None = None, patience: float = 0.0
    ) -> bytes:
        """GETs `path`; `patience` real seconds are added to the read timeout (long poll)."""
        timeout = httpx.Timeout(self._timeout + patience, connect=5.0)
        return await self._send(self._client.build_request("GET", path, params=params, timeout=timeout))

    async def get(self, path: str, answer: type[Model], *, params: Mapping[str, str | int | float] | None = None) -> Model:
        return self._parse(answer, await self.get_bytes(path, params=params))

    async def get_json(self, path: str, *, params: Mapping[str, str | int | float] | None = None) -> Any:
        """The parsed JSON of `path`, for shapes that have no wire model."""
        return orjson.loads(await self.get_bytes(path, params=params))

    async def post(self, path: str, body: BaseModel | object, answer: type[Model], *, timeout: float | None = None) -> Model:
        """POSTs JSON and parses the answer. `timeout` in real seconds overrides the client's own."""
        return self._parse(answer, await self.request("POST", path, body, timeout=timeout))

    async def request(self, method: str, path: str, body: BaseModel | object, *, timeout: float | None = None) -> bytes:
        content = body.model_dump_json().encode() if isinstance(body, BaseModel) else orjson.dumps(body)
        headers = {"content-type": "application/json"}
        limits = httpx.Timeout(timeout or self._timeout, connect=5.0)
        return await self._send(self._client.build_request(method, path, content=content, headers=headers, timeout=limits))

    async def close(self) -> None:
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _send(self, request: httpx.Request) -> bytes:
        try:
            response = await self._client.send(request)
        except httpx.HTTPError as error:
            raise Unavailable(self.service, f"{type(error).__name__} at {request.url.path}: {error}") from error
        if response.is_success:
            return response.content
        raise self._failure(response)

    def _failure(self, response: httpx.Response) -> Unavailable | Rejected:
        try:
            problem = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            problem = {}
        if not isinstance(problem, dict):
            problem = {}
        detail = str(problem.get("detail") or response.reason_phrase)
        if response.status_code in _RETRYABLE:
            after = response.headers.get("retry-after", "")
            seconds = float(after) if after.replace(".", "", 1).isdigit() else None
            return Unavailable(self.service, f"{response.status_code} {detail}", retry_after=seconds)
        flaws = tuple(
            Flaw.model_validate(flaw) for flaw in problem.get("errors", []) if isinstance(flaw, dict) and "path" in flaw
        )
        return Rejected(self.service, response.status_code, detail, flaws)

    def _parse(self, answer: type[Model], content: bytes) -> Model:
        try:
            return answer.model_validate_json(content)
        except ValidationError as error:
            raise Unavailable(self.service, f"its answer is not a {answer.__name__}: {places_of(error)}") from None


def places_of(error: ValidationError) -> str:
    """Where data did not fit and why, without the data: it may be personal, and this is logged."""
    found = error.errors(include_input=False, include_context=False, include_url=False)[:3]
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in found)


class Coalescer(Generic[Request, Answer]):
    """Gathers calls that are made at the same time into one batch call.

    While a batch is on its way new calls gather for the next; an idle coalescer sends at once. `call` answers
    in the order of its requests. An error of the batch is the error of each call in it.
    """

    def __init__(
        self, call: Callable[[Sequence[Request]], Awaitable[Sequence[Answer]]], *, most: int = 100, lanes: int = 4
    ) -> None:
        self._call = call
        self._most = most
        self._lanes = lanes
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._busy: set[asyncio.Task[None]] = set()

    async def __call__(self, request: Request) -> Answer:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((request, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._start)
        return await future

    def _start(self) -> None:
        while self._waiting and len(self._busy) < self._lanes:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._busy.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._start()

    async def _run(self, batch: list[tuple[Request, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._call([request for request, _ in batch])
            if len(answers) != len(batch):
                raise Unavailable("coalescer", f"{len(batch)} requests got {len(answers)} answers")
        except Rejected as error:
            await self._one_by_one(batch, error)
            return
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _one_by_one(self, batch: list[tuple[Request, asyncio.Future[Answer]]], error: Rejected) -> None:
        """A refused batch is asked again request by request, so that only the one at fault is refused."""
        if len(batch) == 1 or error.answered in _OF_THE_CALLER:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for each in batch:
            await self._run([each])
