"""The delivery rules of a workspace as settings that can be written down."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from policy.caps import FrequencyCap
from policy.quiet_hours import QuietHours


def _readable(text: str) -> str:
    QuietHours.parse(text, "UTC")
    return text


class DeliveryPolicy(BaseModel):
    """What holds for all messages."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    quiet_hours: Annotated[str, AfterValidator(_readable)] = ""
    """`HH:MM-HH:MM` on the person's wall clock, such as `21:00-08:00`; none where empty."""
    caps: tuple[FrequencyCap, ...] = ()
    """Frequency caps; all of them hold."""
