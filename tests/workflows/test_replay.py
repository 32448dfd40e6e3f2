"""Recorded histories of every version of the workflow code still replay: enrolments and cohorts that are under way go on."""

import json
from collections import Counter
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from journeys import content_hash
from tests.workflows.journeys_under_test import EXAMPLES
from tests.workflows.record import HISTORIES
from workflows.converter import data_converter
from workflows.definitions import Definitions
from workflows.worker import WORKFLOWS, runner

RECORDED = sorted(path.relative_to(HISTORIES).as_posix() for path in HISTORIES.glob("v*/*.json"))


async def _unreachable(digest: str) -> bytes:
    raise AssertionError(f"definition {digest} was not recorded")


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    known = Definitions(_unreachable)
    for path in (HISTORIES / "definitions").glob("*.json"):
        assert known.add(json.loads(path.read_text())) == path.stem
    return known


@pytest.mark.parametrize("recorded", RECORDED)
async def test_a_recorded_history_replays(recorded: str, definitions: Definitions) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=runner(sandbox=True),
        data_converter=data_converter(definitions),
        build_id="test",
    )
    await replayer.replay_workflow(_history(recorded))


@pytest.mark.parametrize("key", EXAMPLES)
def test_every_example_journey_as_it_is_now_has_recorded_histories(key: str) -> None:
    """Where this fails: `python -m tests.workflows.record v4 example-KEY-taken example-KEY-timed-out`."""
    digest = content_hash(EXAMPLES[key])
    recorded = {path.name.split(".")[0] for path in HISTORIES.glob(f"v*/example-{key}-*.1.json") if digest in started_with(path)}
    assert recorded == {f"example-{key}-taken", f"example-{key}-timed-out"}


def started_with(path: Path) -> str:
    """What the first workflow of a recorded history was given: the enrolment, with its definition's hash."""
    started = WorkflowHistory.from_json(path.stem, path.read_text()).events[0].workflow_execution_started_event_attributes
    return started.input.payloads[0].data.decode()


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_workflow_of_the_worker_has_recorded_histories_of_one_run_and_of_several(workflow: type) -> None:
    """Where this fails: a scenario for it, and `python -m tests.workflows.record v3 SCENARIO`."""
    name = workflow.__name__.removesuffix("Workflow")
    runs = Counter(recorded.rsplit(".", 2)[0] for recorded in RECORDED if _type(_history(recorded)) == name)
    assert 1 in runs.values()
    assert max(runs.values()) > 2


def test_every_run_of_a_chain_is_recorded() -> None:
    for recorded in RECORDED:
        scenario, number, _ = recorded.rsplit(".", 2)
        last = _history(recorded).events[-1]
        continued = last.HasField("workflow_execution_continued_as_new_event_attributes")
        assert continued == (f"{scenario}.{int(number) + 1}.json" in RECORDED), recorded


def _history(recorded: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(Path(recorded).stem, (HISTORIES / recorded).read_text())


def _type(history: WorkflowHistory) -> str:
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name
