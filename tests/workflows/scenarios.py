"""The lives whose histories are kept: both reference journeys in their shapes, R, chains of continue-as-new, and cohorts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

from pydantic import JsonValue

from contracts.journeys import StepItem
from journeys import parse_journey
from journeys.model import Branch, Call, Repeat, Split, StartJourney, Step, Wait, WaitFor
from journeys.outcome import Chose, Deferred, Done, Match, PastDue, ServiceOutcome, Sleep, Waiting
from tests.workflows.crowds import Crowd, people
from tests.workflows.harness import Enrolled, Gathered, Shell
from tests.workflows.journeys_under_test import (
    EVERY_STEP,
    EVERY_STEP_LATER,
    EXAMPLES,
    FOLLOW_UP,
    PUPPY,
    ROUND,
    ROUNDS,
    TREADMILL,
    R,
)
from tests.workflows.scripted import SOON, THREE_DAYS, instant

Scenario = Callable[[Shell], Awaitable[Enrolled | Gathered]]


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
    shell.world.script["pause"] = lambda _: Waiting(wake_at=instant(SOON))
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


async def every_step(shell: Shell) -> Enrolled:
    """Every type of step: a call that is answered by a signal, a journey that is waited for, three kinds of paths."""
    answers = iter((Deferred(wake_at=instant(SOON)),))
    shell.world.script.update(
        note=lambda _: next(answers, Done()),
        ask=lambda _: Waiting(),
        within=lambda _: Waiting(),
        kind=lambda _: Chose(path="otherwise"),
        rounds=lambda item: Chose(path="done" if item.visit > 3 else "again"),
        news=lambda item: Waiting(wake_at=instant(SOON)) if item.visit == 3 else Waiting(),
    )
    person = await shell.enrol(EVERY_STEP)
    await _standing_at(shell, person, "ask")
    await person.matched("ask", "failed", "call-1")
    await _standing_at(shell, person, "within")
    await person.matched("within", "ended", "child-1")
    for visit, path in ((1, "joined"), (2, "rich")):
        await _standing_at(shell, person, "news", visit)
        await person.matched("news", path, f"e-{visit}", visit)
    await person.result()
    return person


async def refreshed(shell: Shell) -> Enrolled:
    """A date that moves twice while people wait, a deferral that a resume ends, a wait for an event that is asked in vain."""
    asked: list[int] = []

    def nap(item: StepItem) -> ServiceOutcome:
        asked.append(item.visit)
        return Done() if len(asked) > 2 else Sleep(wake_at=instant(THREE_DAYS))

    def news(item: StepItem) -> ServiceOutcome:
        return Waiting(wake_at=instant(THREE_DAYS), confirm=True)

    resumed: list[bool] = []
    shell.world.script.update(
        note=lambda _: Done() if resumed else Deferred(wake_at=instant(THREE_DAYS)),
        ask=lambda _: Waiting(matched=Match(path="ok", event_id="call-1")),
        within=lambda _: Waiting(matched=Match(path="ended", event_id="child-1")),
        kind=lambda _: Chose(path="cat"),
        nap=nap,
        rounds=lambda item: Chose(path="done" if item.visit > 1 else "again"),
        news=news,
    )
    person = await shell.enrol(EVERY_STEP)
    await shell.world.until(lambda: shell.world.times_asked(person.id)["note", 1] == 1)
    resumed.append(True)
    await person.refreshed("note")
    await _standing_at(shell, person, "nap")
    await person.refreshed("nap")
    await shell.world.until(lambda: len(asked) == 2)
    await person.refreshed("nap")
    await _standing_at(shell, person, "news")
    await person.refreshed("news")
    await shell.world.until(lambda: shell.world.times_asked(person.id)["news", 1] == 2)
    await person.matched("news", "bought", "e-1")
    await person.result()
    return person


async def moved(shell: Shell) -> Enrolled:
    """To another version where they stand, then by hand to an earlier step of it."""
    shell.world.script.update(
        ask=lambda _: Waiting(matched=Match(path="ok", event_id="call-1")),
        within=lambda _: Waiting(matched=Match(path="ended", event_id="child-1")),
        kind=lambda _: Chose(path="cat"),
        rounds=lambda item: Chose(path="again" if item.visit == 1 else "done"),
        news=lambda _: Waiting(),
    )
    person = await shell.enrol(EVERY_STEP)
    await _standing_at(shell, person, "news")
    await person.moved(EVERY_STEP_LATER)
    await shell.world.until(lambda: shell.world.times_asked(person.id)["news", 1] == 2)
    await person.moved(EVERY_STEP_LATER, "kind", offset=10)
    await _standing_at(shell, person, "kind", 11)
    await person.result()
    return person


async def moved_in_rounds(shell: Shell) -> Enrolled:
    """To a step of the repetition that they are in the last round of, in another version."""
    shell.world.script.update(
        ask=lambda _: Waiting(matched=Match(path="ok", event_id="call-1")),
        within=lambda _: Waiting(matched=Match(path="ended", event_id="child-1")),
        kind=lambda _: Chose(path="cat"),
        rounds=lambda _: Chose(path="again"),
        news=lambda item: Waiting() if item.visit == 3 else Waiting(matched=Match(path="bought", event_id=f"e-{item.visit}")),
    )
    person = await shell.enrol(EVERY_STEP)
    await _standing_at(shell, person, "news", 3)
    await person.moved(EVERY_STEP_LATER, "news", offset=20)
    await person.result()
    return person


async def treadmill(shell: Shell) -> Enrolled:
    """A life without a wait, in several runs."""
    shell.world.script["step"] = lambda item: Waiting(matched=Match(path="stepped", event_id=f"e-{item.visit}"))
    person = await shell.enrol(TREADMILL, task_timeout=timedelta(seconds=1))
    await person.result()
    return person


async def _gathered(shell: Shell, crowd: Crowd) -> Gathered:
    cohort = await shell.gather(crowd)
    await cohort.result()
    return cohort


async def cohort_at_once(shell: Shell) -> Gathered:
    """More batches than one activity takes."""
    return await _gathered(shell, Crowd(people(90)))


async def cohort_paced(shell: Shell) -> Gathered:
    """Long enough to continue as new, several times."""
    return await _gathered(shell, Crowd(people(24), batch=2, pause=SOON))


async def cohort_paused(shell: Shell) -> Gathered:
    """Left as somebody paused it; another run would take the rest."""
    return await _gathered(shell, Crowd(people(8), batch=2, pause=SOON, paused_behind=4))


def _example(definition: JsonValue, *, taken: bool) -> Scenario:
    """An example: each wait for events is met (the first path) or times out, each choice takes the first or the last path."""

    def outcome(step: Step, item: StepItem) -> ServiceOutcome:
        match step:
            case Wait():
                return Sleep(wake_at=instant(SOON))
            case WaitFor() if taken or step.timeout is None:
                return Waiting(matched=Match(path=step.paths[0].id, event_id=f"e-{step.id}-{item.visit}"))
            case WaitFor():
                return Waiting(wake_at=instant(SOON))
            case Branch():
                return Chose(path=step.paths[0].id if taken else "otherwise")
            case Split():
                return Chose(path=step.paths[0 if taken else -1].id)
            case Repeat():
                return Chose(path="again" if item.visit <= 2 else "done")
            case Call():
                return Waiting(matched=Match(path="ok" if taken else "failed", event_id=f"call-{item.visit}"))
            case StartJourney() if step.wait:
                return Waiting(matched=Match(path="ended", event_id=f"child-{item.visit}"))
            case _:
                return Done()

    async def life(shell: Shell) -> Enrolled:
        for step in parse_journey(definition).index.steps.values():
            shell.world.script[step.id] = partial(outcome, step)
        person = await shell.enrol(definition)
        over = asyncio.create_task(person.result())
        long = asyncio.create_task(shell.world.until(lambda: len(shell.world.decided(person.id)) > _LONG))
        await asyncio.wait({over, long}, return_when=asyncio.FIRST_COMPLETED)
        long.cancel()
        if not over.done():
            await person.interrupted()
        await over
        return person

    return life


_LONG = 60
"""Decisions after which an example that goes round and round is left by its exit."""

ALL: Mapping[str, Scenario] = {
    one.__name__: one
    for one in (
        *(r_with_event, r_timed_out, r_interrupted, r_in_quiet_hours, r_confirmed),
        *(follow_up_attended, follow_up_found_by_looking_back, follow_up_no_show, puppy, rounds),
        *(every_step, refreshed, moved, moved_in_rounds, treadmill),
        *(cohort_at_once, cohort_paced, cohort_paused),
    )
} | {
    f"example-{key}-{'taken' if taken else 'timed-out'}": _example(definition, taken=taken)
    for key, definition in EXAMPLES.items()
    for taken in (True, False)
}
IN_SHORT_RUNS = frozenset({"rounds", "puppy", "treadmill", "cohort_paced"})
"""Recorded on a server that suggests to continue as new after few events."""
