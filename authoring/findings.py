"""What is wrong with files: where, what, what would be right; for people as a table, for machines as JSON."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from conditions.problems import Problem
from infra.errors import Flaw


class Finding(BaseModel):
    """One problem with one file. `path` is a JSON path from the root, `$`."""

    model_config = ConfigDict(frozen=True)

    file: str
    path: str
    message: str
    remedy: str = ""
    severity: str = "error"


def findings(file: Path, problems: Iterable[Problem | Flaw], within: str = "$") -> list[Finding]:
    """Problems of a definition as findings about its file; `within` is where in the file it stands."""
    return [
        Finding(
            file=str(file),
            path=within + each.path.removeprefix("$"),
            message=each.message,
            remedy=each.remedy,
            severity=each.severity,
        )
        for each in problems
    ]


def has_errors(found: Iterable[Finding]) -> bool:
    """Whether anything but warnings was found."""
    return any(each.severity == "error" for each in found)


def in_order(found: Iterable[Finding]) -> list[Finding]:
    """By file, errors first, else as they were found."""
    return sorted(dict.fromkeys(found), key=lambda each: (each.file, each.severity != "error"))


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def summary(found: Sequence[Finding]) -> str:
    """`2 errors, 1 warning`."""
    errors = sum(each.severity == "error" for each in found)
    return f"{counted(errors, 'error')}, {counted(len(found) - errors, 'warning')}"
