"""Where a person can be reached: addresses from traits, in the one form that is stored, sent to and hashed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import orjson
import phonenumbers
from pydantic import JsonValue

from contracts.channels import Channel

_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")


class Address(NamedTuple):
    """`value`: E.164, an e-mail address, or a push subscription's JSON. `hash` names it without telling it."""

    value: str
    hash: str


def addresses(channel: Channel, traits: Mapping[str, JsonValue]) -> tuple[Address, ...]:
    """The addresses on a channel, push subscriptions possibly several; none: unreachable."""
    match channel:
        case Channel.EMAIL:
            value = normal(channel, traits.get("email"))
            return (Address(value, hashed(channel, value)),) if value else ()
        case Channel.SMS | Channel.WHATSAPP:
            value = normal(channel, traits.get("phone"))
            return (Address(value, hashed(channel, value)),) if value else ()
        case Channel.WEB_PUSH:
            found = {hash_: Address(value, hash_) for value, hash_ in _subscriptions(traits)}
            return tuple(found.values())


def normal(channel: Channel, value: JsonValue) -> str:
    """The stored form of an address; empty when it is none."""
    if not isinstance(value, str):
        return ""
    match channel:
        case Channel.EMAIL:
            return value.strip() if _EMAIL.fullmatch(value.strip()) else ""
        case Channel.SMS | Channel.WHATSAPP:
            return _e164(value)
        case Channel.WEB_PUSH:
            return value


def hashed(channel: Channel, value: str) -> str:
    """SHA-256 of the address, as suppressions keep it: e-mail without case, a push subscription's endpoint."""
    if channel is Channel.EMAIL:
        value = value.lower()
    elif channel is Channel.WEB_PUSH and value.startswith("{"):
        value = _endpoint(value)
    return hashlib.sha256(value.encode()).hexdigest()


@lru_cache(maxsize=10_000)
def _e164(value: str) -> str:
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _subscriptions(traits: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    several, single = traits.get("push_subscriptions"), traits.get("push_subscription")
    for each in [*(several if isinstance(several, list) else []), single]:
        if isinstance(each, dict) and isinstance(each.get("endpoint"), str) and isinstance(each.get("keys"), dict):
            value = orjson.dumps({"endpoint": each["endpoint"], "keys": each["keys"]}).decode()
            yield value, hashed(Channel.WEB_PUSH, str(each["endpoint"]))


def _endpoint(value: str) -> str:
    return str(orjson.loads(value).get("endpoint", ""))
