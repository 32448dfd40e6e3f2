"""Waits that follow a date: a trait, a computed trait or the person's zone changes, and the wait ends at another instant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import JsonValue
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions import Duration
from contracts.journeys import RefreshSignal
from infra.clock import Clock
from journeys import MISSING, Journey, draw, parse_ref, resolve
from journeys.model import DateRef, Timeout, Until, Wait, WaitFor
from journeys.timing import Instant, Past, parse_anchor, resolve_timeout, resolve_wait
from services.journeys import places
from services.journeys.enrolments import Decision
from services.journeys.outgoing import Outgoing, write
from services.journeys.steps.cases import Case
from services.journeys.waits.clocks import FARTHEST, days_differ, lives_in
from services.journeys.waits.rendezvous import Answer
from services.journeys.waits.watches import TRAITS, Watch
from services.journeys.world import World

# A change between reading the profile and registering the watch is found by a look this much later (our clock).
_CONFIRMED_AFTER = timedelta(minutes=1)
# Under which a decision has seen since when its time counts, where that is not when it was made.
ENTERED_AT = "entered_at"


@dataclass(frozen=True, slots=True)
class Followed:
    """A wait that is looked at again: the decision that it rests on."""

    watch: Watch
    journey: Journey
    decision: Decision


@dataclass(frozen=True, slots=True)
class Retimed:
    """What looking came to. `decision` is None where the wait ends when it was to end."""

    followed: Followed
    answer: Answer
    decision: Decision | None


def ends(
    step: Wait | WaitFor, decision: tuple[UUID, int], entered_at: datetime, now: datetime, anchor: datetime | None, zone: str
) -> Instant | Past | None:
    """When a wait that (enrolment, visit) came to at `entered_at` ends: by its measure, or by its timeout if it has one."""
    if isinstance(step, Wait):
        drawn = draw(decision[0], step.id, decision[1]) if step.between is not None else 0.0
        return resolve_wait(step, entered_at=entered_at, now=now, anchor=anchor, zone=zone, drawn=drawn)
    if step.timeout is None:
        return None
    return resolve_timeout(step.timeout, entered_at=entered_at, anchor=anchor, zone=zone)


def follow(
    case: Case, step: Wait | WaitFor, seen: Mapping[str, Any], deadline: datetime | None, entered_at: datetime
) -> Watch | None:
    """The watch of a wait that was just decided; None where nothing that may change bears on its end."""
    until = _until(step)
    mentions: list[str] = []
    ref = parse_ref(until.ref) if isinstance(until, DateRef) else None
    if ref is not None and ref.root == "profile":
        # A computed date may come to be one without an offset: then the zone bears on it.
        mentions += (
            [f"computed:{ref.path[1]}", TRAITS] if ref.path[0] == "computed" else [TRAITS] if ref.path[0] == "traits" else []
        )
    if TRAITS not in mentions and "zone" in seen and _minds_the_zone(step, seen, entered_at):
        mentions.append(TRAITS)
    if not mentions:
        return None
    computed = any(name.startswith("computed:") for name in mentions)
    confirm_at = entered_at + _CONFIRMED_AFTER
    look_at = entered_at if computed else min(deadline or confirm_at, confirm_at)
    return Watch(case.enrolment.id, case.enrolment.profile_id, "date", step.id, case.visit, "", None, mentions, look_at)


class Follower:
    """Looks at dates again. May raise `Unavailable`."""

    def __init__(self, *, world: World, clock: Clock, workspace_zone: str) -> None:
        self._world = world
        self._clock = clock
        self._zone = workspace_zone

    async def look(self, followed: Followed, position: str | None) -> Retimed:
        """The decision as it is with the date, and in the zone, of now; counted from when it was made."""
        watch, journey, old = followed.watch, followed.journey, followed.decision
        step = journey.index.steps.get(watch.step)
        if not isinstance(step, Wait | WaitFor):
            return Retimed(followed, Answer(watch, None), None)
        now = self._clock.now()
        mentions, computed = list(watch.mentions), dict[str, JsonValue]()
        if followed_traits := [name.removeprefix("computed:") for name in mentions if name.startswith("computed:")]:
            computed, events = await self._world.computed_and_events(watch.profile_id, position)
            rests_on = {f"event:{events[key]}" for key in followed_traits if key in events}
            mentions = [*(name for name in mentions if not name.startswith("event:")), *sorted(rests_on)]
        if sorted(mentions) != sorted(watch.mentions):  # register, then look
            return Retimed(followed, Answer(watch, now, mentions=mentions), None)
        profile = await self._world.profile(watch.profile_id)
        traits = profile.traits if profile else {}
        zone, problem = lives_in(traits, journey, self._zone)
        seen = {name: value for name, value in old.seen.items() if name not in ("zone_problem", "default", "due")}
        seen |= {"zone": zone.key} if "zone" in seen else {}
        if problem is not None and "zone" in seen:
            seen["zone_problem"] = problem.message
        anchor = _anchor(_until(step), seen, zone.key, {"profile": {"traits": traits, "computed": computed}})
        entered_at = datetime.fromisoformat(old.seen[ENTERED_AT]) if ENTERED_AT in old.seen else old.at
        found = ends(step, (old.enrolment_id, old.visit), entered_at, now, anchor, zone.key)
        return Retimed(followed, Answer(watch, None), _changed(old, found, seen, now))


async def retime(session: AsyncSession, found: Sequence[Retimed], now: datetime) -> list[Outgoing]:
    """Writes the new ends, and has the workflows ask again. A wait that is over, or whose time is up, stays as it is."""
    signals: list[Outgoing] = []
    for each in found:
        new, old = each.decision, each.followed.decision
        if new is None:
            continue
        rows = await session.execute(
            text(
                "UPDATE decision SET kind = :kind, outcome = CAST(:outcome AS jsonb), seen = CAST(:seen AS jsonb), "
                "deadline = :deadline WHERE enrolment_id = :id AND step = :step AND visit = :visit AND kind = :was "
                "AND deadline IS NOT DISTINCT FROM CAST(:before AS timestamptz) AND (deadline IS NULL OR deadline > :now) "
                "AND EXISTS (SELECT 1 FROM watch w WHERE w.id = :watch) RETURNING step"
            ),
            {
                "kind": new.kind,
                "outcome": orjson.dumps(new.outcome).decode(),
                "seen": orjson.dumps(new.seen).decode(),
                "deadline": new.deadline,
                "id": new.enrolment_id,
                "step": new.step,
                "visit": new.visit,
                "was": old.kind,
                "before": old.deadline,
                "now": now,
                "watch": each.followed.watch.id,
            },
        )
        if rows.first() is None:
            continue
        due = now if new.kind == "past_due" else new.deadline
        await places.retimed(session, {new.key: due}, now)
        body = RefreshSignal(step=new.step, visit=new.visit).model_dump(mode="json")
        request = f"watch:{each.followed.watch.id}:{each.followed.watch.look}:{due.isoformat() if due else 'open'}"
        signals.append(Outgoing(new.enrolment_id, new.journey, "refresh", body, request))
    return await write(session, signals)


def _changed(old: Decision, found: Instant | Past | None, seen: dict[str, Any], now: datetime) -> Decision | None:
    """The decision with its new end and what was seen; None where it ends as before."""
    deadline = found.at if isinstance(found, Instant) else None
    if not isinstance(found, Past) and deadline == old.deadline:
        return None
    followed = {"at": now.isoformat(), "instead_of": old.deadline.isoformat() if old.deadline else None}
    seen |= {"followed": [*old.seen.get("followed", ()), followed]}
    kind, outcome = old.kind, old.outcome
    if isinstance(found, Past):
        kind, outcome = "past_due", {"kind": "past_due", "action": found.action, "target": found.target}
        seen["due"] = found.due.isoformat() if found.due else None
    return Decision(old.enrolment_id, old.journey, old.step, old.visit, kind, outcome, seen, old.at, deadline)


def _until(step: Wait | WaitFor) -> Until | None:
    return step.until if isinstance(step, Wait) else step.timeout.until if step.timeout else None


def _anchor(
    until: Until | None, seen: dict[str, Any], zone: str, context: Mapping[str, JsonValue] | None = None
) -> datetime | None:
    """The date that `until` leads to: as it was seen or, if it comes from the profile, as it is in `context`, and then seen."""
    if not isinstance(until, DateRef):
        return parse_anchor(until, zone) if until is not None else None
    if context is not None and until.ref.startswith("profile."):
        found = resolve(until.ref, context)
        seen[until.ref] = None if found is MISSING else found
    anchor = parse_anchor(seen.get(until.ref), zone)
    if anchor is None and until.default is not None:
        seen["default"] = str(until.default.after)
    return anchor


def _minds_the_zone(step: Wait | WaitFor, seen: Mapping[str, Any], entered_at: datetime) -> bool:
    """A local time, a window, an anniversary, a date without offset do; days that are not the same time everywhere."""
    measure, until = step if isinstance(step, Wait) else step.timeout, _until(step)
    if measure is None or measure.at is not None or (isinstance(measure, Wait) and measure.window is not None):
        return measure is not None
    if isinstance(until, DateRef) and until.yearly:
        return True
    anchors = {_anchor(until, dict(seen), zone) for zone in FARTHEST}
    if len(anchors) > 1:
        return True
    (anchor,) = anchors
    if isinstance(measure, Wait) and measure.between is not None:
        return any(days_differ(entered_at, end) for end in measure.between)
    return days_differ(anchor or entered_at, *_durations(measure, dated=anchor is not None))


def _durations(measure: Wait | Timeout, *, dated: bool) -> Iterator[Duration]:
    """Those that bear on when it ends, in their order."""
    counted = measure.for_ if isinstance(measure, Wait) else measure.after
    if counted is not None:
        yield counted
    if not dated and isinstance(measure.until, DateRef) and measure.until.default is not None:
        yield measure.until.default.after
    if measure.offset is not None:
        yield measure.offset
