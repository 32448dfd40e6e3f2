"""Explains one person in one journey: stories from our database, the rest from whoever answers."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from infra.db import Database
from infra.errors import BadInput, CallFailed, Flaw
from services.journeys.explaining import register, sentences
from services.journeys.explaining.absence import Absence
from services.journeys.explaining.model import EnrolmentStory, Explanation, Finding
from services.journeys.explaining.register import JourneyPast
from services.journeys.explaining.stories import lived, stories, with_messages
from services.journeys.explaining.witnesses import Witnesses
from services.journeys.lifecycle.versions import Versions


class Explainer:
    """The service behind `GET /v1/explain`. Stories need nobody else; what a silent service would add is noted as missing."""

    def __init__(self, *, database: Database, versions: Versions, witnesses: Witnesses) -> None:
        self._database = database
        self._witnesses = witnesses
        self._absence = Absence(witnesses=witnesses, versions=versions)

    async def explain(self, journey: str, *, profile_id: UUID | None, user_id: str | None) -> Explanation:
        """Raises `NotFound` for an unknown journey or user, `BadInput` unless exactly one of the ids is given."""
        notes: list[str] = []
        person = await self._person(profile_id, user_id, notes)
        async with self._database.read() as session:
            past = await register.past_of(session, journey)
            lives = await stories(session, journey, person)
            times = await lived(session, journey, person)
            why = await register.refusals(session, journey, person)
            why += await register.being_asked(session, journey, person)
            refused = await register.refused_triggers(session, journey, person) if not lives else frozenset()
            occasions = await register.occasions(session, journey)
        if lives:
            lives = [await self._with_messages(life, notes) for life in lives]
            if times > len(lives):
                notes.append(f"Only the newest {len(lives)} of {times} enrolments are told.")
        else:
            asked = frozenset(str(finding.seen["event_id"]) for finding in why)
            try:
                why += await self._absence.why(past, person, refused | asked, occasions)
            except CallFailed as error:
                notes.append(f"The trigger could not be looked into: {error}")
        return Explanation(
            journey=journey,
            profile_id=person,
            user_id=user_id,
            entered=bool(lives),
            summary=_summary(past, lives, times, why, notes),
            enrolments=lives,
            why_not=why,
            notes=notes,
        )

    async def _person(self, profile_id: UUID | None, user_id: str | None, notes: list[str]) -> UUID:
        """Who is meant, as they are now: a merged profile is its survivor."""
        match profile_id, user_id:
            case None, str(named):
                return (await self._witnesses.named(named)).id
            case UUID(), None:
                try:
                    profile = await self._witnesses.profile(profile_id)
                except CallFailed as error:
                    notes.append(f"Whether this profile was merged into another is known here only as far as told: {error}")
                else:
                    if profile is not None:
                        return profile.id
                    notes.append("The profiles service knows nobody by this id (any more).")
                async with self._database.read() as session:
                    found = await session.execute(text("SELECT survivor FROM merged WHERE profile_id = :id"), {"id": profile_id})
                    row = found.first()
                return profile_id if row is None else UUID(str(row.survivor))
            case _:
                flaw = Flaw(
                    path="profile_id", message="or user_id must be given, not both", remedy="add ?profile_id=… or ?user_id=…"
                )
                raise BadInput([flaw], "the query")

    async def _with_messages(self, life: EnrolmentStory, notes: list[str]) -> EnrolmentStory:
        if not any(line.what == "sent" for line in life.lines):
            return life
        try:
            return with_messages(life, await self._witnesses.messages(life.id))
        except CallFailed as error:
            notes.append(f"What became of the messages is missing: {error}")
            return life


def _summary(past: JourneyPast, lives: list[EnrolmentStory], times: int, why: list[Finding], notes: list[str]) -> str:
    if lives:
        often = "once" if times == 1 else f"{times} times"
        return f"Entered {past.key!r} {often}, last at {sentences.instant(lives[-1].entered_at)}. {lives[-1].text}"
    if why:
        newest = [each for each in why if each.kind in ("refused", "being_asked")][-1:] or why
        return f"Never entered {past.key!r}. {newest[0].text}"
    return f"Never entered {past.key!r}; why could not be found out: {notes[-1] if notes else 'nothing is known'}"
