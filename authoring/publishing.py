"""`reis publish`: files of computed traits, segments, templates and journeys go to the running system."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Column, Table

from infra.errors import Flaw, ReisError, Rejected
from infra.http import ServiceClient
from infra.local.errors import NotRunningError
from infra.local.folder import DataFolder
from infra.local.keys import Keys
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of definition: the folder its files lie in, a field that only it has, and where it is published."""

    folder: str
    field: str
    service: str
    path: str


# In the order in which they refer to each other.
KINDS = (
    Kind("computed", "take", "segments", "/v1/computed-traits/{key}"),
    Kind("segments", "condition", "segments", "/v1/segments/{key}"),
    Kind("templates", "email", "channels", "/v1/templates/{key}"),
    Kind("journeys", "steps", "journeys", "/v1/journeys/{key}"),
)


@dataclass(frozen=True, slots=True)
class Definition:
    """One file."""

    path: Path
    kind: Kind
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file; without errors among its flaws it is published."""

    path: Path
    flaws: tuple[Flaw, ...] = ()

    @property
    def published(self) -> bool:
        return not any(flaw.severity == "error" for flaw in self.flaws)


async def publish(paths: Sequence[Path], folder: Path, console: Console) -> bool:
    """Publishes every file that can be; prints what became of each; answers whether all went well."""
    outcomes: list[Outcome] = []
    definitions: list[Definition] = []
    for path in _files(paths):
        read = _read(path)
        if isinstance(read, Definition):
            definitions.append(read)
        else:
            outcomes.append(read)
    urls, key = _running(folder)
    for kind in KINDS:
        if of_kind := [each for each in definitions if each.kind == kind]:
            async with ServiceClient(kind.service, urls[kind.service], key=key) as client:
                outcomes += await _publish_all(client, of_kind)
    console.print(_table(outcomes))
    return all(outcome.published for outcome in outcomes)


async def _publish_all(client: ServiceClient, definitions: list[Definition]) -> list[Outcome]:
    """Those of one kind may refer to each other: what was refused is tried again as long as another one went through."""
    outcomes: dict[Path, Outcome] = {}
    waiting = definitions
    while waiting:
        outcomes |= {each.path: await _publish(client, each) for each in waiting}
        refused = [each for each in waiting if not outcomes[each.path].published]
        if len(refused) == len(waiting):
            break
        waiting = refused
    return list(outcomes.values())


def _files(paths: Iterable[Path]) -> list[Path]:
    found = (sorted(path.rglob("*.json")) if path.is_dir() else [path] for path in paths)
    return [path for each in found for path in each if not path.name.endswith(".test.json")]


def _read(path: Path) -> Definition | Outcome:
    try:
        body = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        return Outcome(path, (Flaw(path="$", message=f"is not JSON: {error}", remedy="correct it there"),))
    if not isinstance(body, dict) or not isinstance(body.get("key"), str):
        return Outcome(path, (Flaw(path="$.key", message="is missing", remedy="give the definition a key, its name in URLs"),))
    for kind in KINDS:
        if path.parent.name == kind.folder:
            return Definition(path, kind, body)
    for kind in KINDS:
        if kind.field in body:
            return Definition(path, kind, body)
    known = ", ".join(kind.folder for kind in KINDS)
    return Outcome(path, (Flaw(path="$", message="its kind is not clear", remedy=f"put it into a folder named {known}"),))


def _running(folder: Path) -> tuple[dict[str, str], str]:
    """The addresses and a key: the local system's when one runs on `folder`, else those of the settings."""
    settings = Settings()
    data = DataFolder(folder)
    try:
        return data.runtime().urls, Keys.kept_in(data.keys).admin_key
    except NotRunningError:
        if not settings.service_key.get_secret_value():
            raise
    urls = {"segments": settings.segments_url, "channels": settings.channels_url, "journeys": settings.journeys_url}
    return urls, settings.service_key.get_secret_value()


async def _publish(client: ServiceClient, definition: Definition) -> Outcome:
    path = definition.kind.path.format(key=definition.body["key"])
    named = definition.kind.folder == "journeys"  # the others are named by the address alone
    body = definition.body if named else {name: value for name, value in definition.body.items() if name != "key"}
    try:
        answer = orjson.loads(await client.request("PUT", path, body))
    except Rejected as error:
        return Outcome(definition.path, error.flaws or (Flaw(path="$", message=str(error)),))
    except ReisError as error:
        return Outcome(definition.path, (Flaw(path="$", message=str(error), remedy="try again when the service runs"),))
    return Outcome(definition.path, tuple(Flaw.model_validate(flaw) for flaw in answer.get("warnings", ())))


def _table(outcomes: Iterable[Outcome]) -> Table:
    table = Table(Column("file", overflow="fold"), "", Column("where", overflow="fold"), "problem", "remedy")
    for outcome in outcomes:
        if outcome.published:
            table.add_row(str(outcome.path), "[green]published[/]")
        for flaw in outcome.flaws:
            table.add_row(str(outcome.path), f"[red]{flaw.severity}[/]", flaw.path, flaw.message, flaw.remedy)
    return table
