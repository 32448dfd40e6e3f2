"""The setting of the quiet hours; the rule itself is `policy.quiet_hours`."""

from __future__ import annotations

from infra.errors import BadInput, Flaw
from policy.quiet_hours import QuietHours

__all__ = ["QuietHours", "read_quiet_hours"]


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
