"""A population on record: people with what is known of them and what they did, from a JSON-lines file."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from conditions.problems import Problem, problems_of
from infra.errors import BadInput, Flaw
from journeys.simulation.people import ChannelName, Consent


def _an_object(value: object) -> object:
    return {} if value is None else value


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


# As lenient as the profiles service: null for an object, and no offset for UTC.
_Loose = Annotated[dict[str, JsonValue], BeforeValidator(_an_object)]
_InUtc = Annotated[datetime, AfterValidator(_in_utc)]


class Did(BaseModel):
    """An event on record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: str = Field(min_length=1)
    at: AwareDatetime
    properties: dict[str, JsonValue] = Field(default_factory=dict)
    id: str | None = None


class Became(BaseModel):
    """A change of traits on record: dotted path to value, null removes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    traits: dict[str, JsonValue] = Field(min_length=1)


class OnRecord(BaseModel):
    """One person. `consents` left out: agrees to everything; `channels` left out: as the traits say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    traits: dict[str, JsonValue] = Field(default_factory=dict)
    consents: Literal["all"] | tuple[Consent, ...] = "all"
    segments: tuple[str, ...] = ()
    channels: tuple[ChannelName, ...] | None = None
    events: tuple[Did, ...] = ()
    changes: tuple[Became, ...] = ()


class _Tracked(BaseModel):
    """A line as Segment's clients write it."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    type: Literal["track", "identify", "page", "screen", "group", "alias"]
    userId: str | None = None  # noqa: N815  Segment's name
    anonymousId: str | None = None  # noqa: N815  Segment's name
    groupId: str | None = None  # noqa: N815  Segment's name
    event: str | None = None
    name: str | None = None
    category: str | None = None
    properties: _Loose = Field(default_factory=dict)
    traits: _Loose = Field(default_factory=dict)
    timestamp: _InUtc
    messageId: str | None = None  # noqa: N815  Segment's name

    @property
    def did(self) -> tuple[str | None, dict[str, JsonValue]]:
        """The event that a call is, as the profiles service takes it: name and properties; no name where one is missing."""
        match self.type:
            case "page" | "screen":
                given: dict[str, JsonValue] = {"name": self.name, "category": self.category}
                said = {name: value for name, value in given.items() if value}
                return "Page Viewed" if self.type == "page" else "Screen Viewed", {**said, **self.properties}
            case "group":
                return "Group Joined", {"group_id": self.groupId, "traits": self.traits}
            case _:
                return self.event or None, self.properties


@dataclass(frozen=True, slots=True)
class People:
    """Everybody in a file, and how many lines of it say nothing that a simulation can use, by kind of call."""

    people: list[OnRecord]
    left_out: Mapping[str, int]


def read_people(path: Path) -> People:
    """Lines are people (`{"id", "traits", "events", …}`) or what Segment's clients send (`{"type": "track", "userId", …}`).

    `page`, `screen` and `group` are the events that the profiles service makes of them; `alias` is left out. Raises BadInput
    with every line that is neither.
    """
    people: dict[str, OnRecord] = {}
    left_out: Counter[str] = Counter()
    flaws: list[Flaw] = []
    for number, line in _lines(path):
        try:
            body = json.loads(line)
        except ValueError as error:
            flaws.append(Flaw(path=f"{path}:{number}", message=f"is not JSON: {error}", remedy="write one object per line"))
            continue
        tracked = isinstance(body, dict) and "type" in body
        model: type[BaseModel] = _Tracked if tracked else OnRecord
        try:
            read = model.model_validate(body)
        except ValidationError as error:
            flaws += [_flaw(path, number, problem) for problem in problems_of(error, model)]
            continue
        if isinstance(read, OnRecord):
            people[read.id] = _joined(people[read.id], read) if read.id in people else read
        elif isinstance(read, _Tracked) and read.type == "alias":
            left_out[read.type] += 1
        elif isinstance(read, _Tracked):
            _take(read, people, flaws, f"{path}:{number}")
    if not flaws and not people:
        flaws.append(Flaw(path=str(path), message="holds nobody", remedy='write one person per line, such as {"id": "ada"}'))
    if flaws:
        raise BadInput(flaws, str(path))
    return People(list(people.values()), left_out)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line


def _take(read: _Tracked, people: dict[str, OnRecord], flaws: list[Flaw], where: str) -> None:
    name = read.userId or read.anonymousId
    if name is None:
        flaws.append(Flaw(path=where, message="says not whom it is about", remedy="add 'userId' or 'anonymousId'"))
        return
    added: dict[str, Any] = {}
    event, properties = read.did
    if read.type == "identify":
        if read.traits:
            added["changes"] = (Became(at=read.timestamp, traits=read.traits),)
    elif event is None:
        flaws.append(Flaw(path=where, message="a track call without an event", remedy="add 'event'"))
        return
    else:
        added["events"] = (Did(event=event, at=read.timestamp, properties=properties, id=read.messageId),)
    mine = OnRecord(id=name, **added)
    people[name] = _joined(people[name], mine) if name in people else mine


def _joined(one: OnRecord, more: OnRecord) -> OnRecord:
    """A person told of in several lines."""
    return one.model_copy(
        update={
            "traits": {**one.traits, **more.traits},
            "events": one.events + more.events,
            "changes": one.changes + more.changes,
            **{name: getattr(more, name) for name in ("consents", "segments", "channels") if name in more.model_fields_set},
        }
    )


def _flaw(path: Path, number: int, problem: Problem) -> Flaw:
    return Flaw(path=f"{path}:{number} {problem.path}", message=problem.message, remedy=problem.remedy)


def span(people: list[OnRecord]) -> tuple[datetime, datetime] | None:
    """From the first thing on record to the last; None where nothing has a time."""
    instants = [did.at for person in people for did in person.events]
    instants += [change.at for person in people for change in person.changes]
    return (min(instants), max(instants)) if instants else None
