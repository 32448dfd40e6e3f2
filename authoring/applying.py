"""`reis apply`: the plan carried out, in the order in which definitions refer to each other."""

from collections.abc import Sequence
from pathlib import Path

from authoring.checks import Checked, check_folder
from authoring.findings import Finding
from authoring.folder import read_folder
from authoring.planning import Plan, names_of, plan_for, running
from authoring.publishing import Outcome, put_all
from authoring.system import System


async def planned(system: System, paths: Sequence[Path]) -> tuple[Plan, Checked]:
    """The plan, and what is wrong with the folder where the names of the running system count too."""
    folder = read_folder(paths)
    known = await running(system)
    checked = check_folder(folder, names_of(known, await system.template_facts(), await system.sent()))
    return await plan_for(system, folder, known, checked), checked


async def apply_plan(system: System, plan: Plan, checked: Checked) -> list[Outcome]:
    """Publishes what is new or changed. What is wrong by itself is not sent; the rest is, and each file's fate is told."""
    wanted = {(change.kind, change.key) for change in (*plan.of("new"), *plan.of("changed"))}
    definitions = [each for each in checked.folder.definitions if (each.kind.name, each.key) in wanted]
    refused = [each for each in definitions if checked.refused(each)]
    outcomes = await put_all(system, [each for each in definitions if each not in refused])
    return [*outcomes, *(Outcome(str(each.path), _errors(checked, str(each.path))) for each in refused)]


def _errors(checked: Checked, file: str) -> tuple[Finding, ...]:
    return tuple(one for one in checked.findings if one.file == file and one.severity == "error")
