"""Steps that do something: send, update a profile, tell of an event, call a web service, start another journey."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Discriminator, Field, JsonValue, Strict, Tag

from conditions.duration import Duration
from conditions.model import Name, Node, Path, Ref
from journeys.dates import Key, Until
from journeys.step_base import StepBase

if TYPE_CHECKING:
    from journeys.steps import Step


class Fallback(Node):
    """When to try the next channel."""

    unless: Literal["sent", "delivered", "opened", "clicked", "replied"]
    """The outcome that makes the next channel needless."""
    within: Duration
    """How long to wait for that outcome."""


class Send(StepBase):
    """Sends a message."""

    type: Literal["send"]
    template: Name
    """Key of the template."""
    channels: tuple[Literal["email", "sms", "whatsapp", "web_push"], ...] = Field(min_length=1)
    """Best first; a channel that cannot reach the person is passed over."""
    purpose: Name | None = None
    """What the person must have agreed to; the journey's purpose where left out."""
    fallback: Fallback | None = None
    """When to try the next channel; only when one cannot reach the person, where left out."""
    valid_until: Until | None = None
    """Not sent after this instant."""


def _set_tag(value: object) -> str:
    return "<ref>" if isinstance(value, Ref) or (isinstance(value, dict) and "ref" in value) else "<constant>"


Value = Annotated[Annotated[Ref, Tag("<ref>")] | Annotated[JsonValue, Tag("<constant>")], Discriminator(_set_tag)]


class UpdateProfile(StepBase):
    """Writes traits."""

    type: Literal["update_profile"]
    set: dict[Path, Value] = Field(min_length=1)
    """Dotted trait to value or `{"ref": …}`; a reference that leads nowhere writes nothing."""


class EmitEvent(StepBase):
    """Tracks an event about the person, as if a client had sent it."""

    type: Literal["emit_event"]
    event: Name
    """The event's name."""
    properties: dict[Name, Value] = Field(default_factory=dict)
    """Property to value or `{"ref": …}`; a reference that leads nowhere leaves its property out."""


class Retry(Node):
    """How often to try again, and how long to pause: the pause doubles from `first` up to `longest`."""

    attempts: Annotated[int, Strict(), Field(ge=1, le=50)] = 5
    """Tries in all."""
    first: Duration = Duration.parse("PT10S")
    """Pause after the first failure."""
    longest: Duration = Duration.parse("PT1H")
    """No pause is longer."""


class Call(StepBase):
    """Calls a web service; the answer is `results.ID.status`, `results.ID.headers` and `results.ID.body` from then on."""

    type: Literal["call"]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    """HTTP method."""
    url: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^https?://")]
    """Address; a Liquid template."""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], str] = Field(default_factory=dict)
    """Header to Liquid template; `{{ secrets.NAME }}` stands for a secret of the settings."""
    body: JsonValue = None
    """Sent as JSON: texts are Liquid templates, `{"ref": …}` stands for the value itself."""
    timeout: Duration = Duration.parse("PT10S")
    """For one try; a minute at most."""
    retry: Retry = Retry()
    """When the service does not answer, or answers 408, 425, 429 or 5xx."""
    on_failure: "tuple[Step, ...]" = ()
    """Steps when no try succeeded, or the answer is another 4xx; then the flow goes on behind this step."""


class StartJourney(StepBase):
    """Enrols the person in another journey."""

    type: Literal["start_journey"]
    journey: Key
    """Key of the other journey."""
    properties: dict[Name, Value] | None = None
    """What the other journey sees as `entry.properties`: value or `{"ref": …}`; this journey's own where left out."""
    wait: Annotated[bool, Strict()] = False
    """Whether to go on only when the other journey has ended: `results.ID.reason` and `results.ID.goal_reached` say how."""
