"""What surrounds a simulation besides the folder: delivery rules, how people take messages, what web services answer."""

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from authoring.checks import Checked
from authoring.testing.model import Workspace
from authoring.testing.script import setting_of
from conditions.problems import did_you_mean, join, problems_of
from infra.errors import BadInput, Flaw
from journeys import Journey
from journeys.model import Call
from journeys.simulation.people import Answer, Behaviour
from journeys.simulation.setting import Setting
from journeys.timing import find_zone


class Around(Workspace):
    """The file that `--setting` names; also the workspace's zone, quiet hours and frequency caps."""

    behaviour: Behaviour = Behaviour()
    """Per channel what becomes of messages; each is delivered at once and nothing more where left out."""
    answers: dict[str, tuple[Answer, ...]] = Field(default_factory=dict)
    """Per `call` step what each try gets, the last again and again; 200 where left out."""


def read_around(path: Path | None) -> Around:
    """The settings of a file; the defaults without one. Raises BadInput with everything that is wrong with it."""
    if path is None:
        return Around()
    try:
        around = Around.model_validate(json.loads(path.read_text("utf-8")))
    except ValidationError as error:
        flaws = [
            Flaw(path=f"{path} {each.path}", message=each.message, remedy=each.remedy) for each in problems_of(error, Around)
        ]
        raise BadInput(flaws, str(path)) from error
    except ValueError as error:
        raise BadInput([Flaw(path=str(path), message=f"is not JSON: {error}", remedy="correct it there")], str(path)) from error
    if find_zone(around.zone) is None:
        message, remedy = f"{around.zone!r} is no time zone", "use a name such as 'Europe/Berlin'"
        raise BadInput([Flaw(path=f"{path} $.zone", message=message, remedy=remedy)], str(path))
    return around


def check_answers(around: Around, path: Path | None, journeys: Iterable[Journey]) -> None:
    """Raises BadInput where something is answered that none of these journeys calls."""
    calls = {name for journey in journeys for name, step in journey.index.steps.items() if isinstance(step, Call)}
    flaws = [
        Flaw(
            path=f"{path} {join('$.answers', name)}",
            message=f"there is no call step {name!r}",
            remedy=did_you_mean(name, calls) or "drop it",
        )
        for name in around.answers
        if name not in calls
    ]
    if flaws:
        raise BadInput(flaws, str(path))


def simulated_setting(checked: Checked, journey: Journey, around: Around, seed: int) -> Setting:
    """The folder and what surrounds it."""
    base = setting_of(checked, journey, around)
    return base.model_copy(update={"seed": seed, "behaviour": around.behaviour, "answers": around.answers})
