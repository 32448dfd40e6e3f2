"""The commands that need files alone: `reis validate`, `reis schema`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from authoring.checks import check_folder
from authoring.commands.options import PROBLEMS, Format, OutputFormat
from authoring.console import print_findings, print_json
from authoring.findings import counted, has_errors
from authoring.folder import Folder, read_folder
from authoring.kinds import KINDS
from authoring.schemas import SchemaKind, schema_of

app = typer.Typer()


@app.command()
def validate(
    paths: Annotated[list[Path], typer.Argument(help="Folders of journeys as code", exists=True)],
    output: OutputFormat = Format.TEXT,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too")] = False,
) -> None:
    """Finds everything that is wrong with journeys, segments, templates and tests, without any server."""
    folder = read_folder(paths)
    found = check_folder(folder).findings
    failed = has_errors(found) or (strict and bool(found))
    if output is Format.JSON:
        print_json({"valid": not failed, "findings": [each.model_dump() for each in found]})
    else:
        console = Console()
        print_findings(found, console)
        console.print(f"{_contents(folder)}: " + ("not valid" if failed else "valid"), highlight=False)
    if failed:
        raise typer.Exit(PROBLEMS)


@app.command()
def schema(
    kind: Annotated[SchemaKind, typer.Option("--kind", help="Of which kind of file")] = SchemaKind.JOURNEY,
) -> None:
    """Prints the JSON Schema of a journey, or of another kind of file."""
    print_json(schema_of(kind))


def _contents(folder: Folder) -> str:
    counts = [(len(folder.of(kind)), kind) for kind in KINDS]
    parts = [f"{number} {kind.name if number == 1 else kind.plural}" for number, kind in counts if number]
    parts += [counted(len(folder.tests), "test file")] if folder.tests else []
    return ", ".join(parts) or "no files"
