"""The commands for a running system: `reis publish`, `reis plan`, `reis apply`, `reis export`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from authoring import publishing
from authoring.aftermath import preview_lines, previews
from authoring.applying import apply_plan, planned
from authoring.commands.options import PROBLEMS, DataDir, FolderPath, Format, OutputFormat, data_dir, one_sentence
from authoring.console import print_findings, print_json
from authoring.exporting import export as write_files
from authoring.findings import counted, has_errors
from authoring.plan_text import print_plan
from authoring.planning import Plan, running
from authoring.system import connected

app = typer.Typer()


@app.command()
def publish(
    paths: Annotated[list[Path], typer.Argument(help="JSON files, or folders of them", exists=True)],
    at: DataDir = None,
) -> None:
    """Publishes computed traits, segments, templates and journeys to the running system, without asking."""
    with one_sentence():
        if not asyncio.run(publishing.publish(paths, data_dir(at), Console())):
            raise typer.Exit(PROBLEMS)


@app.command()
def plan(folder: FolderPath, at: DataDir = None, output: OutputFormat = Format.TEXT) -> None:
    """Shows what applying the folder would change in the running system, and whom of the people under way it is about."""

    async def shown() -> bool:
        async with connected(data_dir(at)) as system:
            made, checked = await planned(system, [folder])
        if output is Format.JSON:
            print_json({**made.model_dump(mode="json"), "findings": [each.model_dump() for each in checked.findings]})
        else:
            print_findings(checked.findings, Console())
            print_plan(made, Console())
        return not has_errors(checked.findings)

    with one_sentence():
        if not asyncio.run(shown()):
            raise typer.Exit(PROBLEMS)


@app.command()
def apply(
    folder: FolderPath,
    at: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking")] = False,
) -> None:
    """Shows the plan, asks, and brings what is new or changed to the running system; people under way keep their version."""
    with one_sentence():
        if not asyncio.run(_apply(folder, data_dir(at), yes=yes)):
            raise typer.Exit(PROBLEMS)


async def _apply(folder: Path, at: Path, *, yes: bool) -> bool:
    console = Console()
    async with connected(at) as system:
        made, checked = await planned(system, [folder])
        print_findings(checked.findings, console)
        print_plan(made, console)
        if made.is_empty:
            console.print("nothing to do")
            return not has_errors(checked.findings)
        if not yes and not typer.confirm(f"Apply {_sum(made)}?"):
            console.print("nothing was done")
            return False
        outcomes = await apply_plan(system, made, checked)
        applied = [outcome.file for outcome in outcomes if outcome.published]
        after = await previews(system, made, applied)
    for outcome in outcomes:
        word = Text("applied", "green") if outcome.published else Text("not applied", "red")
        console.print(Text.assemble(word, f"  {outcome.file}"), soft_wrap=True)
    for key, preview in after.items():
        for line in preview_lines(key, preview):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    refused = [each for outcome in outcomes for each in outcome.findings]
    print_findings([each for each in refused if each not in checked.findings], console)
    failed = [outcome for outcome in outcomes if not outcome.published]
    if failed:
        console.print(f"{counted(len(failed), 'file')} not applied; what could be applied was", style="red", highlight=False)
    return not failed and not has_errors(checked.findings)


def _sum(made: Plan) -> str:
    return f"{len(made.of('new'))} new and {len(made.of('changed'))} changed"


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to write; made when it is not there", file_okay=False)],
    at: DataDir = None,
) -> None:
    """Writes what runs to files, one per definition, always in the same form; files that say the same stay as they are."""

    async def written() -> None:
        async with connected(data_dir(at)) as system:
            known = await running(system)
        files = write_files(known, folder)
        for each in files:
            if each.status != "as before":
                Console().print(f"{each.status:8} {each.path}", highlight=False, markup=False, soft_wrap=True)
        same = sum(each.status == "as before" for each in files)
        Console().print(f"{counted(len(files) - same, 'file')} written, {same} as before", highlight=False)

    with one_sentence():
        asyncio.run(written())
