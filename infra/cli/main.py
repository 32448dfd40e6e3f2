"""The commands of `reis` that run a system; `cli.main` puts them together with those that know journeys."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.cli import keys as key_commands
from infra.cli import migrate as migrating
from infra.cli.failures import told
from infra.cli.run import run_role
from infra.cli.up import up as go_up
from infra.roles import ROLES, Role
from infra.settings import Settings

app = typer.Typer(help="Durable customer journeys.", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(key_commands.app, name="keys")

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The local system's folder (else REIS_DATA_DIR, else .reis)"),
]


def _folder(given: Path | None) -> Path:
    return given or Settings().data_dir


@app.command()
def up(
    data_dir: DataDir = None,
    factor: Annotated[float, typer.Option(help="Virtual seconds per real second", min=0.001)] = 1.0,
    roles: Annotated[list[str] | None, typer.Option("--role", help="Only this role (may be repeated)")] = None,
) -> None:
    """Runs the whole system on this machine until Ctrl-C."""
    for name in roles or ():
        _role(name)
    with told():
        asyncio.run(go_up(_folder(data_dir), factor=factor, roles=roles))


@app.command()
def run(role: Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}")]) -> None:
    """Plays one role in this process, with the settings of the environment (see docs/settings.md)."""
    with told():
        run_role(_role(role))


@app.command()
def migrate(
    services: Annotated[list[str] | None, typer.Argument(help="Only these services; all unless given")] = None,
    check: Annotated[bool, typer.Option("--check", help="On a fresh database: do migrations and models agree?")] = False,
) -> None:
    """Brings each service's database to its newest shape."""
    with told():
        if check:
            migrating.check(services, Console())
        else:
            migrating.upgrade(services, Settings().database_url.get_secret_value(), Console(stderr=True))


def _role(name: str) -> Role:
    if name not in ROLES:
        raise typer.BadParameter(f"there is no role {name!r}; there are {', '.join(ROLES)}")
    return ROLES[name]
