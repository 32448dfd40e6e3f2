"""Journeys as code against a running system: planned, applied, lived, changed, exported, simulated, explained."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.authoring.shop import WELCOME, Answer, reis, template
from tests.authoring.shop import Shop as Files
from tests.e2e.shop import Shop, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

JOURNEY = "as-code"


def folder(path: Path) -> Files:
    """A journey that nobody else publishes: a letter, a day, another letter."""
    files = Files(path)
    steps = [
        {"id": "hello", "type": "send", "template": "as-code-hello", "channels": ["email"]},
        {"id": "a-day", "type": "wait", "for": "P1D"},
        {"id": "tips", "type": "send", "template": "as-code-tips", "channels": ["email"]},
    ]
    files.write("journeys", {**WELCOME, "key": JOURNEY, "entry": {"event": "Coded"}, "exit_when": [], "steps": steps})
    files.write("segments", {"key": "as-code-vip", "name": "Good", "condition": {"trait": "spent", "gte": 100}})
    files.write("computed", {"key": "as_code_last", "event": "Coded", "take": "last", "add": {"property": "days"}})
    for key in ("as-code-hello", "as-code-tips"):
        files.write("templates", template(key))
    return files


class Coder:
    """Keeps a folder, and runs the command on the shop's system."""

    def __init__(self, shop: Shop, files: Files) -> None:
        self.shop = shop
        self.files = files

    async def run(self, *arguments: str | Path, said: str = "") -> Answer:
        return await asyncio.to_thread(reis, *arguments, "--data-dir", self.shop.system.folder.path, said=said)

    async def plan(self, path: Path) -> dict[str, Any]:
        """Key to change, without what is only on the server."""
        answer = await self.run("plan", path, "--format", "json")
        assert answer.code == 0, answer.out + answer.err
        return {each["key"]: each for each in answer.json["changes"] if each["status"] != "only on the server"}

    async def statuses(self, path: Path) -> set[str]:
        return {each["status"] for each in (await self.plan(path)).values()}


async def test_a_folder_is_planned_applied_lived_changed_exported_simulated_and_explained(shop: Shop, tmp_path: Path) -> None:
    coder = Coder(shop, folder(tmp_path / "files"))
    await _apply_asks_and_repeating_it_does_nothing(coder)
    await _somebody_gets_the_first_letter_and_waits(shop)
    await _a_change_says_whom_it_is_about(coder)
    await _one_bad_file_does_not_hold_up_the_others(coder)
    await _what_runs_is_exported_and_applying_that_changes_nothing(coder, tmp_path / "exported")
    await _real_people_are_simulated(coder)
    await _the_story_is_told_and_why_there_is_none(coder)


async def _apply_asks_and_repeating_it_does_nothing(coder: Coder) -> None:
    path = coder.files.path
    assert await coder.statuses(path) == {"new"}
    refused = await coder.run("apply", path, said="n\n")
    assert (refused.code, "nothing was done" in refused.out) == (1, True)
    assert await coder.statuses(path) == {"new"}
    applied = await coder.run("apply", path, said="y\n")
    assert applied.code == 0, applied.out
    assert applied.out.count("applied  ") == 5
    assert await coder.statuses(path) == {"unchanged"}
    assert "nothing to do" in (await coder.run("apply", path)).out


async def _somebody_gets_the_first_letter_and_waits(shop: Shop) -> None:
    await shop.track(lambda client: client.identify("coder", {"email": "coder@example.com", "first_name": "Ada"}))
    await shop.agree(["coder"])
    await shop.track(lambda client: client.track("coder", "Coded", {"days": 3}))

    async def waits() -> bool:
        stats = await shop.journeys.get_json(f"/v1/journeys/{JOURNEY}/stats")
        return any(step["step"] == "a-day" and step["waiting_now"] == 1 for step in stats["steps"])

    await until(waits, what="she waits a day")


async def _a_change_says_whom_it_is_about(coder: Coder) -> None:
    path = coder.files.path
    body = json.loads((path / "journeys" / f"{JOURNEY}.json").read_text())
    body["steps"][1] = {"id": "two-days", "type": "wait", "for": "P2D"}
    coder.files.write("journeys", body)
    change = (await coder.plan(path))[JOURNEY]
    assert {step["step"]: step["kind"] for step in change["steps"]} == {"two-days": "added", "a-day": "removed"}
    assert change["impact"] == {"under_way": 1, "parked": [{"step": "a-day", "people": 1, "fate": "removed"}]}
    assert "1 at a-day: the step is gone" in (await coder.run("plan", path)).out


async def _one_bad_file_does_not_hold_up_the_others(coder: Coder) -> None:
    path = coder.files.path
    coder.files.write("templates", {**template("as-code-tips"), "sms": {"body": "{{ nobody }}"}})
    partly = await coder.run("apply", path, "--yes")
    assert partly.code == 1
    assert f"applied  {path / 'journeys' / JOURNEY}.json" in partly.out
    assert f"not applied  {path / 'templates' / 'as-code-tips'}.json" in partly.out
    assert "which nothing supplies" in partly.out
    assert "1 person is in older versions" in partly.out
    assert "1 from a-day nowhere: name a step or exit in the mapping" in partly.out
    coder.files.write("templates", template("as-code-tips"))
    assert await coder.statuses(path) == {"unchanged"}


async def _what_runs_is_exported_and_applying_that_changes_nothing(coder: Coder, exported: Path) -> None:
    assert (await coder.run("export", exported)).code == 0
    assert (exported / "journeys" / f"{JOURNEY}.json").exists()
    assert await coder.statuses(exported) == {"unchanged"}
    before = {path: path.read_bytes() for path in exported.rglob("*.json")}
    (exported / "segments" / "as-code-vip.json").write_text("{}")
    unread = await coder.run("plan", exported)
    assert (unread.code, "segment as-code-vip (only on the server)" in unread.out) == (1, False)
    assert "as-code-vip.json" in (await coder.run("export", exported)).out
    assert {path: path.read_bytes() for path in exported.rglob("*.json")} == before


async def _real_people_are_simulated(coder: Coder) -> None:
    call = ("simulate", coder.files.path, JOURNEY, "--from-system", "--start", "2027-01-04T09:00:00Z")
    tried = await coder.run(*call, "--against-published")
    assert tried.code == 0, tried.err
    assert "against the published version" in tried.out
    assert "no difference" in tried.out
    report = (await coder.run(*call, "--format", "json")).json["report"]
    assert report["entered"] == report["people"] > 0
    assert report["messages"]["as-code-hello"] >= 1


async def _the_story_is_told_and_why_there_is_none(coder: Coder) -> None:
    told = await coder.run("explain", "coder", JOURNEY)
    assert told.code == 0, told.err
    assert "hello" in told.out
    assert "a-day" in told.out
    await coder.shop.track(lambda client: client.identify("lurker", {"email": "lurker@example.com"}))
    why = await coder.run("explain", "lurker", JOURNEY)
    assert why.code == 0, why.err
    assert "why not" in why.out
    assert (await coder.run("explain", "coder", "no-such-journey")).code == 1
