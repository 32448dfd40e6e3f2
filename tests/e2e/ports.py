"""Ports that no other system on this machine will take meanwhile: the usual ones are everybody's first choice."""

import os

from infra.local.ports import any_free
from infra.roles import ROLES, TEMPORAL_PORTS, port_setting


def own_ports() -> dict[str, str]:
    """The environment of the caller, with a port of its own for every role and for Temporal."""
    names = [*ROLES, *TEMPORAL_PORTS]
    chosen: set[int] = set()
    while len(chosen) < len(names):
        chosen.add(any_free())
    return {**os.environ, **{port_setting(name): str(port) for name, port in zip(names, chosen, strict=True)}}
