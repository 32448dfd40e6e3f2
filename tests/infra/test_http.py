"""Calls to other services: what may be repeated and what not, and calls that share a batch."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from pydantic import BaseModel

from infra.errors import Rejected, Unavailable
from infra.http import Coalescer, ServiceClient


class Answer(BaseModel):
    number: int


def answering(status: int, content: bytes = b"{}", headers: dict[str, str] | None = None) -> ServiceClient:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content, headers=headers))
    return ServiceClient("other", "http://other", key="secret-key", transport=transport)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_may_succeed_later_is_unavailable(status: int) -> None:
    async with answering(status, headers={"retry-after": "2.5"}) as client:
        with pytest.raises(Unavailable) as error:
            await client.get("/", Answer)
    assert error.value.retry_after == 2.5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 501])
async def test_what_will_not_succeed_is_rejected_with_its_flaws(status: int) -> None:
    body = b'{"detail": "no", "errors": [{"path": "$.a", "message": "is odd", "remedy": "make it even"}, 7]}'
    async with answering(status, body) as client:
        with pytest.raises(Rejected, match="no") as error:
            await client.post("/", {}, Answer)
    assert error.value.answered == status
    assert [flaw.path for flaw in error.value.flaws] == ["$.a"]


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"number": "x"}', b"{}", b""])
async def test_an_answer_of_another_shape_is_no_answer(content: bytes) -> None:
    async with answering(200, content) as client:
        with pytest.raises(Unavailable, match="is not a Answer"):
            await client.get("/", Answer)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'"x"', b""])
async def test_an_error_of_any_shape_is_understood(content: bytes) -> None:
    async with answering(404, content) as client:
        with pytest.raises(Rejected, match="Not Found"):
            await client.get("/", Answer)


async def test_no_answer_is_unavailable_and_the_key_is_not_in_the_error() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with ServiceClient("other", "http://other", key="secret-key", transport=httpx.MockTransport(broken)) as client:
        with pytest.raises(Unavailable, match="ConnectError at /x: refused") as error:
            await client.get("/x", Answer)
    assert "secret-key" not in str(error.value)


class Recorder:
    """Doubles numbers, and remembers the batches it was called with. Waits at `gate`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(numbers))
        await self.gate.wait()
        if 13 in numbers:
            raise Unavailable("numbers", "13")
        return [number * 2 for number in numbers]


async def test_calls_made_at_the_same_time_share_a_batch_and_get_their_own_answers() -> None:
    recorder = Recorder()
    double = Coalescer(recorder, most=4, lanes=8)
    assert await asyncio.gather(*(double(number) for number in range(10))) == [number * 2 for number in range(10)]
    assert recorder.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_while_all_lanes_are_busy_calls_gather_for_the_next_batch() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    double = Coalescer(recorder, most=100, lanes=1)
    calls = [asyncio.create_task(double(0))]
    while not recorder.batches:
        await asyncio.sleep(0)
    calls += [asyncio.create_task(double(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    recorder.gate.set()
    assert await asyncio.gather(*calls) == [0, 2, 4, 6, 8, 10]
    assert recorder.batches == [[0], [1, 2, 3, 4, 5]]


async def test_an_error_of_a_batch_is_the_error_of_its_calls_and_of_no_other() -> None:
    double = Coalescer(Recorder(), most=2, lanes=8)
    results = await asyncio.gather(*(double(number) for number in (12, 13, 14, 15)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable, int, int]
    assert await double(1) == 2


async def test_a_caller_who_gives_up_disturbs_nobody_in_the_batch() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    double = Coalescer(recorder)
    calls = [asyncio.create_task(double(number)) for number in range(3)]
    while not recorder.batches:
        await asyncio.sleep(0)
    calls[1].cancel()
    recorder.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [results[0], results[2]] == [0, 4]
    assert isinstance(results[1], asyncio.CancelledError)


async def test_a_batch_with_too_few_answers_answers_nobody_wrongly() -> None:
    async def forgets(numbers: Sequence[int]) -> Sequence[int]:
        return numbers[1:]

    double = Coalescer(forgets)
    results = await asyncio.gather(double(1), double(2), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)


async def test_a_refused_batch_is_asked_again_one_by_one_so_that_only_the_one_at_fault_is_refused() -> None:
    async def call(numbers: Sequence[int]) -> list[int]:
        if 2 in numbers:
            raise Rejected("other", 422, "two is odd here")
        return [number * 10 for number in numbers]

    ask: Coalescer[int, int] = Coalescer(call)
    one, two, three = await asyncio.gather(ask(1), ask(2), ask(3), return_exceptions=True)
    assert (one, three) == (10, 30)
    assert isinstance(two, Rejected)


async def test_a_refusal_of_the_caller_itself_is_not_asked_again() -> None:
    asked: list[int] = []

    async def call(numbers: Sequence[int]) -> list[int]:
        asked.append(len(numbers))
        raise Rejected("other", 401, "who are you?")

    ask: Coalescer[int, int] = Coalescer(call)
    answers = await asyncio.gather(ask(1), ask(2), return_exceptions=True)
    assert all(isinstance(answer, Rejected) for answer in answers)
    assert asked == [2]
