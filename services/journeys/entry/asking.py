"""Asking the other services about somebody who is about to enter, outside any transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from conditions import Condition, bind, references
from contracts.segments import EvaluateItem
from journeys import MISSING, resolve
from services.journeys.entry.admission import Asked, Entrant, fixed_refs, needs_asking
from services.journeys.waits.clocks import lives_in
from services.journeys.waits.criteria import computed_for
from services.journeys.world import World


class Asker:
    """Finds what is named of the profile of entrants, their zone, and whether `only_if` holds as of their trigger.

    May raise `Unavailable` or `Rejected`.
    """

    def __init__(self, world: World, workspace_zone: str) -> None:
        self._world = world
        self._zone = workspace_zone

    async def ask(self, entrant: Entrant) -> Entrant:
        """The entrant with the answers; as it is where its journey needs none."""
        if not needs_asking(entrant):
            return entrant
        if not entrant.traits_known:
            profile = await self._world.profile(entrant.profile_id)
            entrant = replace(entrant, traits=profile.traits if profile else entrant.traits)
        condition = entrant.journey.entry.only_if
        refs = fixed_refs(entrant.journey) | (references(condition).refs if condition is not None else frozenset())
        computed = await computed_for(self._world, refs, entrant.profile_id, entrant.position)
        entrant = replace(entrant, computed=computed)
        zone, _ = lives_in(entrant.traits, entrant.journey, self._zone)
        matches, seen = await self._only_if(entrant, condition)
        return replace(entrant, asked=Asked(matches, seen, zone.key))

    async def _only_if(self, entrant: Entrant, condition: Condition | None) -> tuple[bool, dict[str, Any]]:
        if condition is None:
            return True, {}
        context = entrant.context

        def value(ref: str) -> JsonValue:
            found = resolve(ref, context)
            return None if found is MISSING else found  # type: ignore[return-value]

        bound = bind(condition, value).model_dump(mode="json")
        answer = await self._world.evaluate(
            EvaluateItem(profile_id=entrant.profile_id, condition=bound, position=entrant.position)
        )
        return answer.matches, {"only_if": {"matches": answer.matches, "seen": answer.seen}}
