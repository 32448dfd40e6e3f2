"""What the demo can be told on the command line."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.script import DAYS
from infra.local.environment import ordinary

DAY_SECONDS = 86_400
_PORT = re.compile(r"REIS_[A-Z_]+_PORT")


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """`seconds`: real ones for all days; `plain`: lines instead of a picture."""

    seed: int
    seconds: float
    data_dir: Path
    plain: bool

    @property
    def factor(self) -> float:
        """Virtual seconds per real second."""
        return DAYS * DAY_SECONDS / self.seconds


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> DemoSettings:
    """Exits with usage on `--help` and on anything unknown, as argparse does."""
    parser = argparse.ArgumentParser(prog="reis demo", description=f"Plays {DAYS} days of two shops and their customers.")
    parser.add_argument("--seed", type=int, default=1, help="another number is another population (default 1)")
    parser.add_argument("--seconds", type=float, default=120.0, help="real seconds for all the days (default 120)")
    parser.add_argument(
        "--data-dir", type=Path, default=Path(environ.get("REIS_DATA_DIR", ".reis")), help="where the state is kept"
    )
    parser.add_argument("--plain", action="store_true", help="plain lines, as in logs")
    given = parser.parse_args(arguments)
    if given.seconds < 20:
        parser.error("--seconds must be at least 20")
    return DemoSettings(given.seed, given.seconds, given.data_dir, given.plain)


def harmless(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the demo's processes see of the caller's environment: which ports to use, and no other setting.

    Its customers are made up: whatever leads to real providers, servers or databases must not reach it.
    """
    return ordinary(environ) | {name: value for name, value in environ.items() if _PORT.fullmatch(name)}
