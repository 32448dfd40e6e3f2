"""A journey whose state is changed, and who starts or goes on by it."""

from uuid import UUID, uuid4

from tests.services.journeys.conftest import Service


async def change(service: Service, *changes: str) -> None:
    for change in changes:
        await service.lifecycle.states.change("signup", change, by="ann")  # type: ignore[arg-type]


async def signup(service: Service, key: str = "x") -> tuple[UUID, UUID | None]:
    """Somebody meets the trigger; answers profile and enrolment."""
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    await service.track(profile_id, "Signup", event_id=key)
    rows = await service.rows("SELECT id FROM enrolment WHERE profile_id = :id", id=profile_id)
    return profile_id, rows[0].id if rows else None


async def started(service: Service) -> list[UUID]:
    """Who was started by the background job, in order."""
    service.told.clear()
    while await service.lifecycle.starter.step():
        pass
    return [each.enrolment_id for each in service.told if each.kind == "start"]


async def woken(service: Service) -> list[UUID]:
    """Who was asked to go on by the background job, in order."""
    service.told.clear()
    while await service.lifecycle.resumer.step():
        pass
    return [each.enrolment_id for each in service.told if each.kind == "refresh"]


async def state(service: Service) -> str:
    return (await service.lifecycle.states.view("signup")).state
