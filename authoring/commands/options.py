"""What the commands' arguments and options have in common, and how they fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.failures import told
from infra.settings import Settings

PROBLEMS = 1
"""Exit code: something is wrong with the files, or differs, or was refused. (0: all well; 2: the command was called wrongly.)"""

FolderPath = Annotated[Path, typer.Argument(help="A folder of journeys as code", exists=True, file_okay=False)]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The local system's folder (else REIS_DATA_DIR, else .reis)"),
]


class Format(StrEnum):
    """For people, or for machines."""

    TEXT = "text"
    JSON = "json"


OutputFormat = Annotated[Format, typer.Option("--format", help="text for people, json for machines")]


def data_dir(given: Path | None) -> Path:
    return given or Settings().data_dir


@contextmanager
def one_sentence() -> Iterator[None]:
    """Errors that have a remedy become a sentence on stderr and exit code 1."""
    with told():
        yield
