"""What one sees while the demo runs: the days going by, counts per channel, and what reaches whom."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

CHANNEL_NAMES = {"email": "email", "sms": "SMS", "whatsapp": "WhatsApp", "web_push": "web push"}
CHANNEL_STYLES = {"email": "cyan", "sms": "yellow", "whatsapp": "green", "web_push": "magenta"}
_LINES = 18
_LONGEST = 88


@dataclass(frozen=True, slots=True)
class Sight:
    """One line of the timeline: a message that arrived, or (`deed`) what its reader did with it. `day` counts from 1."""

    day: int
    who: str
    channel: str
    text: str
    deed: str | None = None


class Screen(Protocol):
    """Where the demo shows what happens."""

    def say(self, text: str) -> None:
        """Something about the demo itself."""

    def day(self, day: float) -> None:
        """How many days are over."""

    def sight(self, sight: Sight) -> None:
        """Something that happened to somebody."""


def shortened(text: str, longest: int = _LONGEST) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


class Mute:
    """Shows nothing."""

    def say(self, text: str) -> None: ...

    def day(self, day: float) -> None: ...

    def sight(self, sight: Sight) -> None: ...


class Lines:
    """For logs: a plain line each, and of the days every fifth."""

    def __init__(self, console: Console, days: int) -> None:
        self._console, self._days = console, days
        self._shown = -1
        self._counts: Counter[str] = Counter()

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)

    def day(self, day: float) -> None:
        if int(day) // 5 > self._shown:
            self._shown = int(day) // 5
            counts = ", ".join(f"{CHANNEL_NAMES[channel]} {self._counts[channel]}" for channel in CHANNEL_NAMES)
            self._console.print(f"-- day {int(day)} of {self._days}: {counts}", highlight=False, soft_wrap=True)

    def sight(self, sight: Sight) -> None:
        if sight.deed is None:
            self._counts[sight.channel] += 1
        self._console.print(_line(sight).plain, highlight=False, soft_wrap=True, markup=False)


class Picture:
    """For terminals: a bar over the days, a count per channel, the last lines of the timeline."""

    def __init__(self, days: int) -> None:
        days_over = TextColumn("day {task.completed:.0f} of {task.total:.0f}")
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=None), days_over, TimeElapsedColumn(), expand=True
        )
        self._task = self._bar.add_task("Sixty days of customers", total=days)
        self._counts: Counter[str] = Counter()
        self._last: deque[Text] = deque(maxlen=_LINES)

    def say(self, text: str) -> None:
        self._last.append(Text(text, style="bold"))

    def day(self, day: float) -> None:
        self._bar.update(self._task, completed=min(day, self._bar.tasks[0].total or day))

    def sight(self, sight: Sight) -> None:
        self._counts[sight.channel if sight.deed is None else sight.deed] += 1
        self._last.append(_line(sight))

    def __rich__(self) -> RenderableType:
        counts = Table.grid(expand=True)
        cells = [
            Text(f"{name} {self._counts[channel]}", style=CHANNEL_STYLES[channel]) for channel, name in CHANNEL_NAMES.items()
        ]
        cells += [Text(f"{past} {self._counts[deed]}", style="dim") for deed, past in DEEDS.items()]
        for _ in cells:
            counts.add_column(justify="center")
        counts.add_row(*cells)
        lines = [*self._last, *[Text("")] * (_LINES - len(self._last))]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(self._bar, counts, Panel(Group(*lines), title="what reaches whom", border_style="dim"))


DEEDS = {"open": "opened", "click": "clicked", "reply": "replied", "unsubscribe": "unsubscribed"}


def _line(sight: Sight) -> Text:
    where = CHANNEL_NAMES[sight.channel]
    style = CHANNEL_STYLES[sight.channel]
    if sight.deed is None:
        what = Text(shortened(sight.text))
    else:
        text = f": “{shortened(sight.text)}”" if sight.text else ""
        what = Text(f"↳ {DEEDS[sight.deed]}{text}", style="italic")
    return Text.assemble((f"day {sight.day:>2}", "dim"), " · ", (sight.who, "bold"), " · ", (where, style), " · ", what)


@contextmanager
def open_screen(console: Console, days: int) -> Iterator[Screen]:
    """A picture that is painted anew on a terminal, plain lines anywhere else."""
    if not console.is_terminal:
        yield Lines(console, days)
        return
    picture = Picture(days)
    with Live(picture, console=console, refresh_per_second=8, transient=True):
        yield picture
