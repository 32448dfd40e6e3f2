"""The commands that keep journeys as code."""

import typer

from authoring.commands import files, system, testing

app = typer.Typer()
app.add_typer(files.app)
app.add_typer(testing.app)
app.add_typer(system.app)
