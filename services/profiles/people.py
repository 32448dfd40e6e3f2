"""What a row of messages does to the people it is about: pure, in memory, in order.

Rules (Segment's, with one addition: nobody known is ever merged by accident):
- `identify` with both ids makes an anonymous person known, or merges the anonymous one with the known one.
  An anonymous id that already belongs to another known person (a shared device) stays with its first owner.
- `alias` joins `previousId` to `userId`. When `previousId` is a user id, two known people are merged: the one case.
- In a merge the older profile survives; where both have a trait, the value of the one that `userId` names holds.
- Traits merge by top-level key; null removes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson
from pydantic import JsonValue

from contracts.profiles import EVENT_TRACKED, PROFILE_CHANGED, PROFILES_MERGED
from infra.feed.outbox import Happening, new_id
from services.profiles.messages import Json, Message

USER = "user_id"
ANONYMOUS = "anonymous_id"


class Name(NamedTuple):
    """An identity: its kind (`user_id`, `anonymous_id`) and value."""

    kind: str
    value: str


@dataclass(slots=True, eq=False)
class Person:
    """A profile while a batch is applied.

    `id` is a UUID as text, as rows and feed carry it. `stored`: it has a row already; `merged_into`: it exists no longer.
    """

    id: str
    created_at: datetime
    known: bool = False
    version: int = 0
    traits: Json = field(default_factory=dict)
    stored: bool = False
    loaded: bool = True
    changed: bool = False
    merged_into: Person | None = None

    def survivor(self) -> Person:
        person = self
        while person.merged_into is not None:
            person = person.merged_into
        return person


class Merge(NamedTuple):
    """`loser` was joined with `winner` by the message `message_id` at `at`."""

    loser: Person
    winner: Person
    message_id: str
    at: datetime


class Taken(NamedTuple):
    """A message that was applied, the person it went to and its body as JSON text."""

    message: Message
    person: Person
    body: bytes


class People:
    """The people a batch is about, as they were stored and as the batch leaves them."""

    def __init__(self, users: dict[str, Person], visitors: dict[str, Person], ids: Mapping[str, Person], now: datetime) -> None:
        """Who is stored already, by user id, anonymous id and profile id; whoever a message may change must be `loaded`."""
        self._users = users
        self._names = {USER: users, ANONYMOUS: visitors}
        self._ids = ids
        self._now = now
        self.linked: dict[Name, Person] = {}
        self.created: list[Person] = []
        self.merges: list[Merge] = []
        self.taken: list[Taken] = []
        self.happenings: list[Happening] = []

    def apply(self, messages: Iterable[Message]) -> None:
        """Applies `messages` in order: the result is that of applying them one by one."""
        for message in messages:
            person = self._users.get(message.user_id) if message.user_id and message.name and not message.profile_id else None
            if person is None or person.merged_into is not None:  # not the common case, an event of somebody known
                person = self._who(message)
            if person is None:
                continue
            body = orjson.dumps(message.body)
            self.taken.append(Taken(message, person, body))
            if message.name is not None:
                self._happened(message, person, body)
            elif message.type == "identify":
                self._change(person, merged_traits(person.traits, message.body), message)
            elif message.type == "update":
                self._change(person, updated_traits(person.traits, message.body), message)

    def person(self, name: Name, at: datetime) -> Person:
        """Whoever goes by `name`; somebody new if nobody does."""
        found = self._find(name)
        return found or self._create(name, at)

    def by_id(self, profile_id: UUID) -> Person | None:
        """Who was asked for by `profile_id`, or whoever survived them."""
        person = self._ids.get(str(profile_id))
        return person.survivor() if person else None

    def changed(self) -> list[Person]:
        """Those whose stored row is out of date."""
        everyone = {id(person): person for found in (*self._names.values(), self._ids) for person in found.values()}
        return [person for person in everyone.values() if person.changed and person.stored and person.merged_into is None]

    def _who(self, message: Message) -> Person | None:
        if message.profile_id is not None:
            return self.by_id(message.profile_id)
        user = message.user_id
        if message.type == "alias" and user is not None and message.previous_id is not None:
            return self._alias(message, user, message.previous_id)
        if user is None:
            return self.person(Name(ANONYMOUS, message.anonymous_id or ""), message.timestamp)
        if message.type == "identify" and message.anonymous_id is not None:
            return self._join(message, user, Name(ANONYMOUS, message.anonymous_id))
        return self.person(Name(USER, user), message.timestamp)

    def _alias(self, message: Message, user: str, previous: str) -> Person:
        anonymous, known = Name(ANONYMOUS, previous), Name(USER, previous)
        if previous != message.anonymous_id and self._find(known) is not None:
            return self._join(message, user, known)
        return self._join(message, user, anonymous)

    def _join(self, message: Message, user: str, other: Name) -> Person:
        """The person that `user` names, joined with whoever goes by `other` where the rules allow it."""
        name = Name(USER, user)
        first, second = self._find(name), self._find(other)
        if first is None and second is None:
            first = self._create(name, message.timestamp)
            self._link(other, first)
            return first
        if first is None and second is not None:
            if second.known and other.kind == ANONYMOUS:
                return self._create(name, message.timestamp)
            self._link(name, second)
            self._change(second, second.traits, message, force=True)
            return second
        assert first is not None
        if second is None:
            self._link(other, first)
            self._change(first, first.traits, message, force=True)
        elif first is not second and not (second.known and other.kind == ANONYMOUS):
            return self._merge(first, second, message)
        return first

    def _merge(self, named: Person, other: Person, message: Message) -> Person:
        winner, loser = sorted((named, other), key=lambda person: (person.created_at, person.id))
        winner.traits = {**other.traits, **named.traits}
        winner.known |= loser.known
        winner.version = max(winner.version, loser.version) + 1
        winner.changed = True
        loser.merged_into = winner
        self.merges.append(Merge(loser, winner, message.id, message.timestamp))
        data: Json = {"merged": loser.id, "traits": winner.traits, "version": winner.version}
        self.happenings.append(Happening(PROFILES_MERGED, winner.id, message.timestamp, data))
        return winner

    def _find(self, name: Name) -> Person | None:
        named = self._names[name.kind]
        person = named.get(name.value)
        if person is not None and person.merged_into is not None:
            person = named[name.value] = person.survivor()
        return person

    def _create(self, name: Name, at: datetime) -> Person:
        person = Person(str(new_id()), self._now, version=1)
        self.created.append(person)
        self._link(name, person)
        self._publish(person, at)
        return person

    def _link(self, name: Name, person: Person) -> None:
        self._names[name.kind][name.value] = person
        self.linked[name] = person
        person.known |= name.kind == USER

    def _change(self, person: Person, traits: Json, message: Message, *, force: bool = False) -> None:
        if not force and _same(traits, person.traits):
            return
        person.traits = traits
        person.version += 1
        person.changed = True
        self._publish(person, message.timestamp)

    def _publish(self, person: Person, at: datetime) -> None:
        data: dict[str, object] = {"traits": person.traits, "version": person.version, "created_at": person.created_at}
        self.happenings.append(Happening(PROFILE_CHANGED, person.id, at, data))

    def _happened(self, message: Message, person: Person, body: bytes) -> None:
        data: dict[str, object] = {
            "id": message.id,
            "name": message.name,
            "properties": orjson.Fragment(body),
            "timestamp": message.timestamp,
        }
        if message.depth:
            data["depth"] = message.depth
        self.happenings.append(Happening(EVENT_TRACKED, person.id, message.timestamp, data, message.id))


def merged_traits(traits: Json, said: Json) -> Json:
    """`traits` after an identify: top-level keys are replaced, null removes one."""
    return {key: value for key, value in {**traits, **said}.items() if value is not None} if said else traits


def updated_traits(traits: Json, said: Json) -> Json:
    """`traits` after an update: dotted paths reach into objects (made where missing), null removes."""
    result = traits
    for path, value in said.items():
        result = _placed(result, path.split("."), value)
    return result


def _same(one: Json, other: Json) -> bool:
    """Equal as JSON: unlike Python, 1 is not true."""
    option = orjson.OPT_SORT_KEYS
    return one is other or (one == other and orjson.dumps(one, option=option) == orjson.dumps(other, option=option))


def _placed(traits: Json, path: list[str], value: JsonValue) -> Json:
    first, *rest = path
    if not rest:
        return {**traits, first: value} if value is not None else {key: old for key, old in traits.items() if key != first}
    inner = traits.get(first)
    if not isinstance(inner, dict):
        if value is None:
            return traits
        inner = {}
    return {**traits, first: _placed(inner, rest, value)}
