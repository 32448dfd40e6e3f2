"""The kinds of definition that a folder holds, and where each is published."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """`folder` is where its files lie, `also` another name for that; `field` is one that only it has; `path` is its address."""

    name: str
    plural: str
    folder: str
    field: str
    service: str
    path: str
    also: str | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.folder,) if self.also is None else (self.folder, self.also)


COMPUTED = Kind(
    "computed trait", "computed traits", "computed", "take", "segments", "/v1/computed-traits", also="computed-traits"
)
SEGMENT = Kind("segment", "segments", "segments", "condition", "segments", "/v1/segments")
TEMPLATE = Kind("template", "templates", "templates", "", "channels", "/v1/templates")
JOURNEY = Kind("journey", "journeys", "journeys", "steps", "journeys", "/v1/journeys")

KINDS = (COMPUTED, SEGMENT, TEMPLATE, JOURNEY)
"""In the order in which they refer to each other."""
CHANNEL_FIELDS = ("email", "sms", "whatsapp", "web_push")


def kind_of(folder: str, fields: set[str]) -> Kind | None:
    """By the folder's name, else by a field that only one kind has."""
    for kind in KINDS:
        if folder in kind.folders:
            return kind
    for kind in KINDS:
        if kind.field in fields or (kind is TEMPLATE and fields & set(CHANNEL_FIELDS)):
            return kind
    return None
