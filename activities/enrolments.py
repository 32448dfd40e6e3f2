"""The two local activities of an enrolment: perform a step, and finish."""

from collections.abc import Sequence

from temporalio import activity

from activities.verdicts import verdict
from contracts.journeys import FinishItem, FinishItems, StepItem, StepItems
from infra.errors import Rejected, Unavailable
from infra.http import Coalescer, ServiceClient
from journeys.outcome import Done, Ended, Later, Outcome, ServiceOutcome, StepResults

_WHOLE_CALL = frozenset({401, 403, 405, 415})
"""Refusals that no single item can be the reason of."""


class EnrolmentActivities:
    """Calls the journeys service; calls made at the same time by many workflows travel as one.

    Both are safe to repeat: the service decides each (enrolment, step, visit) once.
    """

    def __init__(self, journeys: ServiceClient) -> None:
        self._journeys = journeys
        self._steps: Coalescer[StepItem, ServiceOutcome | Rejected] = Coalescer(self._post_steps, lanes=2)
        self._finishes: Coalescer[FinishItem, Outcome | Rejected] = Coalescer(self._post_finishes, lanes=2)

    @activity.defn
    async def perform_step(self, item: StepItem) -> Outcome:
        """What became of the step. Raises ApplicationError when it is to be asked again."""
        try:
            answer = await self._steps(item)
            if isinstance(answer, Rejected):
                raise answer
            if isinstance(answer, Later):
                raise Unavailable("journeys", answer.why)
        except Exception as error:  # noqa: BLE001  # every error gets its verdict, in one place
            answer = _ended_or_raise(error)
        return answer

    @activity.defn
    async def finish_enrolment(self, item: FinishItem) -> None:
        """Tells the service that the workflow has ended; an enrolment that is gone already is fine."""
        try:
            answer = await self._finishes(item)
            if isinstance(answer, Rejected):
                raise answer
        except Exception as error:  # noqa: BLE001  # every error gets its verdict, in one place
            _ended_or_raise(error)

    async def _post_steps(self, items: Sequence[StepItem]) -> list[ServiceOutcome | Rejected]:
        try:
            answer = await self._journeys.post("/v1/steps", StepItems(items=tuple(items)), StepResults)
        except Rejected as error:
            if len(items) == 1 or error.answered in _WHOLE_CALL:
                return [error] * len(items)
            return [answer for item in items for answer in await self._post_steps([item])]
        return list(answer.results)

    async def _post_finishes(self, items: Sequence[FinishItem]) -> list[Outcome | Rejected]:
        try:
            await self._journeys.request("POST", "/v1/finishes", FinishItems(items=tuple(items)))
        except Rejected as error:
            if len(items) == 1 or error.answered in _WHOLE_CALL:
                return [error] * len(items)
            return [answer for item in items for answer in await self._post_finishes([item])]
        return [Done()] * len(items)


def _ended_or_raise(error: Exception) -> Ended:
    judged = verdict(error)
    if isinstance(judged, Ended):
        return judged
    raise judged from None  # a cause would take its text into history
