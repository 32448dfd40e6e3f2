"""The two sides of a failed test's timeline: what was expected and what happened, each with its instant."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from authoring.testing.model import Expectation, ExpectedEnd
from authoring.testing.script import Wall
from authoring.testing.timeline import Event, Row, side_by_side
from journeys.simulation import Life, Message

_END, _STANDING = -1, -2


def timeline(
    expect: Expectation,
    life: Life,
    messages: Sequence[Message],
    pairs: Mapping[int, int],
    agreed: Mapping[int, int],
    wall: Wall,
) -> tuple[Row, ...]:
    """`pairs`: expected to actual message by position; `agreed`: those of them whose times agree too."""
    expected: list[Event] = []
    for position, wanted in enumerate(expect.messages):
        if position in agreed or (position in pairs and wanted.at is None and wanted.after is None):
            at: datetime | None = messages[pairs[position]].at
        else:
            at = None if wanted.at is None and wanted.after is None else wall.either(wanted.at, wanted.after)
        by = f" ({wanted.channel})" if wanted.channel else ""
        expected.append(Event(at, f"{wanted.step or wanted.template}{by}", position))
    partners = {actual: position for position, actual in pairs.items()}
    actual = [Event(run.entered_at, "enters") for run in life.own]
    actual += [Event(message.at, told(message), partners.get(position)) for position, message in enumerate(messages)]
    actual += [Event(run.end.at, f"ends: {run.end.reason}", _END) for run in life.own[-1:] if run.end is not None]
    if expect.ends is not None:
        end = ExpectedEnd(reason=expect.ends) if isinstance(expect.ends, str) else expect.ends
        timed = end.at is not None or end.after is not None
        when = wall.either(end.at, end.after) if timed else life.end.at if life.end is not None else None
        expected.append(Event(when, f"ends: {end.reason or 'somehow'}", _END))
    if life.stands is not None:
        actual.append(Event(None, f"waits at {life.stands.step}", _STANDING))
    if expect.waits_at is not None:
        expected.append(Event(None, f"waits at {expect.waits_at}", _STANDING))
    return side_by_side(expected, actual)


def told(message: Message) -> str:
    """A message in a few words."""
    again = f", channel {message.attempt} tried" if message.attempt > 1 else ""
    return f"{message.step} ({message.template}, {message.channel}{again})"
