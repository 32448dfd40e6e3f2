"""What ends people before their first step: nobody is written to for whom an exit rule holds as they enter."""

from __future__ import annotations

from uuid import UUID

from infra.errors import Unavailable
from infra.http import Coalescer
from services.journeys.outgoing import Outgoing
from services.journeys.waits.looking import Looker
from services.journeys.waits.looking_back import CriteriaLookBack


class FirstLook:
    """Criteria that were met before they were listened for, and exit rules whose condition holds already."""

    def __init__(self, *, criteria: CriteriaLookBack, looker: Looker) -> None:
        self._criteria = criteria
        self._exits: Coalescer[UUID, list[Outgoing] | None] = Coalescer(looker.exits, most=200)

    async def __call__(self, enrolment_id: UUID, look_back: object, *, exits: bool) -> list[Outgoing]:
        """Records what is found; answers the signals to deliver. `look_back` is the scope, falsy for none.

        Raises `Unavailable`: then nobody may be taken to a step.
        """
        told = await self._criteria(enrolment_id, look_back) if look_back else []
        if exits:
            found = await self._exits(enrolment_id)
            if found is None:
                raise Unavailable("segments", "an exit condition could not be looked at")
            told += found
        return told
