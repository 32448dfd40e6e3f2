"""`reis explain`."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from authoring.commands.options import DataDir, Format, OutputFormat, data_dir, one_sentence
from authoring.console import print_json
from authoring.explaining import Told, explanation, story_lines
from authoring.system import connected

app = typer.Typer()


@app.command()
def explain(
    profile: Annotated[str, typer.Argument(help="A profile's id, or a user id")],
    journey: Annotated[str, typer.Argument(help="Key of the journey")],
    at: DataDir = None,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Tells why somebody did or did not get something: each decision with the values seen, or why the person never entered."""

    async def told() -> Told:
        async with connected(data_dir(at)) as system:
            return await explanation(system, profile, journey)

    with one_sentence():
        answer = asyncio.run(told())
        if output is Format.JSON:
            print_json(answer)
            return
        console = Console()
        for line in story_lines(answer):
            console.print(line, soft_wrap=True)
