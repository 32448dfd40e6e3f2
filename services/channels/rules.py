"""The settings of the delivery rules: quiet hours and frequency caps; the rules themselves are in `policy`."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from infra.errors import BadInput, Flaw, setting_flaws
from policy import FrequencyCap, QuietHours

_CAPS: TypeAdapter[tuple[FrequencyCap, ...]] = TypeAdapter(tuple[FrequencyCap, ...])


def read_quiet_hours(text: str, default_zone: str) -> QuietHours | None:
    """Reads the setting REIS_QUIET_HOURS, `HH:MM-HH:MM`; none for an empty one. Raises `BadInput`."""
    try:
        return QuietHours.parse(text, default_zone)
    except ValueError as error:
        flaw = Flaw(
            path="REIS_QUIET_HOURS",
            message=f"{text!r} is no window",
            remedy="write HH:MM-HH:MM, e.g. 21:00-08:00, or nothing",
        )
        raise BadInput([flaw], "the settings") from error


def read_caps(text: str) -> tuple[FrequencyCap, ...]:
    """Reads the setting REIS_FREQUENCY_CAPS, a JSON list; none for an empty one. Raises `BadInput` naming the place."""
    try:
        return _CAPS.validate_json(text) if text.strip() else ()
    except ValidationError as error:
        remedy = 'write a list like [{"at_most": 3, "per": "P7D", "purpose": "marketing"}], or nothing'
        raise BadInput(setting_flaws("REIS_FREQUENCY_CAPS", error, remedy), "the settings") from error
