from pathlib import Path

from infra.roles import ROLES
from infra.settings import Settings
from infra.settings_table import table
from sandbox.settings import SandboxSettings


def test_the_documented_settings_are_the_settings_there_are() -> None:
    assert (Path(__file__).parents[2] / "docs" / "settings.md").read_text() == table()


def test_the_table_has_every_setting_of_every_program_with_its_meaning() -> None:
    rows = {row.split("`")[1]: row.split(" | ")[-1] for row in table().splitlines() if row.startswith("| `")}
    ours = {field.alias for field in Settings.model_fields.values()}
    ports = {f"REIS_{name.upper()}_PORT" for name in (*ROLES, "temporal", "temporal_ui")}
    assert rows.keys() == ours | ports | {f"SANDBOX_{name.upper()}" for name in SandboxSettings.model_fields}
    assert [name for name, meaning in rows.items() if not meaning.strip(" |")] == []
