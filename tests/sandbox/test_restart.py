"""What a restart must not lose: messages, callbacks still owed, keys."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from py_vapid import Vapid02
from pydantic import ValidationError

from sandbox.errors import JournalCorruptError, JournalInUseError
from sandbox.journal import FileJournal
from sandbox.records import CustomerSaved
from sandbox.settings import SandboxSettings
from tests.sandbox.conftest import StartSandbox
from tests.sandbox.support import Receiver, Sandbox, free_port, serving, until
from tests.sandbox.test_push import push, subscribe, vapid
from tests.sandbox.test_sendgrid import mail, post
from tests.sandbox.test_twilio import ADA, send

__all__ = ["vapid"]

RECORDS = [CustomerSaved(id=f"c{n}", name=f"Customer {n}") for n in range(3)]


def test_a_torn_last_line_is_cut_off_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for tear in (b'{"kind": "cust', b'{"kind": "cust\n'):
        path.unlink(missing_ok=True)
        journal = FileJournal(path)
        for record in RECORDS[:2]:
            journal.append(record)
        journal.close()
        path.write_bytes(path.read_bytes() + tear)
        journal = FileJournal(path)
        assert list(journal.load()) == RECORDS[:2]
        journal.append(RECORDS[2])
        journal.close()
        journal = FileJournal(path)
        assert list(journal.load()) == RECORDS
        journal.close()


def test_damage_in_the_middle_is_reported_not_skipped(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("nonsense\n" + RECORDS[0].model_dump_json() + "\n")
    journal = FileJournal(path)
    with pytest.raises(JournalCorruptError, match="line 1"):
        list(journal.load())
    journal.close()


def test_two_sandboxes_cannot_share_a_journal(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal.jsonl")
    with pytest.raises(JournalInUseError):
        FileJournal(tmp_path / "journal.jsonl")
    journal.close()


async def test_everything_is_still_there_after_a_restart(start_sandbox: StartSandbox, vapid: Vapid02) -> None:
    before = await start_sandbox()
    await before.post("/api/customers", {"name": "Ada", "phone": ADA})
    subscription = await subscribe(before, "Ada")
    sent = await send(before, status_callback="http://127.0.0.1:9/status?attempt=a-1")
    await before.act(sent.sid or "", "reply", text="STOP")
    await post(before, mail())
    port, key = before.settings.port, await before.get("/keys")

    async def settled() -> bool:
        views = await before.messages()
        return all(v["status"] in ("delivered", "received") for v in views)

    await until(settled)
    messages = await before.messages()
    await before.stop()

    after = await start_sandbox(port=port)
    assert await after.messages() == messages
    assert await after.get("/keys") == key
    assert list(await after.get("/api/suppressions")) == [f"{ADA} +15557654321"]
    assert (await push(subscription, vapid)).status_code == 201
    assert len(await after.messages(to="Ada")) == 3


async def test_a_callback_waits_for_a_receiver_that_is_away(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    port = free_port()
    sandbox = await start_sandbox(sendgrid_events_url=f"http://127.0.0.1:{port}/events")
    await send(sandbox, status_callback=f"http://127.0.0.1:{port}/status")
    await post(sandbox, mail())

    async def retried() -> bool:
        return bool((await sandbox.get("/api/stats"))["callbacks"]["retries"] >= 3)

    await until(retried)
    async with serving(receiver, port):
        await receiver.until(lambda rs: len([r for r in rs if r.path == "/status"]) == 2)
        await receiver.events("processed", "delivered")

        async def all_delivered() -> bool:
            callbacks = (await sandbox.get("/api/stats"))["callbacks"]
            return bool(callbacks["delivered"] == 4 and callbacks["pending"] == 0)

        await until(all_delivered)


async def test_a_receiver_that_errs_is_asked_again_and_one_that_refuses_is_not(sandbox: Sandbox, receiver: Receiver) -> None:
    receiver.answers = [503, 429, 204]
    message = await _act_without_delivery(sandbox)
    await receiver.until(lambda rs: len(rs) == 3)
    receiver.answers = [400]
    await sandbox.act(message, "reply", text="two")
    await receiver.until(lambda rs: len(rs) == 4)

    async def counted() -> bool:
        callbacks = (await sandbox.get("/api/stats"))["callbacks"]
        return bool(callbacks["delivered"] == 1 and callbacks["refused"] == 1 and callbacks["pending"] == 0)

    await until(counted)


async def test_a_callback_given_up_is_counted(start_sandbox: StartSandbox) -> None:
    url = f"http://127.0.0.1:{free_port()}/inbound"
    sandbox = await start_sandbox(twilio_inbound_url=url, callback_retry_seconds=0.3)
    await _act_without_delivery(sandbox)

    async def lost() -> bool:
        return bool((await sandbox.get("/api/stats"))["callbacks"]["lost"] == 1)

    await until(lost)


async def test_a_callback_too_many_is_counted_as_lost_at_once(start_sandbox: StartSandbox) -> None:
    url = f"http://127.0.0.1:{free_port()}/inbound"
    sandbox = await start_sandbox(twilio_inbound_url=url, callback_limit=1)
    message = await _act_without_delivery(sandbox)
    await sandbox.act(message, "reply", text="two")
    callbacks = (await sandbox.get("/api/stats"))["callbacks"]
    assert (callbacks["pending"], callbacks["lost"]) == (1, 1)


async def test_callbacks_can_be_switched_off(start_sandbox: StartSandbox, receiver_url: str) -> None:
    sandbox = await start_sandbox(twilio_inbound_url=f"{receiver_url}/inbound", callbacks=False)
    await _act_without_delivery(sandbox)
    assert set((await sandbox.get("/api/stats"))["callbacks"].values()) == {0}


@pytest.fixture
async def killable(tmp_path: Path) -> AsyncIterator["Killable"]:
    process = Killable(tmp_path)
    yield process
    await process.kill()


class Killable:
    """``python -m sandbox`` as its own process."""

    def __init__(self, data_dir: Path) -> None:
        self.port = free_port()
        self._env = {**os.environ, "SANDBOX_PORT": str(self.port), "SANDBOX_DATA_DIR": str(data_dir)}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, **settings: str) -> httpx.AsyncClient:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sandbox", env=self._env | settings, cwd=Path(__file__).parents[2]
        )
        url = f"http://127.0.0.1:{self.port}"

        async def ready() -> bool:
            try:
                async with httpx.AsyncClient() as probe:
                    return (await probe.get(f"{url}/readyz")).status_code == 200
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                return False

        await until(ready)
        return httpx.AsyncClient(base_url=url)

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> int | None:
        if self._process is None or self._process.returncode is not None:
            return None
        self._process.send_signal(how)
        return await self._process.wait()


async def test_a_killed_sandbox_still_pays_the_callbacks_it_owes(killable: Killable, receiver: Receiver) -> None:
    port = free_port()
    settings = {
        "SANDBOX_SENDGRID_EVENTS_URL": f"http://127.0.0.1:{port}/events",
        "SANDBOX_STATUS_DELAY_SECONDS": "0.05",
    }
    async with await killable.start(**settings) as client:
        headers = {"Authorization": "Bearer SG.sandbox"}
        assert (await client.post("/v3/mail/send", json=mail(), headers=headers)).status_code == 202

        async def owed() -> bool:
            return bool((await client.get("/api/stats")).json()["callbacks"]["pending"] >= 1)

        await until(owed)
    await killable.kill()
    async with serving(receiver, port), await killable.start(**settings):
        await receiver.events("processed", "delivered")
    assert await killable.kill(signal.SIGTERM) == -signal.SIGTERM  # uvicorn stops in order, then passes the signal on


def test_a_journey_link_with_an_unknown_field_is_refused_at_start() -> None:
    with pytest.raises(ValidationError, match="can be filled in"):
        SandboxSettings(reis_links="http://127.0.0.1/{name}")


def test_the_sandbox_listens_on_loopback_only() -> None:
    with pytest.raises(ValidationError, match="loopback"):
        SandboxSettings(host="0.0.0.0")
    assert SandboxSettings(port=8123).public_url == "http://127.0.0.1:8123"


async def _act_without_delivery(sandbox: Sandbox) -> str:
    sent = await send(sandbox)
    await sandbox.act(sent.sid or "", "reply", text="one")
    return sent.sid or ""
