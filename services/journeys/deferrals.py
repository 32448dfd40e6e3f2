"""Deferrals that gave way to a decision: it has seen how often it was put off, and the first and the latest time."""

from __future__ import annotations

DEFERRED = "deferred"
"""Under which a decision has seen `{"count", "first", "latest"}`; each time is `{"at", "until", "reason", "detail"}`."""
PAUSED = "paused"
"""The reason of a deferral for a pause; `resumed` once whom it parked was asked to go on."""
PAUSED_AT = "paused_at"
"""Under which a deferral for a pause has seen when that began: of several pauses in a row, the first."""

# How long a pause lasts nobody knows when it parks somebody.
_ITSELF = (
    "jsonb_strip_nulls(CASE WHEN decision.seen->>'reason' IN ('paused', 'resumed') "
    "THEN jsonb_build_object('at', decision.at, 'reason', 'paused') "
    "ELSE jsonb_build_object('at', decision.at, 'until', decision.deadline, 'reason', decision.seen->'reason', "
    "'detail', decision.seen->'detail') END)"
)
SEEN_OF_NEXT = (
    "excluded.seen || jsonb_build_object('deferred', jsonb_build_object("
    "'count', 1 + coalesce(CAST(decision.seen->'deferred'->>'count' AS int), 0), "
    f"'first', coalesce(decision.seen->'deferred'->'first', {_ITSELF}), 'latest', {_ITSELF})) "
    "|| CASE WHEN excluded.seen->>'reason' = 'paused' AND decision.seen->>'paused_at' IS NOT NULL "
    "THEN jsonb_build_object('paused_at', decision.seen->'paused_at') ELSE '{}' END"
)
"""What a decision has seen that takes the place of the deferral `decision`."""
