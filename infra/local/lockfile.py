"""A file that one process holds: the kernel lets go of it however that process ends, and a release removes it."""

import fcntl
import os
from pathlib import Path


class HeldError(Exception):
    """Somebody else holds the file; `pid` is the holder's, where it says so."""

    def __init__(self, path: Path, pid: int | None) -> None:
        super().__init__(f"{path} is held by process {pid}")
        self.pid = pid


class Lockfile:
    """Held from its making until `release`. Raises HeldError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = self._acquire()

    def release(self) -> None:
        """Removes the file, then lets go of it."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    @staticmethod
    def is_held(path: Path) -> bool:
        """Whether a process holds `path`."""
        try:
            Lockfile(path).release()
        except HeldError:
            return True
        return False

    def _acquire(self) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(descriptor, 20, 0).decode()
                os.close(descriptor)
                raise HeldError(self._path, int(holder) if holder.isdigit() else None) from error
            if self._is_current(descriptor):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                return descriptor
            os.close(descriptor)  # its last holder removed the file meanwhile

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False
