"""Calls of web services: what is sent, what is kept, what is tried again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from starlette.responses import Response

from infra.errors import BadInput
from journeys.outcome import Chose, Done, Match, Waiting
from services.journeys.steps.calls import LEASE
from services.journeys.steps.requests import Secrets
from tests.services.journeys.conftest import Service
from tests.services.journeys.partner import Calling, Partner, partner

Process = Callable[..., Calling]


@pytest.fixture
async def site() -> AsyncIterator[Partner]:
    async with partner() as found:
        yield found


@pytest.fixture
async def process(service: Service, site: Partner) -> AsyncIterator[Process]:
    """Makes processes that call; what they hold open is closed at the end."""
    made: list[Calling] = []

    def make(**limits: int) -> Calling:
        made.append(Calling.of(service, **limits))
        return made[-1]

    yield make
    site.open.set()
    for each in made:
        await each.close()


@pytest.fixture
def calling(process: Process) -> Calling:
    return process()


def call(site: Partner, **more: Any) -> dict[str, Any]:
    return {"id": "score", "type": "call", "url": f"{site.url}/score", "body": {}, **more}


def answer(status: int = 200, body: object = None, **headers: str) -> Response:
    return Response(
        orjson.dumps(body), status, {name.replace("_", "-"): value for name, value in headers.items()}, "application/json"
    )


async def result(service: Service) -> dict[str, Any]:
    ((body,),) = await service.rows("SELECT body FROM result")
    return dict(body)


async def test_a_call_is_filled_in_sent_kept_and_told(service: Service, site: Partner, calling: Calling) -> None:
    body = {
        "who": {"ref": "profile.traits.email"},
        "nobody": {"ref": "profile.traits.nickname"},
        "list": [{"ref": "entry.properties.event_id"}, {"ref": "profile.traits.nickname"}],
        "text": 'Dear {{ profile.traits.name | upcase }} of "{{ entry.properties.event_id }}"',
        "n": 7,
    }
    headers = {"X-Key": "{{ secrets.CRM_KEY }}", "Authorization": "Basic {{ secrets.LOGIN | base64_encode }}"}
    await service.publish(steps=[call(site, body=body, headers=headers, url=f"{site.url}/{{{{ entry.properties.event_id }}}}")])
    profile_id, enrolment_id = await service.enter(event_id="e-7")
    service.neighbours.traits[profile_id] = {"email": "a@example.com", "name": "Ada"}
    assert await service.perform(enrolment_id, "score") == Waiting(confirm=True)
    (told,) = await calling.work()
    (asked,) = site.asked
    assert (asked.method, asked.path) == ("POST", "/e-7")
    assert asked.json == {"who": "a@example.com", "list": ["e-7", None], "text": 'Dear ADA of "e-7"', "n": 7}
    assert (asked.headers["x-key"], asked.headers["authorization"]) == ("hush-hush", "Basic bWU6cHc=")
    assert asked.headers["idempotency-key"] == f"{enrolment_id}:score:1"
    assert (told.kind, told.payload["step"], told.payload["visit"], told.payload["path"]) == ("matched", "score", 1, "ok")
    kept = await result(service)
    assert (kept["status"], kept["body"], kept["tries"]) == (200, {"score": 640}, 1)
    assert kept["headers"]["content-type"] == "application/json"
    assert await service.rows("SELECT 1 FROM call") == []


async def test_whoever_asks_again_hears_that_the_call_is_over(service: Service, site: Partner, calling: Calling) -> None:
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    assert await service.perform(enrolment_id, "score") == Waiting(confirm=True)
    await calling.work()
    over = Waiting(confirm=True, matched=Match(path="ok", event_id=f"{enrolment_id}:score:1"))
    assert await service.perform(enrolment_id, "score") == over
    assert await service.perform(enrolment_id, "score", confirm=True) == over
    await calling.work()
    assert len(site.asked) == 1


async def test_no_secret_is_kept_told_or_sent_back(
    service: Service, site: Partner, calling: Calling, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [call(site, headers={"X-Key": "{{ secrets.CRM_KEY }}"}, body={"key": "{{ secrets.CRM_KEY }}"})]
    site.answers = [answer(body={"your key": "hush-hush"}, x_echo="hush-hush")]
    await service.publish(steps=steps)
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    stored = await service.rows("SELECT CAST(c AS text) FROM call c UNION ALL SELECT CAST(d AS text) FROM decision d")
    assert "***" in str(stored)
    await calling.work()
    assert site.asked[0].json == {"key": "hush-hush"}
    kept = await service.rows("SELECT CAST(r AS text) FROM result r UNION ALL SELECT CAST(d AS text) FROM decision d")
    output = capfd.readouterr()
    assert "hush-hush" not in f"{stored}{kept}{output.out}{output.err}"


async def test_a_result_is_branched_on_without_asking_segments(service: Service, site: Partner, calling: Calling) -> None:
    good = {"id": "good", "if": {"value": {"ref": "results.score.body.score"}, "gte": 600}}
    await service.publish(steps=[call(site), {"id": "b", "type": "branch", "paths": [good]}])
    service.neighbours.down.add("segments")
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    await calling.work()
    assert await service.perform(enrolment_id, "b") == Chose(path="good")
    ((seen,),) = await service.rows("SELECT seen FROM decision WHERE step = 'b'")
    assert seen == {"good": {"matches": True, "seen": {"results.score.body.score": 640}}}


async def test_a_result_is_seen_by_updates_waits_calls_and_templates(service: Service, site: Partner, calling: Calling) -> None:
    service.neighbours.templates = [
        {"key": "plain", "variables": {"email": ["entry.properties.title"]}},
        {"key": "score", "variables": {"email": ["results.score.body.score"]}},
    ]
    steps: list[dict[str, Any]] = [
        call(site),
        {"id": "u", "type": "update_profile", "set": {"score": {"ref": "results.score.body.score"}}},
        {"id": "w", "type": "wait", "until": {"ref": "results.score.body.again_at"}},
        call(site, id="next", body={"was": {"ref": "results.score.body.score"}, "status": "{{ results.score.status }}"}),
        {"id": "m1", "type": "send", "template": "plain", "channels": ["email"]},
        {"id": "m2", "type": "send", "template": "score", "channels": ["email"]},
    ]
    site.answers = [answer(body={"score": 7, "again_at": "2026-03-05T10:00:00Z"})]
    await service.publish(steps=steps)
    _, enrolment_id = await service.enter(title="x")
    await service.perform(enrolment_id, "score")
    await calling.work()
    await service.perform(enrolment_id, "u")
    assert service.neighbours.updates[0].set == {"score": 7}
    asleep = await service.perform(enrolment_id, "w")
    assert "2026-03-05 10:00:00+00:00" in repr(asleep) or asleep.wake_at.isoformat() == "2026-03-05T10:00:00+00:00"  # type: ignore[union-attr]
    await service.perform(enrolment_id, "next")
    await calling.work()
    assert site.asked[1].json == {"was": 7, "status": "200"}
    await service.perform(enrolment_id, "m1")
    await service.perform(enrolment_id, "m2")
    plain, scored = service.neighbours.sent
    assert "results" not in plain.context
    assert scored.model_dump()["context"]["results"]["score"]["body"]["score"] == 7


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


async def test_a_request_that_cannot_be_written_has_failed_already(service: Service, site: Partner, calling: Calling) -> None:
    await service.publish(steps=[call(site, body="{{ profile.traits.name }}")])
    _, enrolment_id = await service.enter()
    outcome = await service.perform(enrolment_id, "score")
    assert outcome == Waiting(confirm=True, matched=Match(path="failed", event_id=f"{enrolment_id}:score:1"))
    assert "profile.traits.name" in (await result(service))["error"] or "undefined" in (await result(service))["error"]
    assert await calling.work() == []
    assert site.asked == []


async def test_a_text_that_no_database_keeps_fails_the_call_and_not_the_step(
    service: Service, site: Partner, calling: Calling
) -> None:
    await service.publish(steps=[call(site, body={"who": "{{ entry.properties.who | url_decode }}"})])
    _, enrolment_id = await service.enter(who="%00")
    outcome = await service.perform(enrolment_id, "score")
    assert isinstance(outcome, Waiting)
    assert outcome.matched is not None
    assert outcome.matched.path == "failed"
    assert "NUL" in (await result(service))["error"]


async def test_a_process_that_dies_in_the_middle_leaves_the_call_to_another(
    service: Service, site: Partner, process: Callable[..., Calling]
) -> None:
    """Kill -9: nothing of the first process runs any more, neither its answer nor its release of the claim."""
    site.open.clear()
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    first, second = process(), process()
    await first.caller.step()
    await site.arrived.wait()
    for task in first.caller._running:  # the kill
        task.cancel()
    await first.caller.idle()
    site.open.set()
    assert await second.work() == []
    service.pass_time(LEASE)
    assert [each.payload["path"] for each in await second.work()] == ["ok"]
    assert [asked.headers["idempotency-key"] for asked in site.asked] == [f"{enrolment_id}:score:1"] * 2
    assert (await result(service))["tries"] == 2


async def test_a_process_that_comes_too_late_with_its_answer_changes_nothing(
    service: Service, site: Partner, process: Callable[..., Calling]
) -> None:
    site.open.clear()
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    slow, quick = process(), process()
    await slow.caller.step()
    await site.arrived.wait()
    service.pass_time(LEASE)
    await quick.caller.step()
    site.open.set()
    await asyncio.gather(slow.caller.idle(), quick.caller.idle())
    assert [each.payload["path"] for each in [*slow.told, *quick.told]] == ["ok"]
    assert quick.told


async def test_processes_share_the_calls_and_make_each_once(
    service: Service, site: Partner, process: Callable[..., Calling]
) -> None:
    await service.publish(steps=[call(site)])
    for _ in range(20):
        _, enrolment_id = await service.enter()
        await service.perform(enrolment_id, "score")
    several = [process(at_once=7) for _ in range(3)]
    told = [each for works in await asyncio.gather(*(one.work() for one in several)) for each in works]
    told += [each for one in several for each in await one.work()]
    assert len({each.enrolment_id for each in told}) == len(told) == len(site.asked) == 20


async def test_a_slow_host_does_not_hold_up_the_others(service: Service, site: Partner, process: Process) -> None:
    site.open.clear()
    async with partner() as other:
        other_url = f"http://other.test:{other.port}/"
        await service.publish(steps=[call(site), call(site, id="other", url=other_url)])
        for _ in range(5):
            _, enrolment_id = await service.enter()
            await service.perform(enrolment_id, "score")
        _, enrolment_id = await service.enter()
        await service.perform(enrolment_id, "other")
        calling = process(per_host=2)
        assert await calling.caller.step() == 3
        assert await calling.caller.step() == 0
        await other.arrived.wait()
        site.open.set()
        await calling.caller.idle()
        assert await calling.caller.step() == 2
        await calling.caller.idle()


async def test_the_end_of_the_enrolment_takes_its_call_back(service: Service, site: Partner, calling: Calling) -> None:
    await service.publish(steps=[call(site)], exit_when=[{"event": "Left"}])
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    await service.track(profile_id, "Left")
    assert await calling.work() == []
    await service.finish(enrolment_id, "exit")
    assert await service.rows("SELECT 1 FROM call") == []
    assert site.asked == []


async def test_an_answer_for_somebody_who_left_meanwhile_is_dropped(service: Service, site: Partner, calling: Calling) -> None:
    site.open.clear()
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    await calling.caller.step()
    await site.arrived.wait()
    await service.finish(enrolment_id, "exit")
    site.open.set()
    await calling.caller.idle()
    assert calling.told == []
    assert await service.rows("SELECT 1 FROM result") == []


async def test_a_paused_journey_calls_nobody(service: Service, site: Partner, calling: Calling) -> None:
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    await service.write("UPDATE journey SET state = 'paused'")
    assert await calling.work() == []
    await service.write("UPDATE journey SET state = 'published'")
    assert len(await calling.work()) == 1


async def test_somebody_who_goes_on_elsewhere_calls_no_more(service: Service, site: Partner, calling: Calling) -> None:
    await service.publish(steps=[call(site), {"id": "x", "type": "update_profile", "set": {"a": 1}}])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    assert await service.perform(enrolment_id, "x") == Done()
    assert await calling.work() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"headers": {"X-Key": "{{ secrets.CRM_KEX }}"}}, "no secret 'CRM_KEX'"),
        ({"body": "{{ entry.propertees.x }}"}, "leads nowhere"),
        ({"body": {"a": ["{{ person.name }}"]}}, "which nothing supplies"),
        ({"url": "http://partner.test/{{ oops"}, "Liquid"),
    ],
)
async def test_a_template_of_a_call_is_checked_when_it_is_published(
    service: Service, site: Partner, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput) as caught:
        await service.publish(steps=[call(site, **change)])
    assert said in caught.value.flaws[0].message


@pytest.mark.parametrize("text", ["[]", '{"A": 1}', "{", '"hush-hush"'])
def test_secrets_that_cannot_be_read_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(BadInput, match="REIS_CALL_SECRETS: is no JSON object of texts") as caught:
        Secrets.parse(SecretStr(text))
    assert "hush" not in str(caught.value)
    assert caught.value.__context__ is None
