"""The names that exist around a journey."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a definition may refer to; None where unknown, which skips the check."""

    templates: frozenset[str] | None = None
    segments: frozenset[str] | None = None
    journeys: frozenset[str] | None = None
    template_variables: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Template to the dotted names that it cannot do without, such as `entry.properties.title`."""
    supplied: frozenset[str] = frozenset({"unsubscribe_url", "journey"})
    """Roots of names that the renderer itself supplies to every template."""
