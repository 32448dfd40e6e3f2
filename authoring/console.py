"""How findings are shown: a list for people, JSON for machines."""

from collections.abc import Iterable, Sequence

import orjson
from pydantic import BaseModel, JsonValue
from rich.console import Console
from rich.text import Text

from authoring.findings import Finding, summary

_WIDE = 500
COLOURS = {"error": "red", "warning": "yellow"}


def for_people() -> Console:
    """Standard output: as wide as the terminal; wide enough for everything where it goes to a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)


def print_json(value: BaseModel | JsonValue | Sequence[BaseModel]) -> None:
    """One JSON document on stdout."""
    print(orjson.dumps(_plain(value), option=orjson.OPT_INDENT_2).decode())


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def findings_text(found: Iterable[Finding]) -> Text:
    """File by file, with places that can be copied; nothing that stands in a file is taken for markup."""
    lines, file = Text(), None
    for each in found:
        if each.file != file:
            lines.append(f"{each.file}\n", "bold")
            file = each.file
        lines.append(f"  {each.severity:<7}", COLOURS.get(each.severity, "")).append(f"  {each.path}  ", "cyan")
        lines.append(f"{each.message}\n")
        if each.remedy:
            lines.append(f"           → {each.remedy}\n")
    return lines


def print_findings(found: Sequence[Finding], console: Console) -> None:
    """The list and a sum; nothing where nothing was found."""
    if found:
        console.print(findings_text(found), soft_wrap=True, end="")
        console.print(summary(found), highlight=False)
