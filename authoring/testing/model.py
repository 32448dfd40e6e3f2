"""The test file: a journey, and tests each with a person, a start, what happens, and what is expected."""

from typing import Annotated, Self

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from authoring.testing.happenings import AnyHappening
from conditions.duration import Duration
from conditions.model import Moment, Name, Node, Path
from journeys.dates import Key, StepId, wrong
from journeys.simulation.people import ChannelName
from policy import DeliveryPolicy


class PastEvent(Node):
    """Something the person did before the test starts."""

    event: Name
    """The event's name."""
    at: Moment | None = None
    """When: local to the person, or an instant with `Z` or an offset."""
    before: Duration | None = None
    """How long before the start."""
    properties: dict[str, JsonValue] = Field(default_factory=dict)
    """What it carried."""

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if (self.at is None) == (self.before is None):
            raise wrong("a past event needs either 'at' or 'before'", "write one of them")
        if self.before is not None and self.before.is_negative:
            raise wrong("'before' is negative", "what comes after the start belongs into 'happenings'")
        return self


class PersonGiven(Node):
    """Who the test is about."""

    traits: dict[str, JsonValue] = Field(default_factory=dict)
    """What is known of them; `timezone` is their IANA zone."""
    segments: tuple[Name, ...] = ()
    """Memberships in segments that the folder does not define; those that it defines are worked out."""
    consents: dict[Name, bool | tuple[ChannelName, ...]] | None = None
    """Purpose to the channels agreed to (or true: all, false: none); they agreed to everything where left out."""
    reachable: tuple[ChannelName, ...] | None = None
    """Channels that reach them. Where left out, the traits say so (`email`, `phone`, `push_subscription`), and a person
    without any of these can be reached on all channels."""
    events: tuple[PastEvent, ...] = ()
    """What they did before the start."""


def _timed(value: object) -> str:
    return "<duration>" if isinstance(value, Duration) or (isinstance(value, str) and value.startswith(("P", "-P"))) else "<date>"


Horizon = Annotated[Annotated[Duration, Tag("<duration>")] | Annotated[Moment, Tag("<date>")], Discriminator(_timed)]


class ExpectedMessage(Node):
    """A message that the person gets."""

    step: StepId | None = None
    """The `send` step that sends it."""
    template: Name | None = None
    """Its template."""
    channel: ChannelName | None = None
    """The channel it goes out on; any where left out."""
    at: Moment | None = None
    """When exactly: local to the person (to the minute where no seconds are written), or an instant."""
    after: Duration | None = None
    """How long after the start exactly, days and longer on the person's wall clock."""

    @model_validator(mode="after")
    def _names_it(self) -> Self:
        if self.step is None and self.template is None:
            raise wrong("says not which message", "name its 'step' or its 'template'")
        if self.at is not None and self.after is not None:
            raise wrong("both 'at' and 'after' say when", "keep one of them")
        return self


class ExpectedEnd(Node):
    """How the journey ends for the person."""

    reason: str | None = None
    """Why: `completed`, the `reason` of an exit step, `exit` (an exit rule), `goal`; any where left out."""
    at: Moment | None = None
    """When exactly."""
    after: Duration | None = None
    """How long after the start exactly."""


def _end_tag(value: object) -> str:
    return "<reason>" if isinstance(value, str) else "<end>"


class Expectation(Node):
    """What should come of it. What is left out is not looked at, except for messages (see `nothing_else`)."""

    enters: bool = True
    """Whether the person enters at all."""
    messages: tuple[ExpectedMessage, ...] = ()
    """The messages the person gets, in order."""
    nothing_else: bool = True
    """Whether any further message is a failure."""
    path: dict[StepId, str | tuple[str, ...]] = Field(default_factory=dict)
    """Step to the path taken there, a list: at each visit. Paths are those of the step, `otherwise`, `timeout`, `again`
    and `done` of a repetition, `ok` and `failed` of a call; of a wait whose time had passed its policy, or where it went."""
    ends: Annotated[Annotated[str, Tag("<reason>")] | Annotated[ExpectedEnd, Tag("<end>")], Discriminator(_end_tag)] | None = None
    """How it ends: a reason, or a reason and a time."""
    waits_at: StepId | None = None
    """The step the person is still at when the test ends."""
    goal_reached: bool | None = None
    """Whether the goal was reached."""
    traits: dict[Path, JsonValue] = Field(default_factory=dict)
    """Traits as they are in the end; null: there is none."""
    emits: tuple[Name, ...] | None = None
    """The events that the journey tracks, in order; not looked at where left out."""

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if self.ends is not None and self.waits_at is not None:
            raise wrong("nobody who waits has ended", "keep one of 'ends' and 'waits_at'")
        if not self.enters and (self.messages or self.path or self.ends is not None or self.waits_at is not None):
            raise wrong("who does not enter gets nothing", "expect nothing else, or let them enter")
        return self


class EntryGiven(Node):
    """What starts the journey."""

    properties: dict[str, JsonValue] = Field(default_factory=dict)
    """Of the entering event; references find them as `entry.properties`."""


class JourneyTest(Node):
    """One test."""

    name: Name
    """A sentence about what the journey does for this person."""
    person: PersonGiven = PersonGiven()
    """Who."""
    start: Moment
    """When the person meets the entry: local to them, or an instant with `Z` or an offset.

    Entries by schedule come by themselves, from then on."""
    entry: EntryGiven = EntryGiven()
    """What the entry brings along."""
    splits: dict[StepId, StepId] = Field(default_factory=dict)
    """Split to the path this person draws; by chance (the same every time) where left out."""
    happenings: tuple[AnyHappening, ...] = ()
    """What happens to them from the start on."""
    until: Horizon = Duration.parse("P2Y")
    """When the test ends at the latest: so long after the start, or then."""
    expect: Expectation
    """What should come of it."""


class Workspace(DeliveryPolicy):
    """What holds for the whole workspace while the tests run."""

    zone: str = "UTC"
    """IANA zone of people who have none, where the journey names none either."""


class JourneyTests(Node):
    """A file of journey tests; it lies beside the journeys and is called `NAME.test.json`."""

    schema_: str | None = Field(default=None, alias="$schema")
    """Address of the JSON Schema, for editors."""
    journey: Key
    """Key of the journey that is tested."""
    workspace: Workspace = Workspace()
    """Zone, quiet hours and frequency caps; UTC and none where left out."""
    tests: tuple[JourneyTest, ...] = Field(min_length=1)
    """The tests; each has a name of its own."""

    @model_validator(mode="after")
    def _own_names(self) -> Self:
        names = [test.name for test in self.tests]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise wrong(f"two tests are called {twice!r}", "give every test a name of its own")
        return self
