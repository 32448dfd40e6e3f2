"""The request of a `call` step: its templates and references filled in, the secrets only at the moment of calling."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import orjson
from pydantic import JsonValue, SecretStr

from conditions import did_you_mean
from infra.errors import BadInput, Flaw
from infra.liquid import RenderFailed, Source, parse
from infra.outbound import OutboundRequest
from journeys import MISSING, parse_ref, resolve
from journeys.catalog import CallTemplate
from journeys.model import Call
from journeys.refs import PARTS, REMEDY

ROOTS = ("entry", "event", "profile", "results", "secrets")
MASK = "***"
_SHORTEST_SECRET = 4
_MOST_SHOWN = 8_192
_REPRESENTATIVE = {"profile": "profile.id", "results": "results.step.status"}
_UNSENDABLE = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "expect"})


@dataclass(frozen=True, slots=True)
class Secrets:
    """Values that only the moment of calling sees, by name."""

    values: Mapping[str, SecretStr]

    @classmethod
    def parse(cls, text: SecretStr) -> Secrets:
        """Reads the setting REIS_CALL_SECRETS, a JSON object of texts. Raises `BadInput`, which repeats nothing of it."""
        try:
            found = orjson.loads(text.get_secret_value() or "{}")
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            flaw = Flaw(
                path="REIS_CALL_SECRETS", message="is no JSON object of texts", remedy='write {"NAME": "value"}, or nothing'
            )
            raise BadInput([flaw], "the settings")
        return cls({name: SecretStr(value) for name, value in found.items()})

    def revealed(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.values.items()}

    def masked(self) -> dict[str, str]:
        return dict.fromkeys(self.values, MASK)

    def hide(self, text: str) -> str:
        """The text without these values, should somebody have sent them back, as they are or as the filters write them."""
        for found in sorted((value.get_secret_value() for value in self.values.values()), key=len, reverse=True):
            if len(found) >= _SHORTEST_SECRET:
                coded = base64.b64encode(found.encode()).decode()
                for written in dict.fromkeys((found, quote(found, safe=""), quote_plus(found), coded)):
                    text = text.replace(written, MASK)
        return text


def needs(step: Call) -> list[str]:
    """References for the facts that the request looks at, at least one per root."""
    roots = {name.partition(".")[0] for text in _texts(step) for name in _source(text).variables}
    computed = any(name.startswith("profile.computed") for text in _texts(step) for name in _source(text).variables)
    found = [_REPRESENTATIVE[root] for root in sorted(roots) if root in _REPRESENTATIVE]
    return [*found, *(["profile.computed.any"] if computed else []), *_refs(step.body)]


def used(step: Call, context: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """As much of the context as the request looks at."""
    names = [name for text in _texts(step) for name in _source(text).variables] + list(_refs(step.body))
    return {root: context[root] for root in sorted({name.partition(".")[0] for name in names}) if root in context}


def render(step: Call, context: Mapping[str, JsonValue], secrets: Mapping[str, str], key: str) -> OutboundRequest:
    """The request as it is sent, under the idempotency key `key`. Raises `RenderFailed`."""
    names = {**{root: {} for root in ROOTS}, **context, "secrets": secrets}
    headers = {"idempotency-key": key}
    content = None
    if step.body is not None:
        body = _filled(step.body, names)
        headers["content-type"] = "application/json"
        content = orjson.dumps(None if body is MISSING else body)
    for name, text in step.headers.items():
        value = _rendered(text, names, f"header {name}").strip()
        if not value.isascii() or not value.isprintable():
            raise RenderFailed(f"header {name} comes out with characters that no header may have")
        if name.lower() in _UNSENDABLE:
            raise RenderFailed(f"header {name} is written by the connection itself")
        headers[name.lower()] = value
    url = _rendered(step.url, names, "url").strip()
    if any(character.isspace() or not character.isprintable() for character in url):
        raise RenderFailed("url comes out with blanks: use the filter url_encode")
    return OutboundRequest(step.method, url, headers, content)


def host_of(request: OutboundRequest) -> str:
    """Whom the request goes to. Raises `RenderFailed`."""
    try:
        parts = urlsplit(request.url)
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise RenderFailed("url comes out as no address of http or https")
    return parts.hostname


def shown(request: OutboundRequest) -> dict[str, JsonValue]:
    """For the story; rendered with masked secrets."""
    found: dict[str, JsonValue] = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
    if request.content is not None:
        small = len(request.content) <= _MOST_SHOWN
        found["body"] = orjson.loads(request.content) if small else f"{len(request.content)} bytes"
    return found


def call_template(secrets: frozenset[str] | None) -> Callable[[str], CallTemplate]:
    """Reads templates of calls; with the names of the secrets there are, where they are known."""

    def read(text: str) -> CallTemplate:
        source, flaws = parse(text, "$", roots=ROOTS)
        if source is None:
            return CallTemplate(flaws[0].message)
        flaw = next((why for name in source.variables if (why := _unknown(name, secrets)) is not None), None)
        return CallTemplate(flaw, frozenset(source.variables), frozenset(source.required))

    return read


def _unknown(name: str, secrets: frozenset[str] | None) -> str | None:
    """Why a variable can have no value."""
    root, *rest = name.split(".")
    if root == "secrets":
        if secrets is not None and rest and rest[0] not in secrets:
            return f"there is no secret {rest[0]!r}: {did_you_mean(rest[0], secrets) or 'add it to REIS_CALL_SECRETS'}"
    elif root == "results":
        if len(rest) > 1 and parse_ref(".".join((root, *rest[:2]))) is None:
            return f"{name} leads nowhere: {REMEDY}"
    elif rest and rest[0] not in PARTS.get(root, ()):
        return f"{name} leads nowhere: {REMEDY}"
    return None


def _texts(step: Call) -> Iterator[str]:
    yield step.url
    yield from step.headers.values()
    yield from _texts_in(step.body)


def _texts_in(body: JsonValue) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, dict) and _ref(body) is None:
        for part in body.values():
            yield from _texts_in(part)
    elif isinstance(body, list):
        for part in body:
            yield from _texts_in(part)


def _refs(body: JsonValue) -> Iterator[str]:
    if isinstance(body, dict):
        if (ref := _ref(body)) is not None:
            yield ref
            return
        for part in body.values():
            yield from _refs(part)
    elif isinstance(body, list):
        for part in body:
            yield from _refs(part)


def _ref(body: dict[str, JsonValue]) -> str | None:
    ref = body.get("ref") if len(body) == 1 else None
    return ref if isinstance(ref, str) and parse_ref(ref) is not None else None


def _filled(body: JsonValue, names: Mapping[str, Any]) -> Any:
    """The body with values for references (left out of objects, null in lists, where one leads nowhere) and texts rendered."""
    match body:
        case str():
            return _rendered(body, names, "body")
        case dict():
            if (ref := _ref(body)) is not None:
                return resolve(ref, names)
            parts = {name: _filled(part, names) for name, part in body.items()}
            return {name: part for name, part in parts.items() if part is not MISSING}
        case list():
            return [None if (part := _filled(each, names)) is MISSING else part for each in body]
        case _:
            return body


def _rendered(text: str, names: Mapping[str, Any], where: str) -> str:
    try:
        found = _source(text).render(names)
    except RenderFailed as error:
        raise RenderFailed(f"{where}: {error}") from error
    if "\0" in found:  # `url_decode` can make one, and no database keeps it
        raise RenderFailed(f"{where} comes out with the character NUL")
    return found


@lru_cache(maxsize=2_000)
def _source(text: str) -> Source:
    source, flaws = parse(text, "$", roots=ROOTS)
    if source is None:
        raise RenderFailed(flaws[0].message)
    return source
