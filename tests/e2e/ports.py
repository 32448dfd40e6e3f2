"""Ports that no other system on this machine will take meanwhile: the usual ones are everybody's first choice."""

import os

from infra.local.ports import any_free
from infra.roles import ROLES


def own_ports() -> dict[str, str]:
    """The environment of the caller, with a port of its own for every role and for Temporal."""
    names = [*(role.upper() for role in ROLES), "TEMPORAL", "TEMPORAL_UI"]
    chosen: set[int] = set()
    while len(chosen) < len(names):
        chosen.add(any_free())
    return {**os.environ, **{f"REIS_{name}_PORT": str(port) for name, port in zip(names, chosen, strict=True)}}
