"""What surrounds a simulation besides the folder: delivery rules, how people take messages, what web services answer."""

import json
from pathlib import Path

from pydantic import Field, ValidationError

from authoring.checks import Checked
from authoring.testing.model import Workspace
from authoring.testing.script import setting_of
from conditions.problems import problems_of
from infra.errors import BadInput, Flaw
from journeys import Journey
from journeys.simulation.people import Answer, Behaviour
from journeys.simulation.setting import Setting


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
        return Around.model_validate(json.loads(path.read_text("utf-8")))
    except ValidationError as error:
        flaws = [
            Flaw(path=f"{path} {each.path}", message=each.message, remedy=each.remedy) for each in problems_of(error, Around)
        ]
        raise BadInput(flaws, str(path)) from error
    except ValueError as error:
        raise BadInput([Flaw(path=str(path), message=f"is not JSON: {error}", remedy="correct it there")], str(path)) from error


def simulated_setting(checked: Checked, journey: Journey, around: Around, seed: int) -> Setting:
    """The folder and what surrounds it."""
    base = setting_of(checked, journey, around)
    return base.model_copy(update={"seed": seed, "behaviour": around.behaviour, "answers": around.answers})
