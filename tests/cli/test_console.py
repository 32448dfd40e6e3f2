"""The console script, run as a person runs it."""

from pathlib import Path

from infra.local.system import LocalSystem
from tests.infra.cli.ran import ran
from tests.infra.local.roles import TINY


async def test_the_help_names_the_commands_of_every_room(tmp_path: Path) -> None:
    code, out, _ = await ran("cli", "--help", data_dir=tmp_path)
    assert code == 0
    for command in (
        *("up", "run", "migrate", "keys", "demo", "validate", "schema", "test", "simulate", "backtest"),
        *("plan", "apply", "export", "publish", "explain"),
    ):
        assert f" {command} " in out


async def test_publishing_names_each_file_that_is_no_definition_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "half.json").write_text('{"key": ')
    (tmp_path / "files" / "nameless.json").write_text('{"steps": []}')
    async with LocalSystem(tmp_path, known_roles=TINY):
        code, out, _ = await ran("cli", "publish", str(tmp_path / "files"), data_dir=tmp_path)
    assert code == 1
    assert "half.json" in out
    assert "is not JSON" in out
    assert "give the definition a key" in out
