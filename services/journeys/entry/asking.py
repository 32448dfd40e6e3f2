"""Asking the other services about somebody who is about to enter, outside any transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from conditions import bind, references
from contracts.segments import EvaluateItem
from journeys import MISSING, parse_ref, resolve
from journeys.timing import zone_of
from services.journeys.entry.admission import Asked, Entrant, needs_asking
from services.journeys.world import World


class Asker:
    """Finds the zone of entrants, and whether `only_if` holds as of their trigger. May raise `Unavailable` or `Rejected`."""

    def __init__(self, world: World, workspace_zone: str) -> None:
        self._world = world
        self._zone = workspace_zone

    async def ask(self, entrant: Entrant, *, known: bool = False) -> Entrant:
        """The entrant with the answers; as it is where its journey needs none. `known`: its traits are those of now."""
        if not needs_asking(entrant.journey):
            return entrant
        if not known:
            profile = await self._world.profile(entrant.profile_id)
            entrant = replace(entrant, traits=profile.traits if profile else entrant.traits)
        own = entrant.traits.get("timezone")
        zone, _ = zone_of(own if isinstance(own, str) else None, entrant.journey.zone, self._zone)
        matches, seen = await self._only_if(entrant)
        return replace(entrant, asked=Asked(matches, seen, zone.key))

    async def _only_if(self, entrant: Entrant) -> tuple[bool, dict[str, Any]]:
        condition = entrant.journey.entry.only_if
        if condition is None:
            return True, {}
        parsed = [found for ref in references(condition).refs if (found := parse_ref(ref)) is not None]
        context: dict[str, JsonValue] = dict(entrant.context)
        if any(ref.root == "profile" and ref.path[0] == "computed" for ref in parsed):
            computed = await self._world.computed(entrant.profile_id, entrant.position)
            context["profile"] = {**context["profile"], "computed": computed}  # type: ignore[dict-item]

        def value(ref: str) -> JsonValue:
            found = resolve(ref, context)
            return None if found is MISSING else found  # type: ignore[return-value]

        bound = bind(condition, value).model_dump(mode="json")
        answer = await self._world.evaluate(
            EvaluateItem(profile_id=entrant.profile_id, condition=bound, position=entrant.position)
        )
        return answer.matches, {"only_if": {"matches": answer.matches, "seen": answer.seen}}
