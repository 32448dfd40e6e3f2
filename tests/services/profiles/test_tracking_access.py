"""Who may track, from where, and what clients are told of it."""

from typing import Any

from fastapi import FastAPI

from tests.services.profiles.shop import READER, WRITE_KEY, Shop


async def test_a_key_may_come_by_basic_auth_as_bearer_or_in_the_body(shop: Shop) -> None:
    async def status(body: dict[str, Any] | None = None, **rest: Any) -> int:
        return (await shop.client.post("/v1/batch", json={"batch": [], **(body or {})}, **rest)).status_code

    assert await status(auth=WRITE_KEY) == 200
    assert await status(headers={"authorization": "Bearer write-key"}) == 200
    assert await status({"writeKey": "write-key"}) == 200
    assert await status(auth=("other", "")) == 401
    assert await status(headers={"authorization": "Basic ???"}) == 401
    assert await status({"writeKey": "other"}) == 401
    assert await status({"writeKey": 7}) == 401
    assert await status() == 401
    assert await status(headers=READER) == 403


async def test_a_write_key_may_do_nothing_but_track(shop: Shop, app: FastAPI) -> None:
    key = {"authorization": "Bearer write-key"}
    one = "00000000-0000-0000-0000-000000000000"
    for path in (f"/v1/profiles/{one}", f"/v1/profiles/{one}/events", f"/v1/profiles/{one}/consents", "/v1/counts", "/v1/feed"):
        assert (await shop.client.get(path, headers=key)).status_code == 403
        assert (await shop.client.get(path)).status_code == 401
    bodies: dict[str, dict[str, list[str]]] = {
        "/v1/profiles/lookup": {"ids": []},
        "/v1/profiles/update": {"updates": []},
        "/v1/consents": {"entries": []},
        "/v1/events/search": {"filters": []},
    }
    for path, body in bodies.items():
        assert (await shop.client.post(path, json=body, headers=key)).status_code == 403
        assert (await shop.client.post(path, json=body)).status_code == 401


async def test_browsers_may_track_from_any_site_and_nothing_else(shop: Shop) -> None:
    asks = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    asks["access-control-request-headers"] = "authorization,content-type"
    preflight = await shop.client.options("/v1/t", headers=asks)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    refused = await shop.client.post("/v1/t", json={}, headers={"origin": "https://shop.example"}, auth=WRITE_KEY)
    assert refused.status_code == 400
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in (await shop.client.options("/v1/profiles/lookup", headers=asks)).headers


async def test_settings_name_the_key_and_where_to_send(shop: Shop) -> None:
    answer = await shop.client.get("/v1/projects/write-key/settings")
    assert answer.json()["integrations"]["Segment.io"] == {"apiKey": "write-key", "apiHost": "profiles/v1"}
    assert (await shop.client.get("/v1/projects/unknown/settings")).status_code == 401


async def test_settings_let_clients_take_tls_except_on_this_machine(shop: Shop) -> None:
    for host, protocol in (("track.example.com", None), ("127.0.0.1:8001", "http"), ("localhost:8001", "http")):
        answer = await shop.client.get("/v1/projects/write-key/settings", headers={"host": host})
        segment = answer.json()["integrations"]["Segment.io"]
        assert (segment["apiHost"], segment.get("protocol")) == (f"{host}/v1", protocol)
