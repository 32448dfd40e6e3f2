"""What can go wrong with the local system, each with what to do about it."""

from pathlib import Path


class LocalSystemError(Exception):
    """Base of everything infra.local raises."""


class AlreadyRunningError(LocalSystemError):
    """Another supervisor holds the data folder."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{who} already runs a system on {folder}; stop it with Ctrl-C there, or choose another folder with REIS_DATA_DIR"
        )
        self.folder, self.pid = folder, pid


class PortTakenError(LocalSystemError):
    """A port that a setting fixes is in use."""

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(
            f"port {port} for {setting} is taken; free it, choose another in {setting}, or unset it to have a free one chosen"
        )
        self.port, self.setting = port, setting


class NotRunningError(LocalSystemError):
    """No system runs on the data folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no system runs on {folder}; start one with `reis up`")
        self.folder = folder


class StartError(LocalSystemError):
    """A program ended, or stayed unready, while the system was starting."""

    def __init__(self, program: str, reason: str, tail: str = "") -> None:
        super().__init__(f"{program} did not start: {reason}" + (f"\n{tail}" if tail else ""))
        self.program = program


class MissingProgramError(LocalSystemError):
    """A program that a wheel should have brought is not there."""

    def __init__(self, program: str, distribution: str) -> None:
        super().__init__(
            f"{program} not found: the wheel {distribution} is not installed for this platform; use an own server instead"
        )
        self.program = program
