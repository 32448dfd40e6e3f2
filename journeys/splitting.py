"""Sticky random choice: the same person, split and salt always give the same path."""

import hashlib

from journeys.model import Split


def choose(step: Split, profile_id: str, salt: str) -> str:
    """The id of the path for this person; shares follow the weights. Give the journey's key as salt to survive new versions."""
    total = sum(path.weight for path in step.paths)
    digest = hashlib.sha256(f"{salt}\x1f{step.id}\x1f{profile_id}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") * total >> 64
    for path in step.paths:
        point -= path.weight
        if point < 0:
            return path.id
    return step.paths[0].id
