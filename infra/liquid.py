"""Liquid as templates may use it: no loader, no code, bounded; undefined values are errors unless defaulted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liquid import BoundTemplate, DictLoader, Environment, FalsyStrictUndefined
from liquid.exceptions import LiquidError

from infra.errors import Flaw
from infra.liquid_needs import dotted, needed

ROOTS = ("profile", "entry", "event", "results", "unsubscribe_url", "journey")
"""What every message has; `results` are what earlier steps of its journey came to."""
_LOADING_TAGS = ("include", "render", "extends", "block")


class _Bounded(Environment):
    block_nesting_limit = 20
    context_depth_limit = 20
    loop_iteration_limit = 2_000
    local_namespace_limit = 50_000
    output_stream_limit = 500_000


_PLAIN = _Bounded(undefined=FalsyStrictUndefined, autoescape=False, loader=DictLoader({}))
_HTML = _Bounded(undefined=FalsyStrictUndefined, autoescape=True, loader=DictLoader({}))


# What python-liquid's filters let through when a value does not suit them ("nan", an instant beyond the year 9999).
_UNSUITED = (ArithmeticError, ValueError, TypeError, LookupError, AttributeError, OSError)


class RenderFailed(Exception):
    """A source could not be rendered for one person; says which variable or filter was at fault."""


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed source and the variables it uses, as dotted names, sorted; `required` are those it cannot do without."""

    template: BoundTemplate
    variables: tuple[str, ...]
    required: tuple[str, ...] = ()

    def render(self, context: Mapping[str, Any]) -> str:
        """Raises `RenderFailed`."""
        try:
            text = self.template.render(**context)
        except LiquidError as error:
            raise RenderFailed(_sentence(error)) from error
        except RecursionError as error:
            raise RenderFailed("it nests too deeply") from error
        except _UNSUITED as error:
            raise RenderFailed(f"a filter cannot take the value that it gets ({type(error).__name__})") from error
        if "\0" in text:
            raise RenderFailed("it comes out with a NUL character, which cannot be sent")
        return text


def parse(text: str, path: str, *, html: bool = False, roots: Sequence[str] = ROOTS) -> tuple[Source | None, list[Flaw]]:
    """Parses and analyses `text`, whose variables start with one of `roots`; every flaw names its JSON path, line and remedy."""
    environment = _HTML if html else _PLAIN
    try:
        template = environment.from_string(text)
        analysis = template.analyze(include_partials=False)
    except LiquidError as error:
        where = error.context()
        line = f"line {where[0]}: " if where else ""
        remedy = "close every {{ and {% and write the tag as in https://shopify.github.io/liquid"
        return None, [Flaw(path=path, message=f"{line}{_sentence(error)}", remedy=remedy)]
    flaws = []
    for tag, spans in analysis.tags.items():
        if tag in _LOADING_TAGS:
            flaws.append(
                Flaw(
                    path=path,
                    message=f"line {_line(text, spans[0].index)}: the tag {tag!r} loads another template",
                    remedy="write its text here",
                )
            )
    for name, spans in analysis.filters.items():
        if name not in environment.filters:
            message = f"line {_line(text, spans[0].index)}: there is no filter {name!r}"
            flaws.append(Flaw(path=path, message=message, remedy="use one of " + ", ".join(sorted(environment.filters))))
    names = set()
    for root, variables in analysis.globals.items():
        for variable in variables:
            names.add(dotted(variable.segments))
        if root not in roots:
            message = f"line {_line(text, variables[0].span.index)}: {variables[0]} starts with {root!r}, which nothing supplies"
            flaws.append(Flaw(path=path, message=message, remedy=f"start with one of {', '.join(roots)}"))
    return (None, flaws) if flaws else (Source(template, tuple(sorted(names)), tuple(sorted(needed(template)))), [])


def parse_fields(
    texts: Mapping[str, str], path: str, *, made_from: Mapping[str, str] | None = None
) -> tuple[dict[str, Source], list[Flaw]]:
    """Parses the fields of the object at `path`; what is made from a field that is wrong itself would only repeat its flaws."""
    sources: dict[str, Source] = {}
    flaws: list[Flaw] = []
    for name, text in texts.items():
        origin = (made_from or {}).get(name)
        if origin is not None and origin not in sources:
            continue
        source, found = parse(text, f"{path}.{name}", html=name == "html")
        if source is not None:
            sources[name] = source
        flaws += found if origin is None else [_of_made(flaw, name, origin) for flaw in found]
    return sources, flaws


def _of_made(flaw: Flaw, name: str, origin: str) -> Flaw:
    message = f"is left out, and what is made of {origin!r} is no Liquid template: {flaw.message}"
    remedy = f"write {name!r} too, or in {origin!r} keep < > and quotes inside attributes out of {{{{ }}}} and {{% %}}"
    return Flaw(path=flaw.path, message=message, remedy=remedy)


def _line(text: str, index: int) -> int:
    return text.count("\n", 0, max(index, 0)) + 1


def _sentence(error: LiquidError) -> str:
    return str(error.message or error).splitlines()[0]
