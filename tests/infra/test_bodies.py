"""Bodies of strangers: read up to what may be right, and not a part further."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from infra.bodies import read_body
from infra.errors import TooLarge


def _request(parts: list[bytes]) -> Request:
    """A request whose body comes in these parts; those that were read are gone from the list."""

    async def receive() -> Message:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def test_a_body_of_just_so_many_bytes_is_read_whole() -> None:
    assert await read_body(_request([b"abc", b"", b"de"]), 5) == b"abcde"


async def test_of_a_larger_one_nothing_more_is_read() -> None:
    parts = [b"abc", b"def", b"ghi", b"jkl"]
    with pytest.raises(TooLarge) as refused:
        await read_body(_request(parts), 5)
    assert parts == [b"ghi", b"jkl"]
    assert [flaw.remedy for flaw in refused.value.flaws] == ["send less at once"]
