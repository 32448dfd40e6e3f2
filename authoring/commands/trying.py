"""The commands that try a journey on many people: `reis simulate`, `reis backtest`."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.console import Console

from authoring.around import Around, check_answers, read_around, simulated_setting
from authoring.commands.options import DataDir, FolderPath, Format, OutputFormat, data_dir, one_sentence
from authoring.console import for_people, print_findings, print_json
from authoring.drawing import draw_people
from authoring.findings import counted
from authoring.planning import running
from authoring.population import OnRecord, read_people
from authoring.report_text import print_difference, print_report
from authoring.scripts import as_entering, as_recorded
from authoring.system import connected
from authoring.trying import Version, published_version, sums, tried, version_in
from conditions import Duration, parse_instant
from conditions.duration import add
from conditions.problems import ConditionError
from journeys.simulation import Report, backtest, simulate_population

app = typer.Typer()


def _when(text: str) -> datetime:
    found = parse_instant(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no date or time; write 2026-03-01 or 2026-03-01T09:00:00+01:00")
    return found


def _long(text: str | Duration) -> Duration:
    if isinstance(text, Duration):
        return text
    try:
        return Duration.parse(text)
    except ConditionError as error:
        raise typer.BadParameter(str(error.problems[0].message) + "; " + error.problems[0].remedy) from error


def _ahead(text: str | Duration) -> Duration:
    found = _long(text)
    if not found.is_positive:
        raise typer.BadParameter(f"{str(found)!r} does not lead anywhere; write a time that passes, such as P30D")
    return found


def _span(text: str | Duration) -> Duration:
    found = _long(text)
    if found.is_negative:
        raise typer.BadParameter(f"{str(found)!r} goes back; write a time that passes, such as P1D, or PT0S for all at once")
    return found


def _object(text: str) -> dict[str, JsonValue]:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise typer.BadParameter("is no JSON object")
    return read


_DAY, _YEAR = Duration.parse("P1D"), Duration.parse("P1Y")
JourneyKey = Annotated[str, typer.Argument(help="Key of the journey")]
PeopleFile = Annotated[
    Path | None, typer.Option(help="JSON lines: people, or what Segment's clients send", exists=True, dir_okay=False)
]
FromSystem = Annotated[bool, typer.Option("--from-system", help="Draw people from the running system's profiles")]
Most = Annotated[int | None, typer.Option("--people", help="At most so many people", min=1)]
Seed = Annotated[int, typer.Option(help="Another seed draws other reactions to messages")]
SettingFile = Annotated[
    Path | None, typer.Option("--setting", help="JSON: zone, quiet_hours, caps, behaviour, answers", exists=True, dir_okay=False)
]
Against = Annotated[
    Path | None, typer.Option(help="Another folder with the same journey: show the difference", exists=True, file_okay=False)
]
AgainstPublished = Annotated[bool, typer.Option("--against-published", help="Show the difference from the published version")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where people and the version to compare with come from."""

    file: Path | None
    from_system: bool
    most: int | None
    against: Path | None
    published: bool
    at: Path | None

    def gather(self, key: str, until: datetime) -> tuple[list[OnRecord], Version | None]:
        """The people, and the other version."""
        if (self.file is None) is not self.from_system:
            raise typer.BadParameter("say whom: a file of people, or --from-system", param_hint="people")
        if self.against is not None and self.published:
            raise typer.BadParameter("one version at a time: --against or --against-published", param_hint="--against")
        people = [] if self.file is None else _read(self.file)[: self.most]
        other = None if self.against is None else version_in(self.against, key)
        if self.from_system or self.published:
            drawn, published = asyncio.run(self._ask(key, until))
            people, other = drawn if self.from_system else people, published or other
        return people, other

    async def _ask(self, key: str, until: datetime) -> tuple[list[OnRecord], Version | None]:
        async with connected(data_dir(self.at)) as system:
            people = await draw_people(system, self.most, until) if self.from_system else []
            version = published_version(await running(system), key) if self.published else None
        return people, version


def _read(file: Path) -> list[OnRecord]:
    read = read_people(file)
    for kind, number in read.left_out.items():
        Console(stderr=True).print(f"{file}: {counted(number, f'{kind} call')} left out", highlight=False, soft_wrap=True)
    return read.people


@app.command()
def simulate(
    folder: FolderPath,
    journey: JourneyKey,
    people_file: PeopleFile = None,
    from_system: FromSystem = False,
    people: Most = None,
    start: Annotated[datetime | None, typer.Option(parser=_when, help="When the first enters; now where left out")] = None,
    over: Annotated[Duration, typer.Option(parser=_span, help="The others enter evenly over this span")] = _DAY,
    until: Annotated[Duration, typer.Option(parser=_ahead, help="So long after the start it ends")] = _YEAR,
    properties: Annotated[
        dict[str, JsonValue] | None,
        typer.Option(parser=_object, help="JSON: of the entering event; each person's newest such event's where left out"),
    ] = None,
    seed: Seed = 0,
    setting: SettingFile = None,
    against: Against = None,
    against_published: AgainstPublished = False,
    at: DataDir = None,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Lets people enter a journey on a virtual clock and counts, step by step, what it would do. Nothing is sent."""
    with one_sentence():
        begins = start or datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        end = add(begins, until, UTC)
        around = read_around(setting)
        wanted = Wanted(people_file, from_system, people, against, against_published, at)
        population, other = wanted.gather(journey, end)

        def run(version: Version) -> Report:
            span: timedelta = add(begins, over, UTC) - begins
            scripts = as_entering(version.journey, population, begins, span, properties, version.checked.segments)
            return simulate_population(
                version.journey, scripts, simulated_setting(version.checked, version.journey, around, seed), end
            )

        _show(version_in(folder, journey), other, (begins, end), around, run, output, setting)


@app.command("backtest")
def back_test(
    folder: FolderPath,
    journey: JourneyKey,
    begins: Annotated[datetime, typer.Option("--from", parser=_when, help="The period's first instant")],
    until: Annotated[datetime, typer.Option(parser=_when, help="Its last")],
    events: PeopleFile = None,
    from_system: FromSystem = False,
    people: Most = None,
    seed: Seed = 0,
    setting: SettingFile = None,
    against: Against = None,
    against_published: AgainstPublished = False,
    at: DataDir = None,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Plays the events of a past period through a journey: what it would have done. Nothing is sent."""
    with one_sentence():
        if until <= begins:
            raise typer.BadParameter("the period ends before it begins", param_hint="--until")
        around = read_around(setting)
        population, other = Wanted(events, from_system, people, against, against_published, at).gather(journey, until)

        def run(version: Version) -> Report:
            scripts = as_recorded(population, begins)
            return backtest(
                version.journey, scripts, simulated_setting(version.checked, version.journey, around, seed), begins, until
            )

        _show(version_in(folder, journey), other, (begins, until), around, run, output, setting)


def _show(
    version: Version,
    other: Version | None,
    when: tuple[datetime, datetime],
    around: Around,
    run: Callable[[Version], Report],
    output: Format,
    setting: Path | None,
) -> None:
    around_them = [journey for each in (version, other) if each is not None for journey in each.checked.journeys.values()]
    check_answers(around, setting, around_them)
    print_findings(version.warnings, Console(stderr=True))
    result = tried(version, other, run)
    if output is Format.JSON:
        print_json(sums(when, result))
        return
    console = for_people()
    console.print(f"from {when[0].isoformat()} until {when[1].isoformat()}", highlight=False)
    print_report(result.report, version.journey, around.zone, console)
    if other is not None:
        print_difference(result, other.name, console)
