"""Everything around a simulated person: other journeys, segments, computed traits, delivery rules, what services answer."""

from collections.abc import Mapping
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from conditions.computed import ComputedTrait
from conditions.model import Condition, Name
from conditions.references import references
from journeys.dates import wrong
from journeys.model import Journey
from journeys.simulation.people import Answer, Behaviour, ChannelName, Shape
from policy import DeliveryPolicy


class Template(Shape):
    """What a simulation knows of a template: not what it says."""

    channels: tuple[ChannelName, ...]
    """The channels that it has a part for."""
    purpose: Name | None = None
    """What it is made for; any purpose where left out."""


class Setting(Shape):
    """The world of a simulation. Nothing in it changes by itself but what conditions on time make of it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    journeys: Mapping[str, Journey] = Field(default_factory=dict)
    """Other published journeys by key: started by `start_journey`, and by their own entries."""
    segments: Mapping[str, Condition] = Field(default_factory=dict)
    """Definitions by key: memberships are worked out, also when time alone changes them."""
    computed: Mapping[str, ComputedTrait] = Field(default_factory=dict)
    """Computed traits by key."""
    templates: Mapping[str, Template] | None = None
    """Templates by key; None: every template has all channels and serves any purpose."""
    policy: DeliveryPolicy = DeliveryPolicy()
    """Quiet hours and frequency caps."""
    zone: str = "UTC"
    """The workspace's time zone."""
    seed: int = 0
    """Another seed draws other responses; splits and random waits do not depend on it."""
    behaviour: Behaviour = Behaviour()
    """What becomes of messages."""
    answers: Mapping[str, tuple[Answer, ...]] = Field(default_factory=dict)
    """What each try of a `call` step gets, by the step's id, the last again and again; 200 with no body where left out."""

    @model_validator(mode="after")
    def _no_circle(self) -> Self:
        above = {key: references(condition).segments & self.segments.keys() for key, condition in self.segments.items()}
        while leaves := [key for key, inner in above.items() if not inner & above.keys()]:
            above = {key: inner for key, inner in above.items() if key not in leaves}
        if above:
            raise wrong(f"the segments {', '.join(sorted(above))} rest on each other", "let one of them do without the others")
        return self
