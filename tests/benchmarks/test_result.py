"""What a run of the benchmarks says of limits."""

from pathlib import Path

import orjson
import pytest

from tests.benchmarks.__main__ import report
from tests.benchmarks.result import Limit, Result, against, shown


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        (against("cpu", 7.0, "s", 2.0, "", Limit(3.5)), True),
        (against("cpu", 7.1, "s", 2.0, "", Limit(3.5)), False),
        (against("rate", 5.0, "events/s", 10.0, "", Limit(0.5, "least")), True),
        (against("rate", 4.9, "events/s", 10.0, "", Limit(0.5, "least")), False),
        (against("history", 27.0, "events", 27.0, "", Limit(26, of="value")), False),
        (shown("cpu", 1.0, "s", "no baseline to hold it to", Limit(3.5)), False),
        (shown("memory", 100.0, "MiB", ""), None),
    ],
)
def test_a_limit_that_is_missed_fails_the_run(found: Result, *, holds: bool | None, tmp_path: Path) -> None:
    assert found.holds is holds
    assert report([found], tmp_path / "bench.json") == (holds is False)
    assert orjson.loads((tmp_path / "bench.json").read_bytes())[found.name]["holds"] is holds
