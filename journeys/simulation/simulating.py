"""One person's life in a journey, a population's, and a period of the past played again."""

from collections.abc import Sequence
from datetime import datetime

from journeys.model import Journey
from journeys.simulation.doors import Doors
from journeys.simulation.people import Script
from journeys.simulation.playing import Player
from journeys.simulation.report import Report
from journeys.simulation.setting import Setting
from journeys.simulation.stage import Stage
from journeys.simulation.story import Life
from journeys.simulation.telling import Tale, Tally
from journeys.simulation.town import Town


def simulate(journey: Journey, script: Script, setting: Setting, until: datetime) -> Life:
    """What happens to one person up to and including `until` (aware): every line, every message, and where they are then."""
    stage, tale = Stage.of(journey, setting), Tale()
    town = Town(stage, Doors(stage), tale)
    being = Player(town).play(script)
    town.agenda.run(until)
    return tale.life(being, stage, until)


def simulate_population(journey: Journey, scripts: Sequence[Script], setting: Setting, until: datetime) -> Report:
    """What the journey comes to for many people."""
    return _count(journey, scripts, setting, None, until)


def backtest(journey: Journey, scripts: Sequence[Script], setting: Setting, begins: datetime, until: datetime) -> Report:
    """What the journey would have come to from `begins` up to and including `until`.

    The scripts hold what is on record; what lies before the period is each person's past. Who enters, and when, is for the
    journey's own entry rules; nobody is under way when the period begins.
    """
    return _count(journey, scripts, setting, begins, until)


def _count(journey: Journey, scripts: Sequence[Script], setting: Setting, begins: datetime | None, until: datetime) -> Report:
    stage = Stage.of(journey, setting)
    tally, doors = Tally(journey.key), Doors(stage)
    # Caps on entries let one person stand in another's way: then all live at once, else one after the other, which is quicker.
    groups = [scripts] if stage.caps_entries else [[script] for script in scripts]
    town = Town(stage, doors, tally)
    player = Player(town)
    for group in groups:
        beings = [player.play(script, begins) for script in group]
        town.agenda.run(until)
        for being in beings:
            tally.close(being)
        town.clear()
    return tally.report(stage)
