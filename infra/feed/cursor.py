"""The position in a feed: epoch, transaction id and row number."""

from __future__ import annotations

from typing import NamedTuple

from infra.errors import BadInput, Flaw


class Cursor(NamedTuple):
    """Rows are ordered by (transaction, position): a bigserial alone commits out of order."""

    epoch: str
    transaction: int
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.transaction}.{self.position}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        epoch, _, rest = text.partition(".")
        transaction, _, position = rest.partition(".")
        if epoch and transaction.isdigit() and position.isdigit():
            return cls(epoch, int(transaction), int(position))
        flaw = Flaw(path="after", message=f"{text!r} is no cursor", remedy="leave it out to start at the beginning")
        raise BadInput([flaw], "the cursor")

    def reached(self, other: Cursor) -> bool:
        """Whether a reader at this cursor has seen everything up to and including `other`."""
        return self.epoch == other.epoch and self[1:] >= other[1:]
