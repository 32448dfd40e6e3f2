"""Names, dates and windows: the small parts of which steps are made."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Strict, Tag, model_validator
from pydantic_core import PydanticCustomError

from conditions.duration import Duration
from conditions.model import Moment, Node
from journeys.refs import check_ref

StepId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["09:30"])]
EndClock = Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$", examples=["20:00"])]
RefName = Annotated[str, check_ref]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def wrong(message: str, remedy: str, at: str = "") -> PydanticCustomError:
    """What a validator of a whole model raises; `at` is the field that is wrong, if it is one alone."""
    return PydanticCustomError("journey", message, {"remedy": remedy, "at": at})


def told_by(*keys: str) -> Discriminator:
    """Tells the members of a union apart by a key that only one of them has."""

    def tag(value: object) -> str | None:
        if isinstance(value, dict):
            return next((f"<{key}>" for key in keys if key in value), None)
        fields = getattr(type(value), "model_fields", ())
        return next((f"<{key}>" for key in keys if key in fields or f"{key}_" in fields), None)

    return Discriminator(tag, custom_error_type="keys", custom_error_message=f"needs one of the keys {', '.join(keys)}")


class After(Node):
    """So long after the step is entered."""

    after: Duration
    """Counted from entering the step."""


class DateRef(Node):
    """A date found by reference, with a replacement for people who have none."""

    ref: RefName
    """Where the date is, such as `entry.properties.starts_at` or `profile.traits.dog.birthdate`."""
    default: After | None = None
    """Stands in for a date that is missing or unreadable; an offset applies to it too."""
    yearly: Annotated[bool, Strict()] = False
    """Means the date's next anniversary, such as a birthday; one of 29 February falls on the 28th in common years."""


class Window(Node):
    """When the wait may end: these days, between these local times; one that ends outside moves forward to the next opening.

    One that closes at or before its opening goes on past midnight: `from` 22:00 `to` 06:00 is a night, equal times are 24 hours.
    """

    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    """Days of the week on which it opens; all where left out."""
    from_: Clock = Field(default="00:00", alias="from")
    """Opens at this local time."""
    to: EndClock = "24:00"
    """Closes at this local time, itself outside."""

    @model_validator(mode="after")
    def _opens(self) -> Self:
        if not self.days:
            raise wrong("the window has no day", "name at least one day, or leave 'days' out for all", at="days")
        if len(set(self.days)) < len(self.days):
            raise wrong("the window names a day twice", "name each day once", at="days")
        return self


class GoTo(Node):
    """Continue at another step."""

    goto: StepId
    """The id of the step."""


def _until_tag(value: object) -> str | None:
    return "<date>" if isinstance(value, str) else "<ref>" if isinstance(value, dict | DateRef) else None


Until = Annotated[
    Annotated[Moment, Tag("<date>")] | Annotated[DateRef, Tag("<ref>")],
    Discriminator(_until_tag, custom_error_type="until", custom_error_message="is neither a date nor a reference to one"),
]


def _policy_tag(value: object) -> str:
    return "<goto>" if isinstance(value, dict | GoTo) else "<word>"


IfPast = Annotated[
    Annotated[Literal["continue", "exit"], Tag("<word>")] | Annotated[GoTo, Tag("<goto>")], Discriminator(_policy_tag)
]
