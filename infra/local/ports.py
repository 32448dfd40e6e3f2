"""TCP ports: fixed by a setting or chosen."""

import socket
from collections.abc import Collection

from infra.local.errors import PortTakenError

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether nobody listens on `port` of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A port that the system hands out."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def choose(*, setting: str, fixed: int | None, preferred: int, taken: Collection[int]) -> int:
    """`fixed` if a setting gave it (PortTakenError when in use), else the first free one from `preferred` on that is
    not among `taken`; `preferred` 0 leaves the choice to the system."""
    if fixed is not None:
        if fixed in taken or not is_free(fixed):
            raise PortTakenError(fixed, setting)
        return fixed
    for port in range(preferred or 65536, min(preferred + 200, 65536)):
        if port not in taken and is_free(port):
            return port
    return any_free()
