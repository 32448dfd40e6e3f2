"""The commands for a running system: `reis publish`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from authoring import publishing
from authoring.commands.options import PROBLEMS, DataDir, data_dir, one_sentence

app = typer.Typer()


@app.command()
def publish(
    paths: Annotated[list[Path], typer.Argument(help="JSON files, or folders of them", exists=True)],
    at: DataDir = None,
) -> None:
    """Publishes computed traits, segments, templates and journeys to the running system."""
    with one_sentence():
        if not asyncio.run(publishing.publish(paths, data_dir(at), Console())):
            raise typer.Exit(PROBLEMS)
