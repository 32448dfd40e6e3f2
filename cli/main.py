"""The command `reis`, put together: infra's commands run a system, authoring's keep journeys as code, demo's tells the story."""

import importlib

import typer

from authoring.main import app as authoring_commands
from infra.cli.failures import told
from infra.cli.main import app as infra_commands

app = typer.Typer(name="reis", help="Durable customer journeys.", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(infra_commands)
app.add_typer(authoring_commands)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def demo(context: typer.Context) -> None:
    """Plays a shop and its customers on a fast clock through the whole system (`reis demo --help`)."""
    with told():
        raise typer.Exit(importlib.import_module("demo.main").run(context.args))
