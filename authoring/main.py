"""The commands that keep journeys as code."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from authoring import publishing
from infra.cli.failures import told
from infra.settings import Settings

app = typer.Typer()

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The local system's folder (else REIS_DATA_DIR, else .reis)"),
]


@app.command()
def publish(
    paths: Annotated[list[Path], typer.Argument(help="JSON files, or folders of them", exists=True)],
    data_dir: DataDir = None,
) -> None:
    """Publishes computed traits, segments, templates and journeys to the running system."""
    with told():
        if not asyncio.run(publishing.publish(paths, data_dir or Settings().data_dir, Console())):
            raise typer.Exit(1)
