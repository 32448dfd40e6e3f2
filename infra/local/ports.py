"""TCP ports: fixed by a setting or chosen, and kept from other local systems that start at the same moment."""

import os
import random
import socket
import tempfile
from pathlib import Path

from infra.local.errors import PortTakenError
from infra.local.lockfile import HeldError, Lockfile

HOST = "127.0.0.1"
_NOT_LENT = range(20_000, 32_000)
"""Below what Linux, macOS and Windows lend to outgoing connections, any of which could take a port before it is bound."""


def any_free() -> int:
    """A free port that no outgoing connection will be given before it is bound."""
    for port in random.SystemRandom().sample(_NOT_LENT, 1000):
        if _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Ports:
    """The ports of one local system, reserved from `choose` until `release`: a process needs seconds to bind its own."""

    def __init__(self) -> None:
        self._held: list[Lockfile] = []

    def choose(self, *, setting: str, fixed: int | None, preferred: int) -> int:
        """`fixed` if a setting gave it (PortTakenError when in use), else the first free one from `preferred` on;
        `preferred` 0 takes any."""
        if fixed is not None:
            if not self._reserve(fixed):
                raise PortTakenError(fixed, setting)
            return fixed
        for port in range(preferred, min(preferred + 200, 65536)) if preferred else ():
            if self._reserve(port):
                return port
        while True:
            if self._reserve(port := any_free()):
                return port

    def release(self) -> None:
        """Others may have them."""
        for held in self._held:
            held.release()
        self._held.clear()

    def _reserve(self, port: int) -> bool:
        try:
            lock = Lockfile(Path(tempfile.gettempdir(), f"reis-port-{port}-{os.getuid()}.lock"))
        except HeldError:
            return False
        if not _is_free(port):
            lock.release()
            return False
        self._held.append(lock)
        return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
