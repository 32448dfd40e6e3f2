"""What a simulation tells: lines as the real story has them, messages, how it ended or where the person waits."""

from typing import Any

from pydantic import AwareDatetime, Field, JsonValue

from journeys.simulation.people import ChannelName, Shape


class Line(Shape):
    """One thing that was decided or happened.

    `kind` is a decision's (`sent`, `skipped`, `deferred`, `sleep`, `waiting`, `past_due`, `chose`, `held_out`, `updated`,
    `emitted`, `called`, `started`, `not_started`), `wait met` (also by an answer of a call or the end of a journey), `goal met`,
    `exit met`, `entered` or `ended`, as in the real story; besides, `woke`, `timed_out` and `followed` tell what time did.
    """

    at: AwareDatetime
    kind: str
    step: str | None = None
    visit: int | None = None
    outcome: dict[str, Any] = Field(default_factory=dict)
    """The choice: a path, a reason, an instant `until`."""
    seen: dict[str, Any] = Field(default_factory=dict)
    """The values it rests on."""


class Message(Shape):
    """A message that went out. `attempt` counts the channels tried, from 1."""

    at: AwareDatetime
    step: str
    visit: int
    template: str
    channel: ChannelName
    attempt: int = 1
    journey: str = ""


class End(Shape):
    """How and when it was over; the reason is the real one: `completed`, `past_due`, an exit step's, `goal`, `exit: …`."""

    at: AwareDatetime
    reason: str


class Standing(Shape):
    """Where the person waits, and until when (None: for something to happen)."""

    step: str
    visit: int
    kind: str
    until: AwareDatetime | None = None


class Run(Shape):
    """One enrolment."""

    id: str
    journey: str
    key: str
    number: int
    entered_at: AwareDatetime
    lines: tuple[Line, ...]
    messages: tuple[Message, ...]
    goal_at: AwareDatetime | None = None
    end: End | None = None
    stands: Standing | None = None

    @property
    def path(self) -> tuple[tuple[str, int], ...]:
        """The steps that were visited, in order, each with the number of the visit."""
        found: list[tuple[str, int]] = []
        for line in self.lines:
            if line.step is not None and line.visit is not None and (line.step, line.visit) not in found[-1:]:
                found.append((line.step, line.visit))
        return tuple(found)


class Refused(Shape):
    """Met a trigger and did not enter."""

    at: AwareDatetime
    journey: str
    reason: str


class Life(Shape):
    """One person's simulated time: every enrolment of theirs, the first in the journey under test first."""

    person: str
    journey: str
    runs: tuple[Run, ...] = ()
    refused: tuple[Refused, ...] = ()
    traits: dict[str, JsonValue] = Field(default_factory=dict)
    """As they are in the end."""
    until: AwareDatetime | None = None

    @property
    def own(self) -> tuple[Run, ...]:
        """The enrolments in the journey under test."""
        return tuple(run for run in self.runs if run.journey == self.journey)

    @property
    def lines(self) -> tuple[Line, ...]:
        """Of the journey under test, in order of time."""
        return tuple(sorted((line for run in self.own for line in run.lines), key=lambda line: line.at))

    @property
    def messages(self) -> tuple[Message, ...]:
        """Of all journeys, in order of time."""
        return tuple(sorted((message for run in self.runs for message in run.messages), key=lambda message: message.at))

    @property
    def end(self) -> End | None:
        """Of the last enrolment in the journey under test; None while it runs, or if there is none."""
        return self.own[-1].end if self.own else None

    @property
    def stands(self) -> Standing | None:
        """Where the last enrolment in the journey under test waits."""
        return self.own[-1].stands if self.own else None
