"""What a test expects held against what the simulator told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from pydantic import JsonValue

from authoring.testing.model import Expectation, ExpectedEnd, ExpectedMessage, JourneyTest
from authoring.testing.script import Wall, trait_at
from authoring.testing.sides import timeline, told
from authoring.testing.timeline import Row, local, refusal
from conditions.duration import Duration
from journeys import Journey
from journeys.model import EmitEvent
from journeys.simulation import Life, Line, Message


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every expectation that was not met, and both sides in order of time."""

    problems: tuple[str, ...]
    timeline: tuple[Row, ...]


def judge(test: JourneyTest, journey: Journey, life: Life, wall: Wall) -> Verdict:
    """Looks at everything, so that one run tells all that is wrong."""
    expect = test.expect
    messages = [message for message in life.messages if message.journey == journey.key]
    pairs = _pairs(expect.messages, messages, wall)
    problems = [
        *_entered(expect, life),
        *_messages(expect, messages, pairs, [line for line in life.lines if line.kind == "skipped"], wall),
        *_paths(expect, life),
        *_outcome(expect, life, wall),
        *_left_behind(expect, journey, life),
    ]
    if not problems:
        return Verdict((), ())
    agreed = {
        wanted: actual
        for wanted, actual in pairs.items()
        if other_time(messages[actual].at, expect.messages[wanted].at, expect.messages[wanted].after, wall) is None
    }
    return Verdict(tuple(problems), timeline(expect, life, messages, pairs, agreed, wall))


def _entered(expect: Expectation, life: Life) -> Iterator[str]:
    if expect.enters and not life.own:
        why = [each.reason for each in life.refused if each.journey == life.journey]
        yield f"expected the person to enter, who did not{f' ({why[-1]})' if why else ''}"
    elif not expect.enters and life.own:
        yield "expected the person not to enter, who did"


def _pairs(expected: Sequence[ExpectedMessage], messages: Sequence[Message], wall: Wall) -> dict[int, int]:
    """Expected to actual message by position, in order: as many as can be, and of these the ones of which most is as expected."""
    best: dict[tuple[int, int], tuple[int, int]] = {}
    together: set[tuple[int, int]] = set()
    for wanted in reversed(range(len(expected))):
        for actual in reversed(range(len(messages))):
            here = (wanted, actual)
            best[here] = max(best.get((wanted + 1, actual), (0, 0)), best.get((wanted, actual + 1), (0, 0)))
            if _meant(expected[wanted], messages[actual]):
                many, exact = best.get((wanted + 1, actual + 1), (0, 0))
                joined = (many + 1, exact + _as_expected(expected[wanted], messages[actual], wall))
                if joined >= best[here]:  # of equals the earlier ones: what came too often is the last
                    best[here] = joined
                    together.add(here)
    pairs: dict[int, int] = {}
    wanted = actual = 0
    while wanted < len(expected) and actual < len(messages):
        if (wanted, actual) in together:
            pairs[wanted] = actual
            wanted, actual = wanted + 1, actual + 1
        elif best.get((wanted, actual + 1), (0, 0)) >= best.get((wanted + 1, actual), (0, 0)):
            actual += 1
        else:
            wanted += 1
    return pairs


def _meant(expected: ExpectedMessage, message: Message) -> bool:
    return message.step == expected.step if expected.step is not None else message.template == expected.template


def _as_expected(expected: ExpectedMessage, message: Message, wall: Wall) -> bool:
    channel = expected.channel in (None, message.channel)
    return channel and other_time(message.at, expected.at, expected.after, wall) is None


def _messages(
    expect: Expectation, messages: Sequence[Message], pairs: dict[int, int], skipped: Sequence[Line], wall: Wall
) -> Iterator[str]:
    for position, wanted in enumerate(expect.messages):
        which = f"message {position + 1} ({wanted.step or wanted.template})"
        if position not in pairs:
            why = "; ".join(dict.fromkeys(refusal(line) for line in skipped if line.step == wanted.step))
            yield f"{which} never came" + (f": skipped, {why}" if why else "")
            continue
        message = messages[pairs[position]]
        if wanted.template is not None and message.template != wanted.template:
            yield f"{which}: expected the template {wanted.template}, got {message.template}"
        if wanted.channel is not None and message.channel != wanted.channel:
            yield f"{which}: expected by {wanted.channel}, came by {message.channel}"
        if (late := other_time(message.at, wanted.at, wanted.after, wall)) is not None:
            yield f"{which}: {late}"
    if expect.nothing_else:
        for position, message in enumerate(messages):
            if position not in pairs.values():
                yield f"unexpected message: {told(message)} on {local(message.at, wall.zone)}"


def other_time(at: datetime, moment: str | None, after: Duration | None, wall: Wall) -> str | None:
    """What is wrong with an instant, or None: compared as exactly as it is written."""
    if moment is None and after is None:
        return None
    wanted = wall.instant(moment) if moment is not None else wall.after(after or Duration("PT0S"))
    if moment is not None and len(moment) == len("2026-03-01"):
        same = at.astimezone(wall.zone).date().isoformat() == moment
    else:
        to_the_second = moment is None or moment.count(":") - moment[11:].partition("+")[2].count(":") >= 2
        same = timedelta(0) <= at - wanted < timedelta(seconds=1 if to_the_second else 60)
    if same:
        return None
    how_much = abs(at - wanted)
    return (
        f"expected on {local(wanted, wall.zone)}, came on {local(at, wall.zone)} "
        f"({_span(how_much)} {'late' if at > wanted else 'early'})"
    )


def _span(span: timedelta) -> str:
    hours, rest = divmod(int(span.total_seconds()), 3600)
    days, hours = divmod(hours, 24)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")) if number]
    return " ".join(parts) or "less than a second"


def taken(life: Life, step: str) -> tuple[str, ...]:
    """The paths taken at a step, visit by visit."""
    found: dict[int, str] = {}
    for line in life.lines:
        if line.step != step or line.visit is None:
            continue
        path = line.outcome.get("path")
        if line.kind == "past_due":
            path = line.outcome.get("target") or line.outcome.get("action")
        if isinstance(path, str):
            found[line.visit] = path
    return tuple(found[visit] for visit in sorted(found))


def _paths(expect: Expectation, life: Life) -> Iterator[str]:
    for step, wanted in expect.path.items():
        actual = taken(life, step)
        expected = (wanted,) if isinstance(wanted, str) else wanted
        if actual != expected:
            came = f"went {', '.join(actual)}" if actual else "no path was taken"
            yield f"{step}: expected the path {', '.join(expected)}, {came}"


def _outcome(expect: Expectation, life: Life, wall: Wall) -> Iterator[str]:
    if expect.ends is not None:
        wanted = ExpectedEnd(reason=expect.ends) if isinstance(expect.ends, str) else expect.ends
        if life.end is None:
            yield f"expected the journey to end, {_stands(life)}"
        else:
            if wanted.reason is not None and not _same_reason(life.end.reason, wanted.reason):
                yield f"expected it to end with {wanted.reason!r}, it ended with {life.end.reason!r}"
            if (late := other_time(life.end.at, wanted.at, wanted.after, wall)) is not None:
                yield f"the end: {late}"
    if expect.waits_at is not None and (life.stands is None or life.stands.step != expect.waits_at):
        ended = f"it ended with {life.end.reason!r}" if life.end is not None else _stands(life)
        yield f"expected the person to wait at {expect.waits_at}, {ended}"
    reached = any(run.goal_at is not None for run in life.own)
    if expect.goal_reached is not None and reached is not expect.goal_reached:
        yield (
            "expected the goal to be reached, it was not"
            if expect.goal_reached
            else "expected the goal not to be reached, it was"
        )


def _same_reason(actual: str, wanted: str) -> bool:
    """`exit` stands for any exit rule, which the real reason names."""
    return actual == wanted or actual.startswith(f"{wanted}:")


def _stands(life: Life) -> str:
    return f"the person waits at {life.stands.step}" if life.stands is not None else "it never began"


def _left_behind(expect: Expectation, journey: Journey, life: Life) -> Iterator[str]:
    for path, wanted in expect.traits.items():
        actual = trait_at(life.traits, path)
        if actual != wanted:
            yield f"trait {path}: expected {_json(wanted)}, is {_json(actual)}"
    if expect.emits is not None:
        steps = journey.index.steps
        emitted = tuple(
            step.event
            for line in life.lines
            if line.kind == "emitted" and line.step is not None and isinstance(step := steps[line.step], EmitEvent)
        )
        if emitted != expect.emits:
            yield f"expected the events {', '.join(expect.emits) or 'none'}, tracked were {', '.join(emitted) or 'none'}"


def _json(value: JsonValue) -> str:
    return orjson.dumps(value).decode() if value is not None else "nothing"
