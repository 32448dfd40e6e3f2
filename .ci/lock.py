"""Writes the lock files (`make lock`), or checks without a network that they belong to pyproject.toml (`--check`).

Each lock starts with a digest of the tables it was made from.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = {"requirements.lock": [], "requirements-dev.lock": ["--group", "dev"]}
COMPILE = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-emit-index-url", "--no-header"]


def header() -> str:
    """The first line of each lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tables = [
        project["project"]["dependencies"],
        project["project"]["requires-python"],
        project["dependency-groups"],
        project["tool"]["uv"],
    ]
    return f"# made by `make lock` from the tables {hashlib.sha256(json.dumps(tables).encode()).hexdigest()[:16]}\n"


def write() -> None:
    """Keeps every pin that still fits."""
    for name, options in LOCKS.items():
        path = ROOT / name
        command = [*COMPILE, "--python-version", "3.11", *options, "pyproject.toml", "--output-file", name]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        path.write_text(header() + path.read_text())


def check() -> None:
    """Exits with 1 when a lock is older than the tables."""
    stale = [name for name in LOCKS if not (ROOT / name).read_text().startswith(header())]
    if stale:
        sys.exit(f"{', '.join(stale)} out of date with pyproject.toml: run `make lock`")


if __name__ == "__main__":
    check() if sys.argv[1:] == ["--check"] else write()
