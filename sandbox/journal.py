"""An append-only file of JSON lines: what the sandbox remembers over a restart."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from sandbox.errors import JournalCorruptError, JournalInUseError
from sandbox.records import RECORDS, Record


class Storage(Protocol):
    """Keeps records in order. ``load`` is called once, before the first ``append``."""

    def load(self) -> Iterator[Record]: ...

    def append(self, record: Record) -> None: ...

    def close(self) -> None: ...


class FileJournal:
    """A journal in one file.

    Every record is handed to the operating system at once, so a killed process loses none; there is no fsync,
    so a power cut may. A torn last line (the process died within a write) is cut off at load.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise JournalInUseError(str(path)) from None

    def load(self) -> Iterator[Record]:
        good = 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    record = RECORDS.validate_json(line)
                except ValidationError:
                    if lines.read(1):
                        raise JournalCorruptError(str(self._path), number) from None
                    break
                good += len(line)
                yield record
        os.ftruncate(self._fd, good)

    def append(self, record: Record) -> None:
        line = record.model_dump_json(by_alias=True, exclude_defaults=False).encode() + b"\n"
        os.write(self._fd, line)

    def close(self) -> None:
        os.close(self._fd)
