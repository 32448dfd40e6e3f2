"""The data folder: everything a local system keeps between two starts, and the lock that makes it one system's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.local.errors import AlreadyRunningError, NotRunningError
from infra.local.lockfile import HeldError, Lockfile


class Runtime(BaseModel):
    """What a running system tells the commands that want to talk to it. Holds no secret."""

    model_config = ConfigDict(frozen=True)

    pid: int
    urls: dict[str, str]
    database_url: str | None = None
    temporal_address: str | None = None
    temporal_ui: str | None = None


class DataFolder:
    """Paths below one folder; created when locked."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgres = self.path / "postgres"
        self.temporal = self.path / "temporal"
        self.logs = self.path / "logs"
        self.keys = self.path / "keys.json"
        self.clock = self.path / "clock.json"
        self.ports = self.path / "ports.json"
        self.processes = self.path / "processes.json"
        self.sandbox = self.path / "sandbox"
        self._lock = self.path / "lock"
        self._runtime = self.path / "runtime.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder; the kernel lets go of it however this process ends. Raises AlreadyRunningError."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            lock = Lockfile(self._lock)
        except HeldError as error:
            raise AlreadyRunningError(self.path, error.pid) from error
        try:
            yield
        finally:
            self._runtime.unlink(missing_ok=True)
            lock.release()

    def write_runtime(self, runtime: Runtime) -> None:
        """Says that a system runs here, and where."""
        replace(self._runtime, runtime.model_dump_json(indent=2))

    def runtime(self) -> Runtime:
        """Of the running system; raises NotRunningError when none does."""
        with suppress(FileNotFoundError, ValidationError):
            found = Runtime.model_validate_json(self._runtime.read_text())
            if Lockfile.is_held(self._lock):
                return found
        raise NotRunningError(self.path)


def replace(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Writes a file so that a reader sees the old or the new text, never half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
