"""What exit criteria and the goal are bound with when they are registered: the entry, and what they name of the profile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from conditions import filter_references
from journeys import Journey, parse_ref
from journeys.model import OnEvent
from services.journeys.steps.facts import traits_context
from services.journeys.world import World

Context = dict[str, JsonValue]


def profile_refs(refs: Iterable[str]) -> frozenset[str]:
    """Those of these references that only other services can answer: traits and computed traits."""
    parsed = {ref: found for ref in refs if (found := parse_ref(ref)) is not None and found.root == "profile"}
    return frozenset(ref for ref, found in parsed.items() if found.path[0] in ("traits", "computed"))


def criteria_refs(journey: Journey) -> frozenset[str]:
    """What the filters of its exit criteria and its goal name of the profile. Conditions are bound when they are looked at."""
    wheres = [rule.where for rule in journey.exit_when if isinstance(rule, OnEvent)]
    wheres += [journey.goal.where] if journey.goal is not None else []
    return profile_refs(ref for where in wheres for ref in filter_references(where).refs)


def names_computed(refs: Iterable[str]) -> bool:
    """Whether one of these references is to a computed trait."""
    return any(ref.startswith("profile.computed.") for ref in refs)


async def computed_for(world: World, refs: Iterable[str], profile_id: UUID, position: str | None) -> dict[str, JsonValue]:
    """The computed traits, if one of these references names any. May raise `Unavailable`."""
    if names_computed(refs):
        return await world.computed(profile_id, position)
    return {}


async def criteria_context(
    world: World, journey: Journey, profile_id: UUID, entry: dict[str, Any], position: str | None
) -> Context:
    """For somebody who comes into this version: as they are now. May raise `Unavailable`."""
    refs = criteria_refs(journey)
    within = journey.goal.within if journey.goal is not None else None
    asks = bool(refs) or (within is not None and within.counts_days)
    profile = await world.profile(profile_id) if asks else None
    computed = await computed_for(world, refs, profile_id, position)
    return traits_context(profile_id, entry, profile.traits if profile else {}, computed)


def traits_in(context: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The traits that a context was made with."""
    profile = context["profile"]
    traits = profile["traits"] if isinstance(profile, dict) else None
    return traits if isinstance(traits, dict) else {}
