"""The names that exist around a journey."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from journeys.model import Journey

TemplateCheck = Callable[[str], str | None]
"""Answers what is wrong with a Liquid template, or None."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a definition may refer to; None where unknown, which skips the check."""

    templates: frozenset[str] | None = None
    segments: frozenset[str] | None = None
    journeys: frozenset[str] | None = None
    traits: frozenset[str] | None = None
    """Dotted traits seen so far; a name that is unknown here is worth a warning only: it may come tomorrow."""
    computed: frozenset[str] | None = None
    """Computed traits."""
    events: frozenset[str] | None = None
    """Names of events seen so far; as with traits."""
    definitions: Mapping[str, Journey] = field(default_factory=dict)
    """Key to the published version of other journeys, for those that start each other."""
    template_variables: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Template to the dotted names that it cannot do without, such as `entry.properties.title`."""
    supplied: frozenset[str] = frozenset({"unsubscribe_url", "journey"})
    """Roots of names that the renderer itself supplies to every template."""
    template_check: TemplateCheck | None = None
    """For the templates that stand in the definition itself: address, headers and body of a call."""
