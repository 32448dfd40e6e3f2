"""A journey tried on many people: simulated from an instant on, or back-tested over a period on record."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from authoring.checks import Checked, check_folder
from authoring.findings import Finding, has_errors
from authoring.folder import TESTS, Definition, Folder, read_folder
from authoring.kinds import JOURNEY, KINDS
from authoring.planning import Running
from authoring.testing.script import started
from conditions.problems import did_you_mean
from infra.errors import BadInput, Flaw
from journeys import Journey
from journeys.simulation import Difference, Report, compare


@dataclass(frozen=True, slots=True)
class Version:
    """A journey in its folder. `name` says which one it is, for people; `warnings` are about it and what it needs."""

    name: str
    journey: Journey
    checked: Checked
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """The report, and what is otherwise than in the version it is held against."""

    report: Report
    against: Report | None = None
    difference: Difference | None = None

    @property
    def other_hours(self) -> int:
        """How many messages go out at another hour than in the other version, or only in one of them."""
        if self.against is None:
            return 0
        now, then = ({hour.at: hour.sent for hour in each.curve} for each in (self.report, self.against))
        more, fewer = (
            sum(max(0, one.get(at, 0) - other.get(at, 0)) for at in {*one, *other}) for one, other in ((now, then), (then, now))
        )
        return max(more, fewer)


def version_in(folder: Path, key: str) -> Version:
    """The journey of a folder. Raises BadInput where there is none, or it or what it needs is wrong."""
    checked = check_folder(read_folder([folder]))
    journey = _journey(checked, key, str(folder))
    found = _findings(checked, journey)
    if has_errors(found):
        raise BadInput(_flaws(found), f"the journey {key!r}")
    return Version(str(folder), journey, checked, tuple(found))


def published_version(known: Running, key: str) -> Version:
    """The journey as it is published, among everything that is. Raises BadInput."""
    definitions = tuple(
        Definition(Path(f"{kind.folder}/{name}.json"), kind, name, _keyed(name, body))
        for kind in KINDS
        for name, body in known[kind.name].items()
    )
    checked = check_folder(Folder(definitions, (), ()))
    return Version("the published version", _journey(checked, key, "the running system"), checked)


def tried(version: Version, against: Version | None, run: Callable[[Version], Report]) -> Tried:
    """Runs one version, and another one on the same people."""
    report = run(version)
    if against is None:
        return Tried(report)
    before = run(against)
    return Tried(report, before, compare(before, report))


def sums(when: tuple[datetime, datetime], result: Tried) -> dict[str, Any]:
    """The result for machines."""
    return {
        "begins": when[0].isoformat(),
        "until": when[1].isoformat(),
        "report": result.report.model_dump(mode="json", exclude={"by_person"}),
        "against": None if result.against is None else result.against.model_dump(mode="json", exclude={"by_person"}),
        "difference": None if result.difference is None else result.difference.model_dump(mode="json"),
        "messages_at_other_hours": result.other_hours,
    }


def _findings(checked: Checked, journey: Journey) -> list[Finding]:
    """Those about a journey and what it needs; not about tests, nor about journeys that it does not start."""
    needed = {journey.key, *started(checked.journeys, journey)}
    others = {str(each.path) for key, each in checked.folder.of(JOURNEY).items() if key not in needed}
    return [each for each in checked.findings if each.file not in others and not each.file.endswith(TESTS)]


def _flaws(found: Iterable[Finding]) -> list[Flaw]:
    return [
        Flaw(path=f"{each.file} {each.path}", message=each.message, remedy=each.remedy)
        for each in found
        if each.severity == "error"
    ]


def _keyed(key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": key, **body}


def _journey(checked: Checked, key: str, where: str) -> Journey:
    if key in checked.journeys:
        return checked.journeys[key]
    written = checked.folder.of(JOURNEY)
    files = {str(each.path) for each in checked.folder.unread if each.kind is JOURNEY and each.key == key}
    files |= {str(written[key].path)} if key in written else set()
    if files:
        raise BadInput(_flaws(each for each in checked.findings if each.file in files), f"the journey {key!r}")
    raise BadInput([Flaw(path=where, message=f"has no journey {key!r}", remedy=did_you_mean(key, written))])
