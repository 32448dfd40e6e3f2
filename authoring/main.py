"""The commands that keep journeys as code."""

import typer

from authoring.commands import explaining, files, system, testing, trying

app = typer.Typer()
for _commands in (files, testing, trying, system, explaining):
    app.add_typer(_commands.app)
