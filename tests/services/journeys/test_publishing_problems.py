"""Publishing tells everything that is wrong at once, and looks at the journeys that are there."""

from typing import Any

import pytest

from contracts.profiles import NamesSeen
from infra.errors import BadInput
from tests.services.journeys.conftest import Service


async def refused(service: Service, **changes: Any) -> dict[str, str]:
    """Path to message of everything that forbids publishing."""
    with pytest.raises(BadInput) as caught:
        await service.publish(**changes)
    return {flaw.path: flaw.message for flaw in caught.value.flaws}


async def test_a_problem_of_form_hides_none_of_meaning(service: Service) -> None:
    mistyped = {"id": "a", "type": "wait", "fro": "P1D"}
    lost = {"id": "b", "type": "start_journey", "journey": "nowhere"}
    found = await refused(service, steps=[mistyped, lost])
    assert found["$.steps[0].fro"] == "unknown key 'fro'"
    assert found["$.steps[1].journey"] == "there is no journey 'nowhere'"


async def test_a_send_that_its_template_cannot_serve_is_refused(service: Service) -> None:
    service.neighbours.templates = [{"key": "ad", "purpose": "marketing", "channels": ["email"]}]
    ad = {"id": "a", "type": "send", "template": "ad", "channels": ["email"]}
    assert await refused(service, steps=[{**ad, "purpose": "transactional"}, {**ad, "id": "b", "channels": ["sms"]}]) == {
        "$.steps[0].template": "the template 'ad' is for marketing and never goes out as transactional",
        "$.steps[1].channels": "the template 'ad' has no part for sms",
    }
    await service.publish(steps=[ad])


async def test_a_circle_with_a_published_journey_is_refused(service: Service) -> None:
    await service.publish(steps=[{"id": "w", "type": "wait", "for": "P1D"}])
    there = {"id": "x", "type": "start_journey", "journey": "signup"}
    await service.publish(key="other", entry={"api": True}, steps=[there])
    back = {"id": "y", "type": "start_journey", "journey": "other"}
    assert await refused(service, steps=[back]) == {
        "$.steps[0].journey": "signup starts other starts signup without anybody ever waiting"
    }


async def test_names_that_nobody_has_sent_are_told_and_hold_up_no_publishing(service: Service) -> None:
    exits = [{"event": "Acount Closed"}, {"trait": "teir", "eq": "gold"}, {"event": "Told By Another"}]
    ask = {"id": "w", "type": "wait", "until": {"ref": "profile.computed.runs_uot"}}

    async def warned(key: str) -> dict[str, str]:
        definition = {**signup, "key": key, "exit_when": exits, "steps": [ask]}
        version = await service.versions.publish(definition, by="t", now=service.clock.now(), world=service.neighbours.world())
        return {flaw.path: flaw.remedy for flaw in version.warnings}

    signup = await service.versions.definition(await service.publish())
    service.neighbours.computed = {"runs_out": 1}
    computed = {"$.steps[0].until.ref": "did you mean 'runs_out'?"}
    assert await warned("new-shop") == computed
    tell = {"id": "e", "type": "emit_event", "event": "Told By Another"}
    await service.publish(key="another", entry={"api": True}, steps=[tell])
    service.neighbours.names = NamesSeen(events=("Signup", "Account Closed"), traits=("tier",))
    assert await warned("first") == {
        **computed,
        "$.exit_when[0].event": "did you mean 'Account Closed'?",
        "$.exit_when[1].trait": "did you mean 'tier'?",
    }
    service.neighbours.down.add("profiles")
    assert await warned("second") == computed
