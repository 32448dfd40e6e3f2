"""Deciding a `call`: the request is filled in once, with masked secrets, so that what cannot be sent fails at once."""

from __future__ import annotations

from typing import Any

from infra.clock import Clock
from infra.liquid import RenderFailed
from journeys.model import Call
from services.journeys.steps.calls import NewCall
from services.journeys.steps.cases import Case, FactFinder
from services.journeys.steps.requests import Secrets, host_of, needs, render, shown, used
from services.journeys.steps.results import Answer
from services.journeys.steps.rulings import Ruling, decision_of


class CallDecider:
    """Decides `call`. May raise `Unavailable`: then nothing was decided."""

    def __init__(self, *, finder: FactFinder, secrets: Secrets, clock: Clock) -> None:
        self._finder = finder
        self._secrets = secrets
        self._clock = clock

    async def call(self, case: Case, step: Call) -> Ruling:
        """Under way: the answer comes by a signal. A request that cannot be written has failed already."""
        key = f"{case.enrolment.id}:{step.id}:{case.visit}"
        facts = await self._finder.facts(case, needs(step))
        context = used(step, facts.context())
        now = self._clock.now()
        try:
            request = render(step, context, self._secrets.masked(), key)
            host = host_of(request)
        except RenderFailed as error:
            seen: dict[str, Any] = {"error": str(error)}
            failed = Answer(case.enrolment.id, step.id, case.visit, "failed", key, {"error": str(error), "tries": 0}, now)
            return Ruling(decision_of(case, "called", {"kind": "waiting"}, seen, now), answers=[failed])
        seen = {"request": shown(request)}
        row = {"step": step.model_dump(mode="json"), "context": context, "host": host}
        ruling = Ruling(decision_of(case, "called", {"kind": "waiting"}, seen, now))
        return Ruling(ruling.decision, calls=[NewCall(case.enrolment.id, step.id, case.visit, row)])
