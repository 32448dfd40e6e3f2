"""How findings are shown: a table for people, JSON for machines."""

from collections.abc import Iterable, Sequence

import orjson
from pydantic import BaseModel, JsonValue
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from authoring.findings import Finding, summary

COLOURS = {"error": "red", "warning": "yellow"}


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


def findings_table(found: Iterable[Finding]) -> Table:
    """One row per finding; nothing that stands in a file is taken for markup."""
    table = Table(Column("file", overflow="fold"), "", Column("where", overflow="fold"), "problem", "remedy")
    for each in found:
        colour = COLOURS.get(each.severity, "")
        row = (Text(each.file), Text(each.severity, colour), Text(each.path), Text(each.message), Text(each.remedy))
        table.add_row(*row)
    return table


def print_findings(found: Sequence[Finding], console: Console) -> None:
    """The table and a sum; nothing where nothing was found."""
    if found:
        console.print(findings_table(found))
        console.print(summary(found), highlight=False)
