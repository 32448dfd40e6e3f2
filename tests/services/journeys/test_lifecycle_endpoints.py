"""States, migrations and hand moves over HTTP: who may, what is answered, and whose name is kept."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.service import create_service
from services.journeys.endpoints import definition_routes
from tests.services.journeys.conftest import Service

WAIT = {"id": "pause", "type": "wait", "for": "P3D"}


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The service's endpoints, called with Ann's key."""
    world = service.neighbours.world()
    keys = (
        ApiKey(name="ann", sha256=hashed("a"), scopes=frozenset({Scope.JOURNEYS_READ, Scope.JOURNEYS_WRITE})),
        ApiKey(name="reader", sha256=hashed("r"), scopes=frozenset({Scope.JOURNEYS_READ})),
    )
    routers = [definition_routes(service.versions, world, service.clock, service.database), *service.lifecycle.routes()]
    app = create_service("journeys", description="", routers=routers, keyring=KeyRing(keys), database=None)
    headers = {"Authorization": "Bearer a"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://journeys", headers=headers) as client:
        yield client


async def _post(http: httpx.AsyncClient, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = await http.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def test_a_journey_lives_from_draft_to_archive(service: Service, http: httpx.AsyncClient) -> None:
    draft = {
        "key": "signup",
        "name": "S",
        "purpose": "marketing",
        "entry": {"event": "Signup"},
        "steps": [{"id": "a", "type": "?"}],
    }
    saved = (await http.put("/v1/journeys/signup/draft", json=draft)).json()
    assert not saved["valid"]
    refused = await http.post("/v1/journeys/signup/publish")
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "$.steps[0].type")
    assert (await http.get("/v1/journeys")).json()[0]["state"] == "draft"
    await http.put("/v1/journeys/signup/draft", json=draft | {"steps": [WAIT]})
    version = await _post(http, "/v1/journeys/signup/publish")
    await service.enter()
    assert (await _post(http, "/v1/journeys/signup/pause"))["state"] == "paused"
    assert (await http.post("/v1/journeys/signup/pause")).status_code == 409
    await _post(http, "/v1/journeys/signup/resume")
    (summary,) = (await http.get("/v1/journeys/signup/versions")).json()
    assert (summary["hash"], summary["current"], summary["under_way"]) == (version["hash"], True, 1)
    refused = await http.post("/v1/journeys/signup/archive")
    assert (refused.status_code, "1 people" in refused.json()["detail"]) == (409, True)
    assert (await _post(http, "/v1/journeys/signup/archive", {"end": True}))["state"] == "archived"
    audit = (await http.get("/v1/audit", params={"journey": "signup"})).json()
    assert [each["action"] for each in audit] == ["archive", "resume", "pause", "publish", "draft", "draft"]
    assert {each["who"] for each in audit} == {"ann"}


async def test_a_canary_and_a_migration_go_their_way(service: Service, http: httpx.AsyncClient) -> None:
    old = await service.publish(steps=[WAIT])
    _, enrolment = await service.enter()
    await service.perform(enrolment, "pause", journey=old)
    definition = await service.versions.definition(old) | {"name": "Next"}
    await http.put("/v1/journeys/signup/draft", json=definition)
    canary = await _post(http, "/v1/journeys/signup/publish", {"canary": 20})
    assert (await http.get("/v1/journeys")).json()[0]["canary_share"] == 20
    await _post(http, "/v1/journeys/signup/canary/promote")
    preview = await _post(http, "/v1/journeys/signup/migrations/preview", {})
    assert (preview["to"], preview["positions"][0]["step"], preview["problems"]) == (canary["hash"], "pause", [])
    started = await _post(http, "/v1/journeys/signup/migrations", {"from": old})
    await service.lifecycle.migrator.step()
    address = f"/v1/journeys/signup/migrations/{started['id']}"
    assert (await http.get(address)).json()["on_their_way"] == 1
    assert (await _post(http, f"{address}/cancel"))["state"] == "cancelled"


async def test_one_enrolment_is_changed_with_the_callers_name(service: Service, http: httpx.AsyncClient) -> None:
    await service.publish(steps=[WAIT])
    _, enrolment = await service.enter()
    assert (await _post(http, f"/v1/enrolments/{enrolment}/move", {"step": "pause"}))["state"] == "moving"
    assert (await http.post(f"/v1/enrolments/{enrolment}/end", json={})).status_code == 422
    new = await _post(http, f"/v1/enrolments/{enrolment}/restart")
    assert new["state"] == "entered"
    assert (await _post(http, f"/v1/enrolments/{new['enrolment_id']}/end", {"reason": "enough"}))["state"] == "ending"
    audit = (await http.get("/v1/audit", params={"enrolment": str(enrolment)})).json()
    assert [(each["who"], each["action"]) for each in audit] == [("ann", "restart"), ("ann", "ask to move")]


async def test_who_may_only_read_changes_nothing(service: Service, http: httpx.AsyncClient) -> None:
    await service.publish(steps=[WAIT])
    _, enrolment = await service.enter()
    reader = {"Authorization": "Bearer r"}
    for path in (
        "journeys/signup/pause",
        "journeys/signup/archive",
        f"enrolments/{enrolment}/restart",
        "journeys/signup/publish",
    ):
        assert (await http.post(f"/v1/{path}", headers=reader)).status_code == 403
    assert (await http.get("/v1/journeys/signup/state", headers=reader)).json()["state"] == "published"
