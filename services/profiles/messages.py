"""Segment's messages: read leniently where its clients are sloppy, refused with place and remedy where they are wrong.

This is the hot path of ingestion: plain checks into a NamedTuple, no model per message. A client's clock that is wrong is
put right by when it says it sent. What is tolerated: null or missing ids beside one that is there, numbers as ids, a missing
message id or timestamp, null traits and properties, unknown keys. Source of the shapes: Segment's HTTP tracking API and
what analytics-python, -node and -js really send.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import orjson
from pydantic import JsonValue

from infra.errors import Flaw
from infra.feed.outbox import new_id

LARGEST_EVENT = 32 * 1024
DEEPEST = 64
IN_STEP = timedelta(seconds=10)
"""A client's clock that differs by no more is taken for right: as much is the network's, and what an exact client says holds."""
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
LONGEST_TEXT = 512
TYPES = ("identify", "track", "page", "screen", "group", "alias")
SHORT = {kind[0]: kind for kind in TYPES}

Json = dict[str, JsonValue]


class Message(NamedTuple):
    """One call, checked. `name` is set when it is an event; `body` holds its traits or properties.

    `previous_id` is an alias's. `profile_id` addresses a person directly, which only our own services may do. `depth`
    is how many journeys' steps led to it: 0 for what a client sent.
    """

    type: str
    id: str
    user_id: str | None
    anonymous_id: str | None
    name: str | None
    body: Json
    timestamp: datetime
    previous_id: str | None = None
    profile_id: UUID | None = None
    depth: int = 0


class MessageReader:
    """Reads messages and gathers every flaw it meets, each with its JSON path."""

    def __init__(self, now: datetime, *, weigh: bool, direct: bool = False, correct: bool = False) -> None:
        """`weigh`: check each message's size (needless when the whole body is small); `direct`: `profileId` is allowed;
        `correct`: clients' clocks are compared with ours by `sentAt`, which means nothing where ours is not real."""
        self._now = now
        self._weigh = weigh
        self._direct = direct
        self._correct = correct
        self._shift: timedelta | None = None
        self.flaws: list[Flaw] = []
        self.too_large = False

    def sent(self, at: object, path: str) -> None:
        """When the client says it sent the whole batch: one correction for all of it keeps its messages in their order."""
        if at is not None and at != "":
            self._shift = self._late(at, path)

    def read(self, raw: object, path: str, kind: str | None = None) -> Message | None:
        """The message at `path`, or None when it has flaws. `kind` is given by the URL, else by the message's `type`."""
        if type(raw) is not dict:
            self._flaw(path, "is not an object", "send a JSON object per message")
            return None
        before = len(self.flaws)
        if self._weigh:
            self._check_size(raw, path)
        get = raw.get
        kind = kind or get("type")
        user_id, anonymous_id, message_id = get("userId"), get("anonymousId"), get("messageId")
        if type(user_id) is not str or not 0 < len(user_id) <= LONGEST_TEXT:  # looked at here: a call per id costs as much
            user_id = self._id(user_id, path, "userId")
        if anonymous_id is not None:
            anonymous_id = self._id(anonymous_id, path, "anonymousId")
        if type(message_id) is not str or not 0 < len(message_id) <= LONGEST_TEXT:
            message_id = self._id(message_id, path, "messageId") or str(new_id())
        profile_id = self._profile(get("profileId"), path) if "profileId" in raw else None
        timestamp = self._timestamp(get("timestamp"), get("sentAt"), path)
        name: str | None = None
        previous: str | None = None
        body: Json
        match kind:
            case "track":
                name = self._text(get("event"), path, "event", "name what happened, like 'Order Completed'")
                body = self._object(get("properties"), path, "properties")
            case "identify":
                body = self._object(get("traits"), path, "traits")
            case "page" | "screen":
                name = "Page Viewed" if kind == "page" else "Screen Viewed"
                given = {key: raw[key] for key in ("name", "category") if get(key) and type(raw[key]) is str}
                body = {**given, **self._object(get("properties"), path, "properties")}
            case "group":
                name = "Group Joined"
                group = self._id(get("groupId"), path, "groupId")
                if group is None:
                    self._flaw(f"{path}.groupId", "is missing", "name the group")
                body = {"group_id": group, "traits": self._object(get("traits"), path, "traits")}
            case "alias":
                previous = self._id(get("previousId"), path, "previousId") or anonymous_id
                if previous is None:
                    self._flaw(f"{path}.previousId", "is missing", "send the id the person had before")
                if user_id is None:
                    self._flaw(f"{path}.userId", "is missing", "send the id the person has from now on")
                body = {"previous_id": previous, "user_id": user_id}
            case _:
                self._flaw(f"{path}.type", f"is {kind!r}", f"use one of {', '.join(TYPES)}")
                body = {}
        if user_id is None and anonymous_id is None and profile_id is None and len(self.flaws) == before:
            self._flaw(f"{path}.userId", "is missing, and so is anonymousId", "send one of them, or both")
        if len(self.flaws) > before or timestamp is None or kind is None:
            return None
        return Message(kind, message_id, user_id, anonymous_id, name, body, timestamp, previous, profile_id)

    def _check_size(self, raw: Json, path: str) -> None:
        try:
            size = len(orjson.dumps(raw))
        except orjson.JSONEncodeError:  # it reads what is nested too deep, and cannot write it
            self._flaw(path, f"is nested more than {DEEPEST} levels deep", "flatten it")
            return
        if size > LARGEST_EVENT:
            self.too_large = True
            self._flaw(path, "is larger than 32 KB", "send large values by reference, or split the event")

    def _flaw(self, path: str, message: str, remedy: str) -> None:
        self.flaws.append(Flaw(path=path, message=message, remedy=remedy))

    def _id(self, value: object, path: str, key: str) -> str | None:
        if type(value) is str:
            if len(value) <= LONGEST_TEXT:
                return value or None
            self._flaw(f"{path}.{key}", f"has {len(value)} characters", f"send at most {LONGEST_TEXT}")
            return None
        if value is None:
            return None
        if type(value) is int or type(value) is float:
            return str(int(value)) if value == int(value) else str(value)
        self._flaw(f"{path}.{key}", f"is {_kind(value)}", "send text or a number")
        return None

    def _text(self, value: object, path: str, key: str, remedy: str) -> str | None:
        if type(value) is str and 0 < len(value) <= LONGEST_TEXT:
            return value
        what = "is missing" if value is None or value == "" else f"is {_kind(value)}"
        if isinstance(value, str) and value:
            what, remedy = f"has {len(value)} characters", f"send at most {LONGEST_TEXT}"
        self._flaw(f"{path}.{key}", what, remedy)
        return None

    def _object(self, value: object, path: str, key: str) -> Json:
        if type(value) is dict:
            if too_deep(value):
                self._flaw(f"{path}.{key}", f"is nested more than {DEEPEST} levels deep", "flatten it")
            return value
        if value is not None:
            self._flaw(f"{path}.{key}", f"is {_kind(value)}", "send a JSON object")
        return {}

    def _timestamp(self, value: object, sent_at: object, path: str) -> datetime | None:
        """Segment's correction: what the client's clock showed, by as much later as it was behind when it sent."""
        shift = self._shift
        if shift is None and sent_at is not None and sent_at != "":
            shift = self._late(sent_at, path)
        if value is None or value == "":
            return self._now
        instant = self._instant(value, f"{path}.timestamp", "is no instant that an event can have")
        if not shift or instant is None:
            return instant
        corrected = instant + shift
        return corrected if EARLIEST <= corrected < LATEST else instant

    def _late(self, sent_at: object, path: str) -> timedelta:
        """By how much the client's clock is behind ours; nothing where the two are in step."""
        instant = self._instant(sent_at, f"{path}.sentAt", "is no instant")
        if instant is None or not self._correct or abs(self._now - instant) <= IN_STEP:
            return timedelta(0)
        return self._now - instant

    def _instant(self, value: object, path: str, says: str) -> datetime | None:
        if type(value) is str:
            try:
                instant = datetime.fromisoformat(value)
                if instant.tzinfo is not UTC:
                    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
            except (ValueError, OverflowError):
                pass
            else:
                if EARLIEST <= instant < LATEST:
                    return instant
        remedy = "send ISO 8601 like '2026-02-28T09:30:00.000Z', of the years 1970 to 2099, or leave it out"
        self._flaw(path, f"{value!r:.80} {says}", remedy)
        return None

    def _profile(self, value: object, path: str) -> UUID | None:
        if value is None:
            return None
        if not self._direct:
            self._flaw(f"{path}.profileId", "may not be sent with this key", "send userId or anonymousId")
            return None
        try:
            return UUID(str(value))
        except ValueError:
            self._flaw(f"{path}.profileId", f"{value!r:.80} is no UUID", "send a profile's id")
            return None


def too_deep(value: Json, deepest: int = DEEPEST) -> bool:
    """Whether objects and lists nest deeper than readers of the feed can follow. Level by level: it needs no stack."""
    level: list[Mapping[str, object] | list[object]] = [value]
    for _ in range(deepest):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def flaws_of_nul(value: object, path: str) -> list[Flaw]:
    """Where a text holds U+0000, which PostgreSQL cannot store. Of a value that is not too deep."""
    match value:
        case str() if "\0" in value:
            return [Flaw(path=path, message="holds the character U+0000", remedy="leave it out")]
        case dict():
            keys = [
                Flaw(path=path, message="has a key with the character U+0000", remedy="leave it out")
                for key in value
                if "\0" in key
            ]
            return keys + [flaw for key, item in value.items() for flaw in flaws_of_nul(item, f"{path}.{key}")]
        case list():
            return [flaw for number, item in enumerate(value) for flaw in flaws_of_nul(item, f"{path}[{number}]")]
        case _:
            return []


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "null"
