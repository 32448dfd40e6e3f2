"""Facts: what happened to a simulated person, in the form that references and listeners see."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import JsonValue

Source = Literal["event", "receipt", "profile", "segment_entered", "segment_left"]
Moment = tuple[datetime, int]
"""An instant, and what comes first of several things at it; 0 is before all of them."""

Body = dict[str, JsonValue]
DEPTH = "depth"
"""Where a fact says how many journeys led to each other in a row until it."""

REACHED: Mapping[str, frozenset[str]] = {
    "delivered": frozenset({"sent", "delivered"}),
    "opened": frozenset({"sent", "delivered", "opened"}),
    "clicked": frozenset({"sent", "delivered", "opened", "clicked"}),
    "replied": frozenset({"sent", "delivered", "replied"}),
}
RANKS: Mapping[str, int] = {
    status: rank
    for rank, status in enumerate(
        ("sent", "delivered", "opened", "clicked", "replied", "bounced", "rejected", "complained", "unsubscribed")
    )
}
FAILED = frozenset({"bounced", "rejected"})


class Fact(NamedTuple):
    """Something that happened. `event` is what references call it; `enrolment` and `visit` are a receipt's."""

    id: str
    source: Source
    name: str
    event: str
    properties: Mapping[str, JsonValue]
    when: Moment
    enrolment: str = ""
    visit: int = 0
    depth: int = 0

    @property
    def at(self) -> datetime:
        return self.when[0]

    @property
    def body(self) -> Body:
        """What references see."""
        told = body(self.id, self.event, self.when[0], self.properties)
        return told | {DEPTH: self.depth} if self.depth else told


def body(identifier: str, name: str, at: datetime, properties: Mapping[str, JsonValue]) -> Body:
    """What references see of something that happened."""
    return {"id": identifier, "event": name, "timestamp": at.isoformat(), "properties": dict(properties)}


def reached(status: str) -> frozenset[str]:
    """All outcomes that a message with this newest status has had: an opened one was delivered."""
    return REACHED.get(status) or frozenset({status})
