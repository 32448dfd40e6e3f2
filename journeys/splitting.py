"""Sticky random choice: the same person, split and salt always give the same path."""

import hashlib

from journeys.model import Split


def draw(*of: object) -> float:
    """A number from 0 up to, not including, 1: the same for the same things, evenly spread over different ones."""
    digest = hashlib.sha256("\x1f".join(map(str, of)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48)


def choose(step: Split, profile_id: str, salt: str) -> str:
    """The id of the path for this person; shares follow the weights. Give the journey's key as salt to survive new versions."""
    total = sum(path.weight for path in step.paths)
    named = f"{salt}\x1f{step.id}" if step.experiment is None else f"experiment\x1f{step.experiment}"
    digest = hashlib.sha256(f"{named}\x1f{profile_id}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") * total >> 64
    for path in step.paths:
        point -= path.weight
        if point < 0:
            return path.id
    return step.paths[0].id
