"""Prints the table of all settings that `docs/settings.md` holds: `python -m infra.settings_table > docs/settings.md`."""

from __future__ import annotations

import sys

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from infra.settings import Settings

_HEAD = """# Settings

Read from the environment, once, when a process starts. On a local system `reis up` sets what the parts need to find each
other (addresses, keys, the sandbox's credentials, ports, the clock); of the rest, what you set yourself holds.
Made by `python -m infra.settings_table`.

| variable | default | meaning |
|---|---|---|
"""


def table() -> str:
    """The page, in Markdown."""
    return _HEAD + "".join(_row(field) for field in Settings.model_fields.values())


def _row(field: FieldInfo) -> str:
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    shown = "" if default in ("", None) else f"`{default}`"
    return f"| `{field.alias}` | {shown} | {(field.description or '').replace('|', chr(92) + '|')} |\n"


if __name__ == "__main__":
    sys.stdout.write(table())
