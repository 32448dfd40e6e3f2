"""The local system, with real processes."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from infra.auth import KeyRing, Scope
from infra.local.environment import ordinary
from infra.local.errors import AlreadyRunningError, NotRunningError, PortTakenError, StartError
from infra.local.folder import DataFolder
from infra.local.process import START_ATTEMPTS
from infra.local.system import LocalSystem
from tests.infra.local.roles import BROKEN, NAMESAKES, STUBBORN, TINY, WITH_PARTS


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


async def _ask(http: httpx.AsyncClient, system: LocalSystem, role: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.get(system.url(role))).json()
    return answer


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_inside_the_context_every_role_answers_and_afterwards_none_is_left(tmp_path: Path, http: httpx.AsyncClient) -> None:
    async with LocalSystem(tmp_path, known_roles=TINY) as system:
        pids = [(await _ask(http, system, role))["pid"] for role in TINY]
        assert pids == [system.pid(role) for role in TINY]
        assert all(_alive(pid) for pid in pids)
    assert not any(_alive(pid) for pid in pids)
    assert {path.name for path in tmp_path.iterdir()} == {"clock.json", "keys.json", "logs", "ports.json"}


async def test_a_killed_role_is_started_again_on_its_old_address(tmp_path: Path, http: httpx.AsyncClient) -> None:
    async with LocalSystem(tmp_path, known_roles=TINY) as system:
        before = system.pid("second")
        for _ in range(START_ATTEMPTS + 1):  # what was ready once may end as often as it likes
            system.kill("second", signal.SIGKILL)
            await system.wait_ready("second")
        assert (await _ask(http, system, "second"))["pid"] == system.pid("second") != before
        assert {state.name: state.restarts for state in system.processes()} == {"first": 0, "second": START_ATTEMPTS + 1}


async def test_a_role_that_ignores_the_request_to_stop_is_killed_with_the_children_it_started(tmp_path: Path) -> None:
    async with LocalSystem(tmp_path, known_roles=STUBBORN) as system:
        child = int((tmp_path / "child").read_text())
        pid = system.pid("stubborn")
        assert _alive(child)
    assert not _alive(pid)
    assert not _alive(child)


async def test_a_program_that_cannot_start_fails_the_start_with_its_last_words_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no_such_module"):
        async with LocalSystem(tmp_path, known_roles={**TINY, **BROKEN}):
            pytest.fail("it should not start")
    with pytest.raises(NotRunningError):
        DataFolder(tmp_path).runtime()
    async with LocalSystem(tmp_path, known_roles=TINY):
        pass


async def test_a_second_system_on_the_same_folder_is_told_who_runs_the_first(tmp_path: Path) -> None:
    async with LocalSystem(tmp_path, known_roles=TINY):
        with pytest.raises(AlreadyRunningError, match=rf"process {os.getpid()} already runs"):
            async with LocalSystem(tmp_path, known_roles=TINY):
                pytest.fail("it should not start")
        assert DataFolder(tmp_path).runtime().pid == os.getpid()


async def test_a_taken_port_is_avoided_by_default_and_named_when_a_setting_fixes_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        (tmp_path / "ports.json").write_text(json.dumps({"first": taken}))
        async with LocalSystem(tmp_path, known_roles=TINY, environ=ordinary(os.environ)) as system:
            assert system.url("first") != f"http://127.0.0.1:{taken}"
        with pytest.raises(PortTakenError, match=rf"port {taken} for REIS_FIRST_PORT is taken"):
            async with LocalSystem(tmp_path, known_roles=TINY, environ={"REIS_FIRST_PORT": str(taken)}):
                pytest.fail("it should not start")


async def test_two_systems_that_start_at_once_do_not_want_the_same_ports(tmp_path: Path, http: httpx.AsyncClient) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ports.json").write_text(json.dumps({"first": 18200}))
    async with AsyncExitStack() as stack:
        systems = (LocalSystem(tmp_path / name, known_roles=TINY) for name in ("one", "other"))
        one, other = await asyncio.gather(*(stack.enter_async_context(system) for system in systems))
        assert one.url("first") != other.url("first")
        assert (await _ask(http, one, "first"))["pid"] == one.pid("first")
        assert (await _ask(http, other, "first"))["pid"] == other.pid("first")


async def test_the_next_start_finds_the_keys_the_addresses_and_the_time_of_the_last_one(tmp_path: Path) -> None:
    async with LocalSystem(tmp_path, known_roles=TINY, clock_factor=86_400) as system:
        keys, urls = system.keys, system.runtime.urls
        await _until(lambda: system.clock.now() > datetime.now(UTC) + timedelta(days=1))
        last = system.clock.now()
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    async with LocalSystem(tmp_path, known_roles=TINY) as system:
        assert system.keys == keys
        assert system.runtime.urls == urls
        assert system.clock.now() > last


async def test_the_roles_live_by_the_clock_of_the_system(tmp_path: Path, http: httpx.AsyncClient) -> None:
    start = datetime(2031, 5, 1, tzinfo=UTC)
    async with LocalSystem(tmp_path, known_roles=TINY, clock_factor=3600, clock_start=start) as system:
        before = system.clock.now()
        shown = datetime.fromisoformat((await _ask(http, system, "first"))["now"])
        assert start < before <= shown <= system.clock.now()


async def test_settings_of_the_caller_win_over_embedded_parts(tmp_path: Path, http: httpx.AsyncClient) -> None:
    given = {**ordinary(os.environ), "DATABASE_URL": "postgresql://elsewhere/reis", "TEMPORAL_ADDRESS": "elsewhere:7233"}
    async with LocalSystem(tmp_path, known_roles=WITH_PARTS, environ=given) as system:
        assert [state.name for state in system.processes()] == ["first"]
        env = (await _ask(http, system, "first"))["env"]
        assert env.items() >= given.items()


async def test_a_process_gets_what_was_planned_for_it_and_nothing_of_the_supervisors_own(
    tmp_path: Path, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "production")
    async with LocalSystem(tmp_path, known_roles=TINY, environ=ordinary(os.environ) | {"REIS_TIMEZONE": "Asia/Tokyo"}) as system:
        env = (await _ask(http, system, "first"))["env"]
    assert "TEMPORAL_NAMESPACE" not in env
    assert env["REIS_TIMEZONE"] == "Asia/Tokyo"


async def test_what_runs_here_is_called_here_though_the_caller_publishes_to_another_system(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    elsewhere = {f"REIS_{name}_URL": "https://elsewhere.example" for name in ("PROFILES", "SEGMENTS", "CHANNELS", "JOURNEYS")}
    given = {**ordinary(os.environ), **elsewhere, "REIS_SERVICE_KEY": "of-elsewhere", "REIS_PUBLIC_URL": "https://tunnel.example"}
    async with LocalSystem(tmp_path, known_roles=NAMESAKES, roles=["profiles", "channels"], environ=given) as system:
        env = (await _ask(http, system, "profiles"))["env"]
    assert env["REIS_PROFILES_URL"] == system.runtime.urls["profiles"]
    assert env["REIS_SEGMENTS_URL"] == "https://elsewhere.example"
    assert env["REIS_PUBLIC_URL"] == "https://tunnel.example"
    keyring = KeyRing.parse(env["REIS_API_KEYS"])
    assert keyring.caller(env["REIS_SERVICE_KEY"], Scope.PROFILES_READ).name == "services"
    assert keyring.caller(system.keys.admin_key, Scope.PROFILES_READ).name == "admin"


async def test_databases_and_workflows_run_beside_the_roles_and_stop_with_them(tmp_path: Path, http: httpx.AsyncClient) -> None:
    async with LocalSystem(tmp_path, known_roles=WITH_PARTS) as system:
        env = (await _ask(http, system, "first"))["env"]
        assert env["DATABASE_URL"] == system.runtime.database_url
        assert env["TEMPORAL_ADDRESS"] == system.runtime.temporal_address
        system.kill("postgres")
        await system.wait_ready("postgres")
        pids = [system.pid(name) for name in ("postgres", "temporal", "first")]
    assert not any(_alive(pid) for pid in pids)
    assert not (tmp_path / "postgres" / "socket").exists()


_UP = """
import asyncio, sys
from pathlib import Path
from infra.local.system import LocalSystem
from tests.infra.local.roles import WITH_PARTS

async def up():
    async with LocalSystem(Path(sys.argv[1]), known_roles=WITH_PARTS) as system:
        print(*[state.pid for state in system.processes()], flush=True)
        await asyncio.Event().wait()

asyncio.run(up())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's; elsewhere the next start cleans up")
async def test_a_supervisor_that_is_killed_takes_everything_with_it_and_the_next_start_recovers(tmp_path: Path) -> None:
    supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", _UP, str(tmp_path), stdout=asyncio.subprocess.PIPE)
    assert supervisor.stdout is not None
    pids = [int(pid) for pid in (await supervisor.stdout.readline()).split()]
    assert len(pids) == 3
    assert all(_alive(pid) for pid in pids)
    supervisor.kill()
    await supervisor.wait()
    await _until(lambda: not any(_alive(pid) for pid in pids))
    async with LocalSystem(tmp_path, known_roles=WITH_PARTS) as system:
        assert all(state.ready for state in system.processes())
