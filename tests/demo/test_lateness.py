from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demo.lateness import lateness

START = datetime(2026, 3, 2, tzinfo=UTC)


def story(late: timedelta) -> dict[str, Any]:
    return {
        "lines": [
            {"what": "sleep", "at": START.isoformat(), "outcome": {"until": (START + timedelta(days=1)).isoformat()}},
            {"what": "sent", "at": (START + timedelta(days=1) + late).isoformat(), "outcome": {}},
        ]
    }


def test_waits_are_judged_in_real_seconds() -> None:
    found = lateness([story(timedelta(hours=6))] * 30, START + timedelta(days=60), 43_200)
    assert found is not None
    assert found.half == pytest.approx(0.5)
    assert not found.too_busy


def test_a_machine_that_cannot_keep_up_is_told_so() -> None:
    found = lateness([story(timedelta(hours=30))] * 30, START + timedelta(days=60), 43_200)
    assert found is not None
    assert found.too_busy


def test_a_few_waits_say_nothing() -> None:
    assert lateness([story(timedelta(hours=6))] * 3, START + timedelta(days=60), 43_200) is None
