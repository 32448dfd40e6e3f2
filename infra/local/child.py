"""One child process: started through infra.local.launch, in its own process group, ended as a whole group."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

LAUNCHER = Path(__file__).with_name("launch.py")


def launch_command(
    command: Sequence[str], *, death_signal: signal.Signals = signal.SIGKILL, unprivileged: bool = False
) -> list[str]:
    """`command` as it must be spawned so that it dies (by `death_signal`) with the calling process, and never runs as
    root when `unprivileged`. Spawn from the main thread: the kernel watches the spawning thread."""
    options = [str(os.getpid()), str(int(death_signal)), *(["--unprivileged"] if unprivileged else [])]
    return [sys.executable, "-I", "-S", str(LAUNCHER), *options, "--", *command]


def signal_group(pid: int, sent: signal.Signals) -> None:
    """Signals the process group that `pid` leads; one that is gone is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, sent)


class Child:
    """A child for synchronous owners (test fixtures, one-shot commands); the supervisor has its own, asynchronous way."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, output: IO[bytes] | None = None) -> None:
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the process, and of the group that it leads."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def stop(self, asked: signal.Signals, seconds: float = 20) -> None:
        """Asks with `asked`, then kills the group after `seconds`."""
        if self.running:
            self._process.send_signal(asked)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            signal_group(self.pid, signal.SIGKILL)
            self._process.wait()
        signal_group(self.pid, signal.SIGKILL)
