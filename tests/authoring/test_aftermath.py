"""After applying, what a migration would do is told with the call that does it."""

from typing import Any

from authoring.aftermath import Preview, preview_lines


def told(**position: Any) -> list[str]:
    body = {
        "positions": [{"step": "month", "count": 40, **position}],
        "retiming": {"shorter": 0, "longer": 0, "due_now": 0},
    }
    return list(preview_lines("slow", Preview.model_validate(body)))


def test_people_whose_step_is_still_there_need_no_mapping() -> None:
    assert told(becomes="month")[1:] == ["  40 from month to the same step", "  POST /v1/journeys/slow/migrations does it"]


def test_a_step_that_leads_nowhere_is_named_in_the_mapping_to_send() -> None:
    *_, where, how = told(becomes=None)
    assert where == "  40 from month nowhere: name a step or exit in the mapping"
    assert how == '  POST /v1/journeys/slow/migrations, with {"mapping": {"month": …}} does it'
