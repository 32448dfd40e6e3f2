"""Asking profiles who people are: concurrent questions gathered into one call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

from contracts.profiles import Profile, ProfileLookup, ProfilesFound
from infra.http import Coalescer, ServiceClient
from services.channels.decision import Person

_MOST = 500


class People:
    """Profiles by id over HTTP. Raises `Unavailable` or `Rejected` as the client does."""

    def __init__(self, profiles: ServiceClient) -> None:
        self._profiles = profiles
        self._ask: Coalescer[frozenset[UUID], dict[UUID, Profile]] = Coalescer(self._lookup, most=20)

    async def known(self, ids: Iterable[UUID]) -> dict[UUID, Person]:
        """People by the id asked for; unknown and erased ones are missing."""
        wanted = frozenset(ids)
        if not wanted:
            return {}
        found = await self._ask(wanted)
        return {id_: Person.of(found[id_]) for id_ in wanted if id_ in found}

    async def _lookup(self, asked: Sequence[frozenset[UUID]]) -> Sequence[dict[UUID, Profile]]:
        ids = sorted(frozenset[UUID]().union(*asked))
        pages = [ids[start : start + _MOST] for start in range(0, len(ids), _MOST)]
        answers = await asyncio.gather(
            *(self._profiles.post("/v1/profiles/lookup", ProfileLookup(ids=tuple(page)), ProfilesFound) for page in pages)
        )
        found = {id_: profile for answer in answers for id_, profile in answer.profiles.items()}
        return [found] * len(asked)
