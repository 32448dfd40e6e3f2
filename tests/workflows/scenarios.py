"""The lives whose histories are kept: both reference journeys in their shapes, R, and a chain of continue-as-new."""

from collections.abc import Awaitable, Callable, Mapping

from contracts.journeys import StepItem
from journeys.outcome import Chose, Deferred, Done, Match, PastDue, ServiceOutcome, Sleep, Waiting
from tests.workflows.harness import Enrolled, Shell
from tests.workflows.journeys_under_test import FOLLOW_UP, PUPPY, ROUND, ROUNDS, R
from tests.workflows.scripted import SOON, instant

Scenario = Callable[[Shell], Awaitable[Enrolled]]


async def _standing_at(shell: Shell, person: Enrolled, step: str, visit: int = 1) -> None:
    await shell.world.until(lambda: (step, visit) in shell.world.decided(person.id))


async def r_with_event(shell: Shell) -> Enrolled:
    person = await shell.enrol(R)
    await _standing_at(shell, person, "order")
    await person.matched("order", "ordered", "e-1")
    await person.result()
    return person


async def r_timed_out(shell: Shell) -> Enrolled:
    shell.world.script["order"] = lambda _: Waiting(wake_at=instant(SOON))
    person = await shell.enrol(R)
    await person.result()
    return person


async def r_interrupted(shell: Shell) -> Enrolled:
    person = await shell.enrol(R)
    await _standing_at(shell, person, "order")
    await person.interrupted()
    await person.result()
    return person


async def r_in_quiet_hours(shell: Shell) -> Enrolled:
    """The second send is deferred twice; where a deferral is final it is asked for once."""
    answers = iter((Deferred(wake_at=instant(SOON)), Deferred(wake_at=instant(SOON))))
    shell.world.script["thanks"] = lambda _: next(answers, Done(detail="m-1"))
    return await r_with_event(shell)


async def r_confirmed(shell: Shell) -> Enrolled:
    """An accelerated clock: the pause is not over when its timer fires first."""

    def pause(item: StepItem) -> ServiceOutcome:
        return next(confirmed) if item.confirm else Sleep(wake_at=instant(SOON), confirm=True)

    confirmed = iter((Sleep(wake_at=instant(SOON), confirm=True), Done()))
    shell.world.script["pause"] = pause
    return await r_with_event(shell)


async def follow_up_attended(shell: Shell) -> Enrolled:
    person = await shell.enrol(FOLLOW_UP)
    await _standing_at(shell, person, "attendance")
    await person.matched("attendance", "attended", "e-2")
    await person.result()
    return person


async def follow_up_found_by_looking_back(shell: Shell) -> Enrolled:
    shell.world.script["day-before"] = lambda _: PastDue(action="goto", target="attendance")
    shell.world.script["attendance"] = lambda _: Waiting(matched=Match(path="attended", event_id="e-2"))
    shell.world.script["offer-test"] = lambda _: Chose(path="no-offer")
    person = await shell.enrol(FOLLOW_UP)
    await person.result()
    return person


async def follow_up_no_show(shell: Shell) -> Enrolled:
    shell.world.script["attendance"] = lambda _: Waiting(wake_at=instant(SOON))
    person = await shell.enrol(FOLLOW_UP)
    await _standing_at(shell, person, "answer")
    await person.matched("answer", "replied", "r-1")
    await person.result()
    return person


async def puppy(shell: Shell) -> Enrolled:
    """Two bags bought, one reminder, grown up in the fourth round."""
    shell.world.script["feeding"] = lambda item: Chose(path="done" if item.visit > 3 else "again")
    shell.world.script["bag-empty"] = lambda item: Waiting(wake_at=instant(SOON)) if item.visit == 2 else Waiting()
    person = await shell.enrol(PUPPY)
    for visit in (1, 3):
        await _standing_at(shell, person, "bag-empty", visit)
        await person.matched("bag-empty", "bought", f"e-{visit}", visit)
    await person.result()
    return person


async def rounds(shell: Shell) -> Enrolled:
    """Long enough to continue as new, with signals that come early, twice and late."""
    person = await shell.enrol(ROUND)
    for visit in range(1, ROUNDS + 1):
        if visit % 4 != 0:
            await person.matched("bag-empty", "bought", f"e-{visit}", visit)
        await _standing_at(shell, person, "bag-empty", visit)
        await person.matched("bag-empty", "bought", f"e-{visit}", visit)
        await person.matched("bag-empty", "bought", f"late-{visit}", max(visit - 1, 1))
    await person.result()
    return person


ALL: Mapping[str, Scenario] = {
    one.__name__: one
    for one in (
        *(r_with_event, r_timed_out, r_interrupted, r_in_quiet_hours, r_confirmed),
        *(follow_up_attended, follow_up_found_by_looking_back, follow_up_no_show, puppy, rounds),
    )
}
IN_SHORT_RUNS = frozenset({"rounds", "puppy"})
"""Recorded on a server that suggests to continue as new after few events."""
