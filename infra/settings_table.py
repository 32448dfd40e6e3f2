"""Prints the table of all settings that `docs/settings.md` holds: `python -m infra.settings_table > docs/settings.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from infra.roles import ROLES, TEMPORAL_PORTS, port_setting
from infra.settings import Settings

_COLUMNS = """
| variable | default | meaning |
|---|---|---|
"""
_HEAD = f"""# Settings

Read from the environment, once, when a process starts. On a local system `reis up` sets what the parts need to find each
other (addresses, keys, the sandbox's credentials, ports, the clock); of the rest, what you set yourself holds.
Made by `python -m infra.settings_table`.
{_COLUMNS}"""
_PORTS = f"""
## Ports of a local system

`reis up` and `reis demo` take those of the last start, else these, else free ones. A setting fixes one: it is used, or the
start is refused.
{_COLUMNS}"""
_STANDALONE = """
## The {name}

A program of its own, for a local system, which sets the port, the folder, the credentials and the addresses to report to.
"""


def table() -> str:
    """The page, in Markdown."""
    return "".join((_HEAD, *_rows(Settings), _PORTS, *_ports(), *_standalone()))


def _ports() -> Iterator[str]:
    for name, role in ROLES.items():
        yield _row(port_setting(name), role.port, f"Port of {name}.")
    for name, port in TEMPORAL_PORTS.items():
        yield _row(
            port_setting(name), port, f"Port of {'the web page of ' if name.endswith('_ui') else ''}Temporal's dev server."
        )


def _standalone() -> Iterator[str]:
    for role in ROLES.values():
        if (settings := role.own_settings()) is not None:
            yield _STANDALONE.format(name=role.name) + _COLUMNS
            yield from _rows(settings)


def _rows(settings: type[BaseSettings]) -> Iterator[str]:
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        yield _row(field.alias or f"{prefix}{name.upper()}", _default(field), field.description or "")


def _default(field: FieldInfo) -> object:
    return field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default


def _row(variable: str, default: object, meaning: str) -> str:
    shown = "" if default in ("", None) else f"`{default}`"
    words = " ".join(meaning.replace("``", "`").replace("|", chr(92) + "|").split())
    return f"| `{variable}` | {shown} | {words} |\n"


if __name__ == "__main__":
    sys.stdout.write(table())
