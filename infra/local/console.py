"""What the processes say: to the terminal with their name in front, and to a file each."""

from collections.abc import Iterable
from pathlib import Path
from typing import IO

ROTATE_BYTES = 20_000_000
TAIL_LINES = 15
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class Console:
    """`terminal=None` writes files only. Programs in `quiet` (the infrastructure) reach the terminal never."""

    def __init__(self, folder: Path, names: Iterable[str], *, terminal: IO[str] | None, quiet: Iterable[str] = ()) -> None:
        self._folder = folder
        self._terminal = terminal
        self._quiet = frozenset(quiet)
        known = [name for name in names if name not in self._quiet]
        self._width = max((len(name) for name in known), default=0)
        coloured = terminal is not None and terminal.isatty()
        self._colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(known)} if coloured else {}
        self._files: dict[str, IO[str]] = {}
        self._tails: dict[str, list[str]] = {}

    def line(self, name: str, text: str) -> None:
        """One line of the program `name`."""
        self._file(name).write(text + "\n")
        tail = self._tails.setdefault(name, [])
        tail.append(text)
        del tail[:-TAIL_LINES]
        if name not in self._quiet:
            self._show(name, text)

    def notice(self, name: str, text: str) -> None:
        """One line of the supervisor about the program `name`; shown for quiet programs too."""
        self._file(name).write(f"-- {text}\n")
        self._show(name, text)

    def tail(self, name: str) -> str:
        """The last lines of a program."""
        return "\n".join(self._tails.get(name, ()))

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _show(self, name: str, text: str) -> None:
        if self._terminal is None:
            return
        prefix = f"{name:<{self._width}} |"
        colour = self._colours.get(name)
        print(f"\x1b[{colour}m{prefix}\x1b[0m {text}" if colour else f"{prefix} {text}", file=self._terminal, flush=True)

    def _file(self, name: str) -> IO[str]:
        if name not in self._files:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / f"{name}.log"
            if path.exists() and path.stat().st_size > ROTATE_BYTES:
                path.replace(path.with_suffix(".log.1"))
            self._files[name] = path.open("a", buffering=1, errors="replace")
        return self._files[name]
