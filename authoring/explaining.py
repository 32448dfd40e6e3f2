"""`reis explain`: the story of one person in one journey, asked of the journeys service and told to people."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict
from rich.text import Text

from authoring.system import System


class _Part(BaseModel):
    """What is shown; more may come along."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ToldLine(_Part):
    """One thing that happened, with the values it rests on."""

    at: datetime
    what: str
    text: str = ""
    step: str | None = None
    visit: int | None = None
    outcome: dict[str, Any] = {}
    seen: dict[str, Any] = {}


class ToldStory(_Part):
    """One enrolment."""

    id: UUID
    text: str = ""
    lines: tuple[ToldLine, ...] = ()


class ToldReason(_Part):
    """Why the person did not enter."""

    text: str
    at: datetime | None = None
    seen: dict[str, Any] = {}


class Told(_Part):
    """The answer of `GET /v1/explain`."""

    journey: str
    profile_id: UUID
    user_id: str | None = None
    entered: bool
    summary: str
    enrolments: tuple[ToldStory, ...] = ()
    why_not: tuple[ToldReason, ...] = ()
    notes: tuple[str, ...] = ()


async def explanation(system: System, person: str, journey: str) -> Told:
    """`person` is a profile's id or a user id. Raises Rejected where either is unknown."""
    params: dict[str, str | int | float] = {"journey": journey}
    try:
        params["profile_id"] = str(UUID(person))
    except ValueError:
        params["user_id"] = person
    return await system.client("journeys").get("/v1/explain", Told, params=params)


def story_lines(told: Told) -> Iterator[Text]:
    """The whole story: the sum first, then each life in the journey from entry to end, then what kept the person out."""
    whose = f"{told.user_id} ({told.profile_id})" if told.user_id else str(told.profile_id)
    yield Text(f"{whose} in {told.journey}", "bold")
    yield Text(told.summary)
    for story in told.enrolments:
        yield Text("")
        yield Text(story.text or f"enrolment {story.id}", "bold")
        for line in story.lines:
            yield _line(line)
            if line.seen:
                yield Text(f"                       saw {_values(line.seen)}", "dim")
    if told.why_not:
        yield Text("")
        yield Text("why not" if not told.entered else "why not again", "bold")
        for reason in told.why_not:
            when = f"{_instant(reason.at)}  " if reason.at is not None else ""
            yield Text(f"  {when}{reason.text}")
            if reason.seen:
                yield Text(f"      saw {_values(reason.seen)}", "dim")
    for note in told.notes:
        yield Text(f"note: {note}", "yellow")


def _line(line: ToldLine) -> Text:
    visit = f" #{line.visit}" if line.visit is not None and line.visit > 1 else ""
    words = line.text or " ".join([line.what, _values(line.outcome) if line.outcome else ""]).strip()
    step = f"{line.step}{visit}: " if line.step is not None and line.step not in words else ""
    return Text(f"  {_instant(line.at)}  {step}{words}")


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _values(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {orjson.dumps(value, default=str).decode()}" for name, value in values.items())
