"""Random walks over random journeys: every walk ends or waits, never in two places."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journeys import Catalog, Cursor, Finish, advance, check, parse_journey, plan, start
from journeys.model import Repeat
from tests.journeys.helpers import leads_somewhere
from tests.journeys.outcomes import NOW, outcomes
from tests.journeys.sound import sound_definitions
from tests.journeys.strategies import definitions

NAMES = frozenset({"order"})


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(st.data(), sound_definitions())
def test_a_walk_stands_at_one_step_or_is_over_and_never_repeats_a_visit(
    data: st.DataObject, definition: dict[str, object]
) -> None:
    journey = parse_journey(definition)
    cursor, seen = start(journey), set()
    for _ in range(40):
        assert Cursor.model_validate_json(cursor.model_dump_json()) == cursor
        assert (cursor.step is None) is (cursor.finished is not None)
        effect = plan(journey, cursor)
        if isinstance(effect, Finish):
            return
        assert (effect.step_id, effect.visit) not in seen
        seen.add((effect.step_id, effect.visit))
        place = journey.index.places[effect.step_id]
        around = {parent for parent in (*place.parents, effect.step_id) if isinstance(journey.index.steps[parent], Repeat)}
        assert set(cursor.loops) == around
        assert set(cursor.visits) <= journey.index.recurring
        while plan(journey, cursor) == effect:
            before, outcome = cursor, data.draw(outcomes(journey.index.steps[effect.step_id]))
            cursor = advance(journey, cursor, outcome, NOW)
            assert cursor == before or plan(journey, cursor) != effect
            if cursor == before and data.draw(st.booleans()):
                break
        else:
            continue
        return


@settings(max_examples=150, deadline=None)
@given(definitions())
def test_check_raises_for_no_journey_that_can_be_read_and_every_finding_has_a_place_and_a_remedy(
    definition: dict[str, Any],
) -> None:
    journey = parse_journey(definition)
    catalog = Catalog(NAMES, NAMES, NAMES, NAMES, NAMES, NAMES, definitions={"other": journey})
    for problem in check(journey, catalog):
        assert leads_somewhere(definition, problem.path)
        assert problem.message
        assert problem.remedy
