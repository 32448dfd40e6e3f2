"""The one error that only the segments service has."""

from __future__ import annotations

from infra.errors import Conflict


class StillUsed(Conflict):
    """A segment that other segments refer to cannot be deleted."""

    def __init__(self, key: str, users: list[str]) -> None:
        super().__init__(f"segment {key!r} is used by {', '.join(map(repr, users))}: change those first")
