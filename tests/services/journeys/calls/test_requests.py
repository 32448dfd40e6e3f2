"""Calls of web services: what is sent and kept, and who sees it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from infra.errors import BadInput
from journeys.outcome import Chose, Match, Sleep, Waiting
from services.journeys.steps.requests import Secrets
from tests.services.journeys.calls.calling import answer, call, result
from tests.services.journeys.calls.partner import Calling, Partner
from tests.services.journeys.conftest import Service


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
    assert await service.perform(enrolment_id, "w") == Sleep(wake_at=datetime(2026, 3, 5, 10, tzinfo=UTC))
    await service.perform(enrolment_id, "next")
    await calling.work()
    assert site.asked[1].json == {"was": 7, "status": "200"}
    await service.perform(enrolment_id, "m1")
    await service.perform(enrolment_id, "m2")
    plain, scored = service.neighbours.sent
    assert "results" not in plain.context
    assert scored.model_dump()["context"]["results"]["score"]["body"]["score"] == 7


async def test_a_request_that_cannot_be_written_has_failed_already(service: Service, site: Partner, calling: Calling) -> None:
    await service.publish(steps=[call(site, body="{{ profile.traits.name }}")])
    _, enrolment_id = await service.enter()
    outcome = await service.perform(enrolment_id, "score")
    assert outcome == Waiting(confirm=True, matched=Match(path="failed", event_id=f"{enrolment_id}:score:1"))
    assert "profile.traits.name" in (await result(service))["error"]
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
