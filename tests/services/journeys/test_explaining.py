"""Why, and why not: each reason with the values that it rests on."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contracts.channels import SendResult
from infra.errors import BadInput, NotFound
from services.journeys.explaining import Explainer, Explanation
from services.journeys.explaining.model import Finding
from services.journeys.explaining.register import past_of
from services.journeys.explaining.witnesses import Witnesses
from tests.services.journeys.conftest import Service
from tests.services.journeys.crowds import Crowd

SEND = {"id": "hello", "type": "send", "template": "hello", "channels": ["email"]}


@pytest.fixture(autouse=True)
def templates(service: Service) -> None:
    service.neighbours.templates = [{"key": "hello"}]
    service.neighbours.segments = [{"key": "puppies"}]


async def explain(service: Service, profile_id: UUID) -> Explanation:
    neighbours = service.neighbours
    witnesses = Witnesses(
        profiles=neighbours.client("profiles"), segments=neighbours.client("segments"), channels=neighbours.client("channels")
    )
    explainer = Explainer(database=service.database, versions=service.versions, witnesses=witnesses)
    return await explainer.explain("signup", profile_id=profile_id, user_id=None)


async def somebody(service: Service) -> UUID:
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    return profile_id


async def only_reason(service: Service, profile_id: UUID) -> Finding:
    explained = await explain(service, profile_id)
    assert not explained.entered
    (finding,) = explained.why_not
    assert finding.text in explained.summary
    return finding


async def test_a_story_tells_every_decision_what_ended_each_wait_and_what_became_of_each_message(service: Service) -> None:
    wait = {"id": "w", "type": "wait", "for": "PT1H"}
    met = {"id": "m", "type": "wait_for", "paths": [{"id": "came", "event": "Attended"}], "timeout": {"after": "P3D"}}
    await service.publish(steps=[SEND, wait, met, wait | {"id": "last"}])
    message = uuid4()
    service.neighbours.result = SendResult(status="accepted", message_id=message)
    profile_id, enrolment = await service.enter()
    for step in ("hello", "w"):
        await service.perform(enrolment, step)
    service.pass_time(timedelta(hours=1, seconds=2))
    await service.perform(enrolment, "m")
    await service.track(profile_id, "Attended")
    service.pass_time(timedelta(minutes=1))
    await service.perform(enrolment, "last")
    attempt = {"channel": "email", "status": "opened", "because": "", "reason": "", "sent_at": None}
    service.neighbours.messages = [
        {
            "id": str(message),
            "enrolment": str(enrolment),
            "step": "hello",
            "visit": 1,
            "template": "hello",
            "decision": "accepted",
            "reason": "",
            "fallback_note": "",
            "cancelled_at": None,
            "attempts": [attempt],
        }
    ]
    explained = await explain(service, profile_id)
    (story,) = explained.enrolments
    lines = {line.step or line.what: line for line in story.lines}
    assert [line.what for line in story.lines] == ["entered", "sent", "sleep", "waiting", "sleep"]
    assert lines["hello"].message is not None
    assert lines["hello"].message.status == "opened"
    assert "opened" in lines["hello"].text
    assert lines["w"].ended is not None
    assert (lines["w"].ended.by, lines["w"].ended.at) == ("time", lines["w"].until)
    assert lines["m"].late_seconds == 2.0
    assert lines["m"].ended is not None
    assert (lines["m"].ended.by, lines["m"].ended.path, lines["m"].ended.event) == ("event", "came", "Attended")
    assert lines["last"].ended is None
    assert (story.step, story.due) == ("last", lines["last"].until)
    assert explained.notes == []


async def test_a_story_is_told_without_channels_and_says_what_is_missing(service: Service) -> None:
    await service.publish(steps=[SEND])
    profile_id, enrolment = await service.enter()
    await service.perform(enrolment, "hello")
    service.neighbours.down |= {"channels", "profiles", "segments"}
    explained = await explain(service, profile_id)
    assert [line.what for line in explained.enrolments[0].lines] == ["entered", "sent"]
    assert any("messages" in note for note in explained.notes)


async def test_what_people_did_meanwhile_is_part_of_the_story(service: Service) -> None:
    await service.publish()
    profile_id, enrolment = await service.enter()
    service.pass_time(timedelta(hours=1))
    async with service.database.begin() as session:
        await session.execute(
            text(
                "INSERT INTO audit (at, who, action, journey, enrolment_id, detail) VALUES (:at, 'ann', 'pause', 'signup', NULL, "
                "'{}'), (:at, 'bob', 'move', 'signup', :id, '{\"step\": \"attend\"}')"
            ),
            {"at": service.clock.now(), "id": enrolment},
        )
    (story,) = (await explain(service, profile_id)).enrolments
    assert {(line.what, line.who) for line in story.lines if line.who} == {("pause", "ann"), ("move", "bob")}


async def test_an_event_that_never_came(service: Service) -> None:
    await service.publish()
    finding = await only_reason(service, await somebody(service))
    assert (finding.kind, finding.seen) == ("event_never_seen", {"event": "Signup"})


async def test_an_event_that_the_where_kept_out_with_its_values(service: Service) -> None:
    await service.publish(entry={"event": "Signup", "where": {"property": "plan.tier", "eq": "gold"}})
    profile_id = await somebody(service)
    await service.track(profile_id, "Signup", plan={"tier": "tin"})
    finding = await only_reason(service, profile_id)
    assert finding.kind == "where_failed"
    assert finding.seen["properties"] == {"plan.tier": "tin"}
    assert "plan.tier was 'tin'" in finding.text


async def test_an_event_from_before_the_journey(service: Service) -> None:
    profile_id = await somebody(service)
    await service.track(profile_id, "Signup", event_id="x")
    service.pass_time(timedelta(days=1))
    await service.publish()
    finding = await only_reason(service, profile_id)
    assert finding.kind == "did_not_exist_yet"


async def test_an_event_that_has_not_arrived_here(service: Service) -> None:
    await service.publish()
    profile_id = await somebody(service)
    service.neighbours.track(profile_id, service.event("Signup", event_id="x"))
    assert (await only_reason(service, profile_id)).kind == "should_have_entered"


@pytest.mark.parametrize(("state", "kind"), [("draining", "draining"), ("archived", "archived")])
async def test_a_journey_that_takes_nobody_in(service: Service, state: str, kind: str) -> None:
    await service.publish()
    async with service.database.begin() as session:
        await session.execute(
            text("UPDATE journey SET state = :state, state_since = :now"), {"state": state, "now": service.clock.now()}
        )
    service.pass_time(timedelta(hours=1))
    profile_id = await somebody(service)
    service.neighbours.track(profile_id, service.event("Signup", event_id="x"))
    explained = await explain(service, profile_id)
    assert {finding.kind for finding in explained.why_not} == {kind}


async def test_a_journey_that_was_never_published(service: Service) -> None:
    async with service.database.begin() as session:
        await session.execute(
            text("INSERT INTO journey (key, created_at, state) VALUES ('signup', :now, 'draft')"), {"now": service.clock.now()}
        )
    assert (await only_reason(service, await somebody(service))).kind == "not_published"


async def test_a_refusal_with_its_reason(service: Service) -> None:
    await service.publish(entry={"event": "Signup", "key": "event.properties.event_id"})
    profile_id = await somebody(service)
    await service.track(profile_id, "Signup")
    finding = await only_reason(service, profile_id)
    assert finding.kind == "refused"
    assert "entry key" in finding.text


async def test_somebody_who_is_not_in_the_segment_with_the_values_seen(service: Service) -> None:
    await service.publish(entry={"segment_entered": "puppies"}, steps=[SEND])
    finding = await only_reason(service, await somebody(service))
    assert finding.kind == "not_in_segment"
    assert finding.seen["seen"] == {"asked": True}


async def test_somebody_who_was_in_the_segment_before(service: Service) -> None:
    profile_id = await somebody(service)
    entered = {"member": True, "at": service.clock.now().isoformat(), "number": 1, "version": 1}
    service.neighbours.memberships[profile_id] = [{"segment": "puppies", "member": True, "history": [entered]}]
    service.neighbours.holds = True
    service.pass_time(timedelta(days=1))
    await service.publish(entry={"segment_entered": "puppies"}, steps=[SEND])
    finding = await only_reason(service, profile_id)
    assert finding.kind == "in_segment_before"
    service.neighbours.memberships[profile_id][0]["history"] = [entered | {"at": service.clock.now().isoformat()}]
    assert (await only_reason(service, profile_id)).kind == "should_have_entered"


async def test_a_segment_that_is_gone(service: Service) -> None:
    await service.publish(entry={"segment_entered": "puppies"}, steps=[SEND])
    service.neighbours.segments = []
    assert (await only_reason(service, await somebody(service))).kind == "no_such_segment"


async def test_a_journey_that_only_the_api_enters(service: Service) -> None:
    await service.publish(entry={"api": True})
    assert (await only_reason(service, await somebody(service))).kind == "never_asked_for"


async def test_services_that_are_down_cost_their_part_only(service: Service) -> None:
    await service.publish()
    profile_id = await somebody(service)
    service.neighbours.down |= {"profiles"}
    explained = await explain(service, profile_id)
    assert not explained.entered
    assert explained.why_not == []
    assert any("trigger" in note for note in explained.notes)


async def test_who_and_where_must_exist_and_be_named_once(service: Service) -> None:
    with pytest.raises(NotFound):
        await explain(service, await somebody(service))
    explainer = Explainer(
        database=service.database,
        versions=service.versions,
        witnesses=Witnesses(
            profiles=service.neighbours.client("profiles"),
            segments=service.neighbours.client("segments"),
            channels=service.neighbours.client("channels"),
        ),
    )
    with pytest.raises(BadInput):
        await explainer.explain("signup", profile_id=None, user_id=None)
    with pytest.raises(NotFound):
        await explainer.explain("signup", profile_id=None, user_id="nobody")
    await service.publish()
    service.neighbours.users["ann"] = person = await somebody(service)
    assert (await explainer.explain("signup", profile_id=None, user_id="ann")).profile_id == person


async def test_a_version_that_was_published_again_is_the_one_whose_where_counts(service: Service) -> None:
    first = {"event": "Signup", "where": {"property": "plan", "eq": "gold"}}
    await service.publish(entry=first, steps=[SEND])
    service.pass_time(timedelta(days=1))
    await service.publish(entry={"event": "Signup", "where": {"property": "plan", "eq": "tin"}}, steps=[SEND])
    service.pass_time(timedelta(days=1))
    await service.publish(entry=first, steps=[SEND])
    service.pass_time(timedelta(days=1))
    profile_id = await somebody(service)
    service.neighbours.track(profile_id, service.event("Signup", plan="tin"))
    assert (await only_reason(service, profile_id)).kind == "where_failed"


async def test_a_canary_is_not_yet_the_version_that_counts(service: Service) -> None:
    await service.publish(steps=[SEND])
    service.pass_time(timedelta(days=1))
    draft = {"key": "signup", "name": "Other", "purpose": "marketing", "entry": {"event": "Signup"}, "steps": [SEND]}
    draft["entry"] = {"event": "Signup", "key": "event.properties.event_id"}
    await service.lifecycle.drafts.save("signup", draft, by="test")
    await service.lifecycle.drafts.publish("signup", by="test", canary=10)
    async with service.database.read() as session:
        assert [number for number, _ in enumerate((await past_of(session, "signup")).published)] == [0]
    service.pass_time(timedelta(days=1))
    version = await service.lifecycle.drafts.end_canary("signup", promote=True, by="test")
    async with service.database.read() as session:
        assert (await past_of(session, "signup")).published[1:] == ((service.clock.now(), version),)


async def test_who_was_in_the_segment_before_it_became_the_way_in(service: Service) -> None:
    profile_id = await somebody(service)
    await service.publish(steps=[SEND])
    service.pass_time(timedelta(days=1))
    entered = {"member": True, "at": service.clock.now().isoformat(), "number": 1, "version": 1}
    service.neighbours.memberships[profile_id] = [{"segment": "puppies", "member": True, "history": [entered]}]
    service.neighbours.holds = True
    service.pass_time(timedelta(days=1))
    await service.publish(entry={"segment_entered": "puppies"}, steps=[SEND])
    assert (await only_reason(service, profile_id)).kind == "in_segment_before"


async def test_a_long_story_has_the_newest_lives_and_refusals_and_says_so(service: Service) -> None:
    await service.publish(entry={"event": "Signup", "reentry": "always"}, steps=[SEND])
    profile_id = await somebody(service)
    for _ in range(52):
        service.pass_time(timedelta(minutes=1))
        await service.track(profile_id, "Signup")
    explained = await explain(service, profile_id)
    assert (len(explained.enrolments), explained.enrolments[-1].number) == (50, 52)
    assert "52 times" in explained.summary
    assert any("52" in note for note in explained.notes)


async def test_more_refusals_than_are_told_are_still_refusals(service: Service) -> None:
    await service.publish(entry={"event": "Signup"}, steps=[SEND])
    await service.write("UPDATE journey SET state = 'draining'")
    profile_id = await somebody(service)
    for _ in range(103):
        service.pass_time(timedelta(minutes=1))
        await service.track(profile_id, "Signup")
    explained = await explain(service, profile_id)
    kinds = [each.kind for each in explained.why_not]
    assert kinds == ["refused"] * 100 + ["draining"]


async def test_a_pause_is_no_reason_not_to_enter(service: Service) -> None:
    await service.publish()
    await service.lifecycle.states.change("signup", "pause", by="ann")
    service.pass_time(timedelta(hours=1))
    profile_id = await somebody(service)
    service.neighbours.track(profile_id, service.event("Signup", event_id="x"))
    finding = await only_reason(service, profile_id)
    assert finding.kind == "should_have_entered"
    assert "held until the resume" in finding.text


async def test_of_several_refusals_the_summary_tells_the_newest_with_what_it_saw(service: Service) -> None:
    await service.publish(entry={"event": "Signup", "key": "event.properties.event_id", "only_if": {"trait": "age", "gt": 17}})
    profile_id = await somebody(service)
    await service.track(profile_id, "Signup")
    await Crowd(service).admitter.step()
    service.pass_time(timedelta(hours=1))
    await service.track(profile_id, "Signup", event_id="x")
    await Crowd(service).admitter.step()
    explained = await explain(service, profile_id)
    assert [each.kind for each in explained.why_not[:2]] == ["refused", "refused"]
    assert "entry key" in explained.why_not[0].text
    assert "only_if does not hold, since asked is true" in explained.summary
