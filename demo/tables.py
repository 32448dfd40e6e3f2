"""The end of the demo in tables: what became of everybody in each journey."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from demo.evidence import LedgerMessage
from demo.screen import CHANNEL_NAMES
from journeys import Journey
from journeys.model import Branch, Repeat, Send, Split, Step, Wait, WaitFor

_QUIET = "·"
_NESTS = re.compile(r"\.(?:steps|otherwise)\[")
_HEADINGS = ("email", "SMS", "Whats-\nApp", "web\npush")
_EXIT = "exit: "
"""How the journeys service begins the reason of who left by a criterion."""


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step: how often it was reached, what was sent from it by which channel, and who is there now."""

    step: str
    reached: int
    sent: Mapping[str, int]
    fell_back: int
    not_sent: Mapping[str, int]
    here: int
    outcome: str


def step_rows(journey: Journey, stats: Mapping[str, Any], ledger: Iterable[LedgerMessage]) -> list[StepRow]:
    """In the order of the definition."""
    counts = {each["step"]: each for each in stats["steps"]}
    sent: dict[str, Counter[str]] = defaultdict(Counter)
    fell_back: Counter[str] = Counter()
    not_sent: dict[str, Counter[str]] = defaultdict(Counter)
    for message in ledger:
        if message.journey == journey.key:
            sent[message.step].update({attempt.channel for attempt in message.attempts if attempt.status != "cancelled"})
            fell_back[message.step] += message.fell_back
            if message.reason:
                not_sent[message.step][message.reason] += 1
    rows = []
    for id_, step in journey.index.steps.items():
        count = counts.get(id_, {"kinds": {}, "choices": {}, "waiting_now": 0})
        reached = sum(count["kinds"].values())
        rows.append(StepRow(id_, reached, sent[id_], fell_back[id_], not_sent[id_], count["waiting_now"], _outcome(step, count)))
    return rows


def _outcome(step: Step, count: Mapping[str, Any]) -> str:
    match step:
        case Branch() | Split() | Repeat():
            return ", ".join(f"{path} {number}" for path, number in count["choices"].items())
        case Wait() | WaitFor():
            past = count["kinds"].get("past_due", 0)
            return f"past already {past}" if past else ""
        case _:
            return ""


def journey_table(journey: Journey, stats: Mapping[str, Any], rows: Sequence[StepRow]) -> Table:
    """One journey; the title holds what concerns it as a whole."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_style, table.title_justify = f"{journey.name}  ({journey.key})", "bold", "left"
    table.caption, table.caption_style, table.caption_justify = _summary(stats), "", "left"
    table.add_column("step", no_wrap=True)
    for name in ("reached", *_HEADINGS, "fell\nback", "now\nhere"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what came of it", overflow="fold")
    for row in rows:
        sending = isinstance(journey.index.steps[row.step], Send)
        by_channel = [str(row.sent.get(channel, 0) or _QUIET) if sending else "" for channel in CHANNEL_NAMES]
        skipped = ", ".join(f"{reason} {number}" for reason, number in row.not_sent.items())
        outcome = f"not sent: {skipped}" if skipped else row.outcome
        fell_back = str(row.fell_back or _QUIET) if sending else ""
        table.add_row(_indented(journey, row.step), str(row.reached), *by_channel, fell_back, str(row.here or _QUIET), outcome)
    return table


def _summary(stats: Mapping[str, Any]) -> str:
    reasons = dict(stats["reasons"])
    finished = reasons.pop("completed", 0)
    exited = sum(reasons.values())
    why = f" ({', '.join(f'{reason.removeprefix(_EXIT)} {number}' for reason, number in reasons.items())})" if reasons else ""
    return (
        f"entered {stats['entered']} · held out {stats['held_out']} · goal reached {stats['goal_reached']} · "
        f"exited {exited}{why} · finished {finished} · under way {stats['running']}"
    )


def _indented(journey: Journey, step: str) -> str:
    return "  " * (len(_NESTS.findall(journey.index.places[step].path)) - 1) + step


def ways(journey: Journey, stats: Mapping[str, Any], stories: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Every way through a journey that a definition offers, and how many people went there."""
    counts = {each["step"]: each for each in stats["steps"]}
    met = Counter(
        (line["step"], line["outcome"].get("path"))
        for story in stories
        if story["enrolment"]["journey"] == journey.key
        for line in story["lines"]
        if line["what"].endswith(" met")
    )
    found: dict[str, int] = {}
    for id_, step in journey.index.steps.items():
        kinds: Mapping[str, int] = counts.get(id_, {}).get("kinds", {})
        choices: Mapping[str, int] = counts.get(id_, {}).get("choices", {})
        match step:
            case Send():
                found[f"{id_}: sent"] = kinds.get("sent", 0)
            case Wait():
                found[f"{id_}: waited"] = kinds.get("sleep", 0)
                if step.if_past != "continue":
                    found[f"{id_}: already past"] = kinds.get("past_due", 0)
            case WaitFor():
                found |= {f"{id_}: {path.id}": met[id_, path.id] for path in step.paths}
            case Branch():
                found |= {f"{id_}: {name}": choices.get(name, 0) for name in (*(path.id for path in step.paths), "otherwise")}
            case Split():
                found |= {f"{id_}: {path.id}": choices.get(path.id, 0) for path in step.paths if path.weight}
            case Repeat():
                found |= {f"{id_}: {name}": choices.get(name, 0) for name in ("again", "done")}
            case _:
                found[id_] = sum(kinds.values())
    if journey.exit_when:
        found["exit"] = sum(number for reason, number in stats["reasons"].items() if reason.startswith(_EXIT))
    if journey.goal:
        found["goal"] = stats["goal_reached"]
    return {f"{journey.key} · {way}": count for way, count in found.items()}
