"""Calls, events and awaited journeys from end to end: the running service, a worker, a real Temporal, a real web service."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import Response

from contracts.segments import MembershipChange
from infra.local.temporal import TemporalServer
from tests.services.journeys.calls.partner import Partner, outbound, partner
from tests.services.journeys.living import Living, living

HEAD: dict[str, Any] = {"name": "Test", "purpose": "transactional", "entry": {"api": True}}


@pytest.fixture
async def site() -> AsyncIterator[Partner]:
    async with partner() as found:
        yield found


@pytest.fixture
async def system(migrated_database: Callable[[str], str], temporal: TemporalServer) -> AsyncIterator[Living]:
    async with living(migrated_database("journeys"), temporal.address, outbound=outbound()) as system:
        system.neighbours.templates = [{"key": "hello"}]
        yield system


async def test_an_enrolment_calls_tells_starts_another_and_goes_on_with_what_came_of_it(system: Living, site: Partner) -> None:
    site.answers = [Response(status_code=503), Response(b'{"score": 640173959}', media_type="application/json")]
    hello = {"id": "hello", "type": "send", "template": "hello", "channels": ["email"]}
    await system.publish(HEAD | {"key": "inner", "steps": [hello, {"id": "enough", "type": "exit", "reason": "enough"}]})
    steps: list[dict[str, Any]] = [
        {
            "id": "check",
            "type": "call",
            "url": f"{site.url}/check",
            "body": {"order": {"ref": "entry.properties.order"}},
            "retry": {"first": "PT1S"},
            "on_failure": [{"id": "sorry", "type": "exit", "reason": "sorry"}],
        },
        {
            "id": "good",
            "type": "branch",
            "paths": [{"id": "yes", "if": {"value": {"ref": "results.check.body.score"}, "gte": 600}}],
            "otherwise": [{"id": "bad", "type": "exit", "reason": "bad"}],
        },
        {"id": "tell", "type": "emit_event", "event": "Scored", "properties": {"score": {"ref": "results.check.body.score"}}},
        {"id": "heard", "type": "wait_for", "paths": [{"id": "scored", "event": "Scored"}], "timeout": {"after": "P1D"}},
        {"id": "sub", "type": "start_journey", "journey": "inner", "wait": True},
        {"id": "note", "type": "update_profile", "set": {"inner": {"ref": "results.sub.reason"}}},
    ]
    await system.publish(HEAD | {"key": "outer", "steps": steps})
    async with system.worker():
        enrolment = await system.enrol("outer", order="o-7")
        assert await system.ended(enrolment) == "completed"
    assert [asked.json for asked in site.asked] == [{"order": "o-7"}] * 2
    assert [event.properties for event in system.neighbours.emitted] == [{"score": 640173959}]
    assert [update.set for update in system.neighbours.updates] == [{"inner": "enough"}]
    assert len(system.neighbours.sent) == 1
    history = await system.handle("outer", enrolment).fetch_history()
    assert "o-7" not in history.to_json()
    assert "640173959" not in history.to_json()


async def test_a_call_that_fails_takes_the_way_for_that(system: Living) -> None:
    sorry = {"id": "sorry", "type": "exit", "reason": "sorry"}
    step = {"id": "check", "type": "call", "url": "http://crm.test/", "on_failure": [sorry]}
    await system.publish(HEAD | {"key": "outer", "steps": [step]})
    async with system.worker():
        enrolment = await system.enrol("outer")
        assert await system.ended(enrolment) == "sorry"
    ((error,),) = await system.rows("SELECT body->>'error' FROM result")
    assert error == "crm.test is not public: its address is 127.0.0.1"


async def test_whom_an_exit_holds_for_already_gets_no_first_message(system: Living) -> None:
    """Members enter a journey that members leave: nobody is written to before that is known."""
    system.neighbours.segments = [{"key": "vip"}]
    hello = {"id": "hello", "type": "send", "template": "hello", "channels": ["email"]}
    await system.publish(HEAD | {"key": "outer", "exit_when": [{"segment_entered": "vip"}], "steps": [hello]})
    people = [uuid4() for _ in range(20)]
    system.neighbours.traits.update({each: {} for each in people})
    long_ago = datetime.now(UTC) - timedelta(days=1)
    for each in people:
        system.neighbours.changes[each].append(MembershipChange(id=f"c-{each}", segment="vip", member=True, at=long_ago))
    async with system.worker():
        for each in people:
            await system.journeys.request(
                "POST", "/v1/journeys/outer/enrolments", {"profile_id": str(each), "idempotency_key": str(each)}
            )
        for (enrolment,) in await system.rows("SELECT id FROM enrolment"):
            assert await system.ended(enrolment) == "exit: entered segment 'vip'"
    assert system.neighbours.sent == []
