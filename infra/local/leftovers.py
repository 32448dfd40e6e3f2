"""Processes that outlived a supervisor which was killed: remembered in the data folder, ended at the next start.

On Linux the kernel ends them with the supervisor; this is for the other systems, and for a launcher caught in between.
"""

import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import TypeAdapter, ValidationError

from infra.local.child import signal_group
from infra.local.folder import replace

_RECORD = TypeAdapter(dict[int, float])


class Leftovers:
    """A file of process ids, each with the instant at which the process began: an id alone may be somebody else's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, processes: Mapping[str, int]) -> None:
        """Remembers these processes (by program name) and no others."""
        found: dict[int, float] = {}
        for pid in processes.values():
            with suppress(psutil.NoSuchProcess):
                found[pid] = psutil.Process(pid).create_time()
        replace(self._path, _RECORD.dump_json(found).decode())

    def end(self) -> None:
        """Kills the groups of those that still run, and forgets them all. PostgreSQL survives that: it recovers."""
        with suppress(FileNotFoundError, ValidationError):
            for pid, began in _RECORD.validate_json(self._path.read_text()).items():
                with suppress(psutil.NoSuchProcess):
                    if psutil.Process(pid).create_time() == began:
                        signal_group(pid, signal.SIGKILL)
                        psutil.wait_procs([psutil.Process(pid)], timeout=10)
        self.forget()

    def forget(self) -> None:
        """After a stop: nothing is left."""
        self._path.unlink(missing_ok=True)
