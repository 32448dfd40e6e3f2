"""The embedded PostgreSQL."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from infra.local.postgres import EmbeddedPostgres


def _server_of(folder: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _runs_on(process, folder)]


def _runs_on(process: psutil.Process, folder: Path) -> bool:
    try:
        return str(folder / "cluster") in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def _psycopg(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


def test_a_stopped_server_leaves_no_process_and_no_socket_and_its_data_are_there_again(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        server.create_databases(["shop"])
        with psycopg.connect(_psycopg(server.url("shop"))) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    assert _server_of(tmp_path) == []
    assert not server.socket_dir.exists()
    with EmbeddedPostgres(tmp_path) as again, psycopg.connect(_psycopg(again.url("shop"))) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_commit_survives_the_kill_of_every_server_process(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server = EmbeddedPostgres(tmp_path)
    request.addfinalizer(server.stop)
    server.start()
    with psycopg.connect(_psycopg(server.url("postgres"))) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    for process in _server_of(tmp_path):
        for each in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):  # backends leave by themselves when their postmaster does
                each.send_signal(signal.SIGKILL)
        process.wait(10)
    with EmbeddedPostgres(tmp_path) as again, psycopg.connect(_psycopg(again.url("postgres"))) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_lock_file_whose_process_id_now_belongs_to_somebody_else_does_not_stop_the_start(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path):
        lock = (tmp_path / "cluster" / "postmaster.pid").read_text().splitlines()
    lock[0] = str(os.getpid())
    (tmp_path / "cluster" / "postmaster.pid").write_text("\n".join(lock))
    with EmbeddedPostgres(tmp_path) as server:
        assert server.is_ready()


def test_a_data_folder_with_a_long_path_gets_a_socket_folder_with_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 120)
    with EmbeddedPostgres(deep) as server:
        assert len(str(server.socket_dir)) < 90
        assert server.is_ready()
    assert not server.socket_dir.exists()


def test_commits_wait_for_the_disk_unless_told_otherwise(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server, psycopg.connect(_psycopg(server.url("postgres"))) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        assert connection.execute("SHOW max_connections").fetchone() == ("200",)
