"""Journey definitions by content hash: parsed once per process, fetched when first needed."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import from_json

from contracts.journeys import EnrolmentInput
from infra.http import ServiceClient
from journeys.model import Journey
from journeys.parse import content_hash, parse_journey
from workflows.errors import UnknownDefinition, WrongDefinition
from workflows.state import EnrolmentState

Fetch = Callable[[str], Awaitable[bytes]]


def from_service(journeys: ServiceClient) -> Fetch:
    """Definitions as the journeys service keeps them: `GET /v1/versions/{hash}` answers the definition as published."""
    return lambda digest: journeys.get_bytes(f"/v1/versions/{digest}")


class Definitions:
    """A cache of parsed definitions, least recently used out first. Immutable, so never stale.

    `kept` has to exceed the number of workflow tasks at work at one time; running workflows hold their own.
    """

    def __init__(self, fetch: Fetch, *, kept: int = 1000) -> None:
        self._fetch = fetch
        self._kept = kept
        self._parsed: OrderedDict[str, Journey] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[None]] = {}

    def get(self, digest: str) -> Journey:
        """Any thread may ask. Raises UnknownDefinition."""
        journey = self._parsed.get(digest)
        if journey is None:
            raise UnknownDefinition(digest)
        return journey

    def add(self, definition: JsonValue) -> str:
        """Keeps a definition and says its hash; raises JourneyError."""
        digest = content_hash(definition)
        journey = parse_journey(definition)
        assert journey.index is not None  # built here once, not in workflow code
        self._parsed[digest] = journey
        while len(self._parsed) > self._kept:
            self._parsed.popitem(last=False)
        return digest

    async def ensure(self, digest: str) -> None:
        """Fetches what is missing, once for all who ask meanwhile. Raises what fetching raised, or WrongDefinition."""
        if digest in self._parsed:
            self._parsed.move_to_end(digest)
            return
        task = self._fetching.get(digest)
        if task is None:
            task = self._fetching[digest] = asyncio.create_task(self._load(digest))
            task.add_done_callback(lambda _: self._fetching.pop(digest, None))
        await asyncio.shield(task)

    async def _load(self, digest: str) -> None:
        actual = self.add(from_json(await self._fetch(digest)))
        if actual != digest:
            raise WrongDefinition(digest, actual)


@dataclass(frozen=True, slots=True)
class PinnedEnrolment:
    """What the workflow is given: its input, with the definition in the place of the hash."""

    enrolment_id: UUID
    digest: str
    journey: Journey
    carried: EnrolmentState | None

    @classmethod
    def of(cls, given: EnrolmentInput, definitions: Definitions) -> Self:
        """Raises UnknownDefinition."""
        carried = None if given.carried is None else EnrolmentState.model_validate(given.carried)
        return cls(given.enrolment_id, given.journey, definitions.get(given.journey), carried)

    def again(self, state: EnrolmentState) -> EnrolmentInput:
        """The input of the run that continues this one, in the version that the enrolment is moved to, if it is."""
        digest = self.digest if state.move_to is None else state.move_to.journey
        return EnrolmentInput(enrolment_id=self.enrolment_id, journey=digest, carried=state.carried())
