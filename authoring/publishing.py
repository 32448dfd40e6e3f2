"""Definitions go to the running system, in the order in which they refer to each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import orjson
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from authoring.findings import Finding, findings, has_errors
from authoring.folder import Definition, read_folder
from authoring.kinds import JOURNEY, KINDS
from authoring.parts import bare
from authoring.system import System, connected
from infra.errors import Flaw, ReisError, Rejected


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file; without errors among its findings it is published."""

    file: str
    findings: tuple[Finding, ...] = ()

    @property
    def published(self) -> bool:
        return not has_errors(self.findings)


async def publish(paths: Sequence[Path], data_dir: Path, console: Console) -> bool:
    """Publishes every file that can be; prints what became of each; answers whether all went well."""
    folder = read_folder(paths)
    outcomes = [Outcome(each.file, (each,)) for each in folder.findings]
    async with connected(data_dir) as system:
        outcomes += await put_all(system, folder.definitions)
    console.print(_table(outcomes))
    return all(outcome.published for outcome in outcomes)


async def put_all(system: System, definitions: Sequence[Definition]) -> list[Outcome]:
    """Kind after kind. Those of one kind may refer to each other: the refused are tried again as long as another went through."""
    outcomes: dict[Path, Outcome] = {}
    for kind in KINDS:
        waiting = [each for each in definitions if each.kind is kind]
        while waiting:
            outcomes |= {each.path: await _put(system, each) for each in waiting}
            refused = [each for each in waiting if not outcomes[each.path].published]
            if len(refused) == len(waiting):
                break
            waiting = refused
    return list(outcomes.values())


async def _put(system: System, definition: Definition) -> Outcome:
    file = str(definition.path)
    body = definition.body if definition.kind is JOURNEY else bare(definition)
    try:
        client = system.service(definition.kind)
        answer = orjson.loads(await client.request("PUT", f"{definition.kind.path}/{quote(definition.key, safe='')}", body))
    except Rejected as error:
        return Outcome(file, tuple(findings(definition.path, error.flaws or [Flaw(path="$", message=str(error))])))
    except ReisError as error:
        flaw = Flaw(path="$", message=str(error), remedy="try again when the service runs")
        return Outcome(file, tuple(findings(definition.path, [flaw])))
    warnings = [Flaw.model_validate(flaw) for flaw in answer.get("warnings", ())]
    return Outcome(file, tuple(findings(definition.path, warnings)))


def _table(outcomes: Iterable[Outcome]) -> Table:
    table = Table(Column("file", overflow="fold"), "", Column("where", overflow="fold"), "problem", "remedy")
    for outcome in outcomes:
        if outcome.published:
            table.add_row(Text(outcome.file), "[green]published[/]")
        for each in outcome.findings:
            severity = Text(each.severity, "red" if each.severity == "error" else "yellow")
            table.add_row(Text(outcome.file), severity, Text(each.path), Text(each.message), Text(each.remedy))
    return table
