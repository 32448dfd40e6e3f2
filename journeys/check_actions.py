"""Findings in steps that act: sends, profile updates, calls."""

import re
from collections.abc import Iterator

from pydantic import JsonValue

from conditions.problems import Problem, join
from journeys.catalog import Catalog
from journeys.check_templates import flaws_of_call
from journeys.model import Call, Send, UpdateProfile

_LONGEST_CALL = 60
_SECRET = re.compile(r"authorization|cookie|token|secret|password|api[-_]?key", re.IGNORECASE)

_PASSWORD = re.compile(r"://[^/?#\s]*?:([^/?#]+)@")
_PARAMETER = re.compile(r"[?&]([^=&#]+)=([^&#]*)")


def send_problems(path: str, step: Send) -> Iterator[Problem]:
    """Findings in a `send`."""
    if len(set(step.channels)) < len(step.channels):
        yield Problem(path=f"{path}.channels", message="a channel is named twice", remedy="name each channel once")
    if step.fallback is None:
        return
    if not step.fallback.within.is_positive:
        message = "leaves the first channel no time"
        yield Problem(path=f"{path}.fallback.within", message=message, remedy="write a positive duration")
    if len(step.channels) == 1:
        message = "there is no second channel to fall back to"
        yield Problem(path=f"{path}.fallback", message=message, remedy="add a channel, or drop 'fallback'", severity="warning")


def update_problems(path: str, step: UpdateProfile) -> Iterator[Problem]:
    """Findings in an `update_profile`: traits that contain each other overwrite each other."""
    for name in step.set:
        outer = next((other for other in step.set if name.startswith(f"{other}.")), None)
        if outer is not None:
            message = f"{name} is a part of {outer}, which is written here too"
            yield Problem(path=join(f"{path}.set", name), message=message, remedy="write one of them")


def call_problems(path: str, step: Call, catalog: Catalog) -> Iterator[Problem]:
    """Findings in a `call`."""
    if not step.timeout.is_positive:
        yield Problem(path=f"{path}.timeout", message="leaves the service no time", remedy="write PT10S, for example")
    elif step.timeout.longest.total_seconds() > _LONGEST_CALL:
        yield Problem(path=f"{path}.timeout", message="is longer than a minute", remedy="write PT1M or less")
    if not step.retry.first.is_positive:
        yield Problem(path=f"{path}.retry.first", message="leaves no pause between tries", remedy="write PT10S, for example")
    elif step.retry.longest.longest < step.retry.first.shortest:
        message = "the longest pause is shorter than the first one"
        where = "longest" if "longest" in step.retry.model_fields_set else "first"
        yield Problem(path=f"{path}.retry.{where}", message=message, remedy="make 'longest' at least 'first'")
    if step.body is not None and step.method in {"GET", "DELETE"}:
        message = f"many services ignore the body of a {step.method}"
        yield Problem(path=f"{path}.body", message=message, remedy="put it into the address, or use POST", severity="warning")
    if step.url.startswith("http://"):
        message = "goes unencrypted"
        yield Problem(path=f"{path}.url", message=message, remedy="write https://", severity="warning")
    yield from _headers(f"{path}.headers", step)
    yield from _secrets(path, step)
    yield from flaws_of_call(path, step, catalog)


def _headers(path: str, step: Call) -> Iterator[Problem]:
    seen: set[str] = set()
    for name in step.headers:
        if name.lower() in seen:
            yield Problem(path=join(path, name), message=f"the header {name} is written twice", remedy="keep one of them")
        seen.add(name.lower())


def _secrets(path: str, step: Call) -> Iterator[Problem]:
    in_address = [named for named in _PARAMETER.findall(step.url) if _is_secret(*named)]
    places = [f"{path}.url"] if in_address or any("{{" not in found for found in _PASSWORD.findall(step.url)) else []
    places += [join(f"{path}.headers", name) for name, value in step.headers.items() if _is_secret(name, value)]
    for place in (*places, *_secrets_in(f"{path}.body", step.body)):
        message = "holds a secret in plain text, which everybody sees who sees the journey"
        remedy = "put it into the settings and write {{ secrets.NAME }}"
        yield Problem(path=place, message=message, remedy=remedy, severity="warning")


def _secrets_in(path: str, value: JsonValue) -> Iterator[str]:
    for name, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(part, str) and _is_secret(str(name), part):
            yield join(path, name)
        yield from _secrets_in(join(path, name), part)


def _is_secret(name: str, value: str) -> bool:
    return bool(_SECRET.search(name)) and bool(value) and "{{" not in value
