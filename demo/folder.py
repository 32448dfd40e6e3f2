"""The data folder of the demo: always a fresh one, and never somebody's own system."""

from pathlib import Path

from infra.local.errors import LocalSystemError
from infra.local.folder import DataFolder

MARK = "demo.json"


class ForeignFolderError(LocalSystemError):
    """The folder holds a system that no demo made."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} holds a system of your own, and a demo would mix with it; "
            "give the demo another folder with --data-dir, or move that one away"
        )


def fresh(folder: Path, story: str) -> Path | None:
    """Makes `folder` empty and marks it as the demo's; an earlier demo's state is set aside, and where it went answered.

    Raises ForeignFolderError when it holds anything else, AlreadyRunningError when a system runs on it.
    """
    aside: Path | None = None
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise ForeignFolderError(folder)
        with DataFolder(folder).locked():
            aside = _free(folder)
        folder.rename(aside)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / MARK).write_text(story)
    return aside


def _free(folder: Path) -> Path:
    number = 1
    while (candidate := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return candidate
