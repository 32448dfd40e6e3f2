"""After a journey was changed: who is still in an older version, and where a migration would bring them."""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from authoring.planning import Plan
from authoring.system import System
from infra.errors import CallFailed, Flaw


class _Part(BaseModel):
    """What is shown; more may come along."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Standing(_Part):
    """People at one step of an older version; `becomes` is where they would go, None: nowhere."""

    step: str | None = None
    count: int
    becomes: str | None = None


class Retiming(_Part):
    """What becomes of waits."""

    shorter: int = 0
    longer: int = 0
    due_now: int = 0


class Preview(_Part):
    """`POST /v1/journeys/{key}/migrations/preview`."""

    positions: tuple[Standing, ...] = ()
    retiming: Retiming = Retiming()
    problems: tuple[Flaw, ...] = ()


async def previews(system: System, plan: Plan, applied: Sequence[str]) -> dict[str, Preview | str]:
    """Changed journey to what migrating everybody of its older versions would do, or why nobody can say."""
    found: dict[str, Preview | str] = {}
    for change in plan.of("changed"):
        if change.kind != "journey" or change.file not in applied:
            continue
        wish = {"from": "all-older", "to": "current"}
        try:
            path = f"/v1/journeys/{change.key}/migrations/preview"
            found[change.key] = await system.client("journeys").post(path, wish, Preview)
        except CallFailed as error:
            found[change.key] = str(error)
    return found


def preview_lines(key: str, preview: Preview | str) -> Iterator[str]:
    """In words; nothing where nobody is in an older version."""
    if isinstance(preview, str):
        yield f"{key}: what a migration would do is not known: {preview}"
        return
    people = sum(standing.count for standing in preview.positions)
    if not people:
        return
    yield f"{key}: {people} {'person is' if people == 1 else 'people are'} in older versions; migrating them would bring"
    for standing in preview.positions:
        where = standing.step or "the start"
        goal = "nowhere: name a step or exit in the mapping" if standing.becomes is None else f"to {standing.becomes}"
        yield f"  {standing.count} from {where} {goal if standing.becomes != standing.step else 'to the same step'}"
    timing = {"shorter": preview.retiming.shorter, "longer": preview.retiming.longer, "due at once": preview.retiming.due_now}
    if any(timing.values()):
        yield "  waits: " + ", ".join(f"{number} {name}" for name, number in timing.items() if number)
    lost = [standing.step for standing in preview.positions if standing.becomes is None and standing.step]
    mapping = f', with {{"mapping": {{"{lost[0]}": …}}}}' if lost else ""
    yield f"  POST /v1/journeys/{key}/migrations{mapping} does it"
