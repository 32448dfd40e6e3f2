"""Steps of journeys that people are migrated between, and the people; their workflows are played by the test."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.journeys.moves.migration_plans import MigrationRequest
from services.journeys.moves.migrations_desk import MigrationView
from tests.services.journeys.conftest import Service

FIRST = {"id": "first", "type": "send", "template": "hello", "channels": ["email"]}
ORDER = {
    "id": "order",
    "type": "wait_for",
    "paths": [{"id": "ordered", "event": "Ordered"}],
    "timeout": {"after": "P3D"},
}


@dataclass
class Person:
    """Somebody, and the version that their workflow is in."""

    service: Service
    profile_id: UUID
    id: UUID
    version: str

    async def asks(self, step: str, visit: int = 1, **more: object) -> object:
        return await self.service.perform(self.id, step, visit, journey=self.version, **more)

    async def moves(self) -> dict[str, Any] | None:
        """The newest move that Temporal is told of; the workflow takes it."""
        rows = await self.service.rows(
            "SELECT payload FROM outgoing WHERE enrolment_id = :id AND kind = 'move' ORDER BY id DESC LIMIT 1", id=self.id
        )
        if rows:
            self.version = rows[0].payload["journey"]
        return rows[0].payload if rows else None

    async def row(self) -> Any:
        return (await self.service.rows("SELECT version, state, reason, moving FROM enrolment WHERE id = :id", id=self.id))[0]


async def enters(service: Service, version: str, **properties: object) -> Person:
    profile_id, enrolment = await service.enter(**properties)
    return Person(service, profile_id, enrolment, version)


async def migrate(service: Service, **request: object) -> MigrationView:
    view = await service.lifecycle.desk.start("signup", MigrationRequest.model_validate(request), by="ann")
    while await service.lifecycle.migrator.step():
        state = (await service.lifecycle.desk.progress("signup", view.id)).state
        if state != "running":
            break
    return await service.lifecycle.desk.progress("signup", view.id)


async def finished(service: Service, view: MigrationView) -> MigrationView:
    await service.lifecycle.migrator.step()
    return await service.lifecycle.desk.progress("signup", view.id)


BOOKING = {"id": "booking", "type": "wait_for", "paths": [{"id": "booked", "event": "Booked"}]}


async def books(person: Person, **properties: str) -> str:
    """What the workflow then refers to as the event."""
    await person.asks("booking")
    (signal,) = await person.service.track(person.profile_id, "Booked", at=None, **properties)
    return str(signal.payload["event_id"])
