"""Ports that no other system on this machine will take meanwhile: the usual ones are everybody's first choice."""

import os

from infra.local.ports import any_free
from infra.roles import ROLES


def own_ports() -> dict[str, str]:
    """The environment of the caller, with a port of its own for every role and for Temporal."""
    names = [*(role.upper() for role in ROLES), "TEMPORAL", "TEMPORAL_UI"]
    return {**os.environ, **{f"REIS_{name}_PORT": str(any_free()) for name in names}}
