from pathlib import Path

from infra.settings_table import table


def test_the_documented_settings_are_the_settings_there_are() -> None:
    assert (Path(__file__).parents[2] / "docs" / "settings.md").read_text() == table()
