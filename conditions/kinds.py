"""What the types of a definition know at a place in it: the keys of the model there, and the kinds of the union."""

import types
import typing
from collections.abc import Sequence
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel

Place = Sequence[str | int]
"""A location of pydantic's: keys, positions, and the tags of the unions on the way, written `<tag>`."""


def keys_at(root: object, loc: Place) -> list[str]:
    """The keys that the model at this location knows."""
    return _keys(_model_in(_kind_at(root, loc)))


def others_at(root: object, loc: Place) -> dict[str, list[str]]:
    """For a place told by the tag at its end: the other tags of that union, each with the keys of its model."""
    tag = loc[-1]
    return {
        other.strip("<>"): _keys(_model_in(option))
        for option, other in _options(_kind_at(root, loc[:-1]))
        if other and other != tag
    }


def _kind_at(root: object, loc: Place) -> object:
    kind = root
    for part in loc:
        kind = _step_into(kind, part)
    return kind


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [] if model is None else [info.alias or name for name, info in model.model_fields.items()]


def _step_into(kind: object, part: str | int) -> object:
    if isinstance(part, str) and part.startswith("<"):
        return next((option for option, tag in _options(kind) if tag == part), None)
    for option, _ in _options(kind):
        origin = get_origin(option)
        if isinstance(part, int) and origin in (tuple, list):
            return get_args(option)[0]
        if isinstance(option, type) and issubclass(option, BaseModel):
            for name, info in option.model_fields.items():
                if part == (info.alias or name):
                    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return None


def _options(kind: object) -> list[tuple[object, str | None]]:
    """The members of a type with their union tags, through Annotated, unions and type aliases."""
    tag: str | None = None
    while True:
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
            tag = next((note.tag for note in notes if hasattr(note, "tag")), tag)
        elif hasattr(kind, "__value__"):
            kind = kind.__value__
        else:
            break
    if get_origin(kind) in (typing.Union, types.UnionType):
        return [option for member in get_args(kind) for option in _options(member)]
    return [(kind, tag)]


def _model_in(kind: object) -> type[BaseModel] | None:
    return next((option for option, _ in _options(kind) if isinstance(option, type) and issubclass(option, BaseModel)), None)
