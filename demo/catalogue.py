"""The example files as the demo needs them: published to the system, and looked up by step."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console

from authoring.publishing import publish
from infra.errors import ReisError
from journeys import Journey, parse_journey
from journeys.model import Send

EXAMPLES = Path(__file__).parents[1] / "examples"
SHOPS = ("publisher", "petshop")


class NotPublishedError(ReisError):
    """The system refused an example file; the text is the table of `reis publish`."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The journeys by key, in the order they are told."""

    journeys: Mapping[str, Journey]

    @classmethod
    def read(cls, folder: Path = EXAMPLES) -> "Catalogue":
        files = [path for shop in SHOPS for path in sorted((folder / shop / "journeys").glob("*.json"), reverse=True)]
        found = [parse_journey(orjson.loads(path.read_bytes())) for path in files if not path.name.endswith(".test.json")]
        return cls({journey.key: journey for journey in found})

    @property
    def templates(self) -> Mapping[tuple[str, str], str]:
        """(journey, step) → template of its message."""
        return {(key, step.id): step.template for key, step in self._sends()}

    @property
    def purposes(self) -> Mapping[tuple[str, str], str]:
        """(journey, step) → purpose of its message."""
        return {(key, step.id): step.purpose or self.journeys[key].purpose for key, step in self._sends()}

    def _sends(self) -> list[tuple[str, Send]]:
        return [
            (key, step)
            for key, journey in self.journeys.items()
            for step in journey.index.steps.values()
            if isinstance(step, Send)
        ]


async def publish_examples(data_dir: Path) -> None:
    """Sends both shops' files to the system that runs on `data_dir`. Raises NotPublishedError."""
    output = io.StringIO()
    if not await publish([EXAMPLES / shop for shop in SHOPS], data_dir, Console(file=output, width=160)):
        raise NotPublishedError(f"the examples were not published\n{output.getvalue()}")
