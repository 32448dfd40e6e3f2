"""What a web service answers: what is kept of it, and what is tried again."""

from datetime import timedelta

import pytest
from starlette.responses import Response

from tests.services.journeys.calls.calling import answer, call, result
from tests.services.journeys.calls.partner import Calling, Partner
from tests.services.journeys.conftest import Service


async def test_a_service_that_is_down_is_asked_again_after_growing_pauses(
    service: Service, site: Partner, calling: Calling
) -> None:
    site.answers = [answer(503), answer(500), answer(200, {"score": 1})]
    await service.publish(steps=[call(site, retry={"attempts": 5, "first": "PT10S", "longest": "PT1H"})])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    pauses = []
    for _ in range(2):
        assert await calling.work() == []
        ((next_at,),) = await service.rows("SELECT next_at FROM call")
        pauses.append((next_at - service.clock.real_now()).total_seconds())
        assert await calling.work() == []
        service.pass_time(next_at - service.clock.real_now())
    assert 7.5 <= pauses[0] <= 12.5
    assert 15 <= pauses[1] <= 25
    (told,) = await calling.work()
    assert (told.payload["path"], len(site.asked)) == ("ok", 3)
    assert len({asked.headers["idempotency-key"] for asked in site.asked}) == 1
    assert (await result(service))["tries"] == 3


async def test_a_service_says_when_to_come_back(service: Service, site: Partner, calling: Calling) -> None:
    site.answers = [answer(429, retry_after="120"), answer(503, retry_after="99999"), answer()]
    await service.publish(steps=[call(site, retry={"attempts": 3, "first": "PT1S", "longest": "PT10M"})])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    for seconds in (120, 600):
        await calling.work()
        ((next_at,),) = await service.rows("SELECT next_at FROM call")
        assert (next_at - service.clock.real_now()).total_seconds() == seconds
        service.pass_time(timedelta(seconds=seconds))
    assert len(await calling.work()) == 1


async def test_the_tries_are_used_up(service: Service, site: Partner, calling: Calling) -> None:
    site.answers = [answer(503, {"why": "busy"})]
    await service.publish(steps=[call(site, retry={"attempts": 2, "first": "PT1S"})])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    await calling.work()
    service.pass_time(timedelta(minutes=1))
    (told,) = await calling.work()
    assert told.payload["path"] == "failed"
    kept = await result(service)
    assert (kept["status"], kept["error"], kept["body"], kept["tries"]) == (503, "answered 503", {"why": "busy"}, 2)
    ((story,),) = await service.rows("SELECT seen->'came_to' FROM decision")
    assert story == {"status": 503, "error": "answered 503", "tries": 2}


@pytest.mark.parametrize("status", [400, 401, 404, 409, 301])
async def test_a_refusal_fails_at_once(service: Service, site: Partner, calling: Calling, status: int) -> None:
    site.answers = [answer(status, "no")]
    await service.publish(steps=[call(site, on_failure=[{"id": "sorry", "type": "exit"}])])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    (told,) = await calling.work()
    assert told.payload["path"] == "failed"
    assert (await result(service))["error"] == f"answered {status}"


async def test_an_address_inside_our_network_fails_at_once_and_says_so(service: Service, site: Partner, calling: Calling) -> None:
    site.answers = [Response(status_code=307, headers={"location": f"http://127.0.0.1:{site.port}/inside"})]
    await service.publish(steps=[call(site), call(site, id="inside", url="http://crm.test/")])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    assert [each.payload["path"] for each in await calling.work()] == ["failed"]
    assert "redirects to another host" in (await result(service))["error"]
    await service.perform(enrolment_id, "inside")
    assert [each.payload["path"] for each in await calling.work()] == ["failed"]
    ((error,),) = await service.rows("SELECT body->>'error' FROM result WHERE step = 'inside'")
    assert error == "crm.test is not public: its address is 127.0.0.1"
    assert [asked.path for asked in site.asked] == ["/score"]


async def test_a_body_that_is_too_long_is_not_kept_but_the_call_was_made(
    service: Service, site: Partner, calling: Calling
) -> None:
    site.answers = [answer(body="x" * 70_000)]
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    assert [each.payload["path"] for each in await calling.work()] == ["ok"]
    kept = await result(service)
    assert "body" not in kept
    assert "longer than 65536 bytes" in kept["error"]


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (Response("Grüße", media_type="text/plain; charset=utf-8"), "Grüße"),
        (Response("Grüße".encode("latin-1"), headers={"content-type": "text/plain; charset=latin-1"}), "Grüße"),
        (Response(b"{not json", media_type="application/json"), "{not json"),
        (Response(b'{"a": "x\\u0000y"}', media_type="application/problem+json"), {"a": "x\ufffdy"}),
        (Response(b"a\0b", media_type="text/plain"), "a\ufffdb"),
        (Response(b"\\ud800", headers={"content-type": "text/plain; charset=unicode_escape"}), "?"),
        (Response(b"[" * 300 + b"]" * 300, media_type="application/json"), "[" * 300 + "]" * 300),
        (
            Response(b'{"key": "hush\\u002dhush", "login": "bWU6cHc="}', media_type="application/json"),
            {"key": "***", "login": "***"},
        ),
        (Response(b"/back?login=me%3Apw", media_type="text/plain"), "/back?login=***"),
        (Response(status_code=204), None),
    ],
)
async def test_any_body_is_kept_as_what_it_is(
    service: Service, site: Partner, calling: Calling, response: Response, body: object
) -> None:
    site.answers = [response]
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    await calling.work()
    assert (await result(service))["body"] == body


async def test_a_service_that_does_not_answer_in_time_is_asked_again(service: Service, site: Partner, calling: Calling) -> None:
    site.open.clear()
    await service.publish(steps=[call(site, timeout="PT1S", retry={"attempts": 2, "first": "PT1S"})])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    assert await calling.work() == []
    site.open.set()
    service.pass_time(timedelta(minutes=1))
    assert [each.payload["path"] for each in await calling.work()] == ["ok"]
