"""The names that exist around a journey."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from journeys.model import Journey


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """What journeys need to know of a template. Names are dotted, such as `entry.properties.title`, per channel."""

    used: Mapping[str, frozenset[str]] = field(default_factory=dict)
    required: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Those that it cannot do without: they have no default, and no condition asks for them."""
    channels: frozenset[str] | None = None
    """The channels that it has a part for; None where unknown."""
    purpose: str | None = None
    """What it is made for; any purpose where None."""


@dataclass(frozen=True, slots=True)
class CallTemplate:
    """A Liquid template of a call, read: what is wrong with it, or the names that it uses and that it cannot do without."""

    flaw: str | None = None
    used: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()


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
    all_seen: bool = True
    """Whether `traits` and `events` are all that were ever seen; else only what is nearly one of them is taken for a mistake."""
    definitions: Mapping[str, Journey] = field(default_factory=dict)
    """Key to the published version of other journeys, for those that start each other."""
    template_facts: Mapping[str, TemplateFacts] = field(default_factory=dict)
    """Template to what is known of it."""
    supplied: frozenset[str] = frozenset({"unsubscribe_url", "journey"})
    """Roots of names that the renderer itself supplies to every template."""
    call_template: Callable[[str], CallTemplate] | None = None
    """Reads the templates that stand in the definition itself: address, headers and body of a call."""
