"""`reis keys`: the keys and addresses of a local system, and new keys for a real one."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Console

from infra.auth import ApiKey, Scope, hashed, new_key
from infra.cli.failures import told
from infra.cli.up import addresses
from infra.local.folder import DataFolder
from infra.local.keys import Keys
from infra.settings import Settings

app = typer.Typer(help="Keys and addresses.", invoke_without_command=True)


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="The local system's folder")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Print the admin key alone, for scripts")] = False,
    write: Annotated[bool, typer.Option("--write", help="Print the write key alone, for scripts")] = False,
) -> None:
    """The addresses and the write key of the local system that runs."""
    if context.invoked_subcommand is not None:
        return
    with told():
        folder = DataFolder(data_dir or Settings().data_dir)
        runtime = folder.runtime()
        keys = Keys.kept_in(folder.keys)
        if admin or write:
            print(keys.admin_key if admin else keys.write_key)
        else:
            Console().print(addresses(runtime, keys, folder.path))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Whose key it is; appears in the audit log")],
    scopes: Annotated[list[Scope], typer.Option("--scope", help="What it may do (repeat it)")],
) -> None:
    """Makes a key: prints it once, and the entry for REIS_API_KEYS, which holds its hash only."""
    key = new_key()
    entry = ApiKey(name=name, sha256=hashed(key), scopes=frozenset(scopes))
    console = Console(soft_wrap=True)
    console.print(f"key    {key}", highlight=False)
    console.print(f"entry  {TypeAdapter(ApiKey).dump_json(entry).decode()}", highlight=False, markup=False)
