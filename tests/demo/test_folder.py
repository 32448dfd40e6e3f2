from pathlib import Path

import pytest

from demo.folder import MARK, ForeignFolderError, fresh
from infra.local.errors import AlreadyRunningError
from infra.local.folder import DataFolder


def test_a_new_folder_is_made_and_marked(tmp_path: Path) -> None:
    assert fresh(tmp_path / "new", "{}") is None
    assert (tmp_path / "new" / MARK).read_text() == "{}"


def test_an_earlier_demo_is_set_aside_and_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    fresh(folder, "first")
    (folder / "journal").write_text("kept")
    assert fresh(folder, "second") == tmp_path / "state.1"
    assert (tmp_path / "state.1" / "journal").read_text() == "kept"
    assert [each.name for each in folder.iterdir()] == [MARK]
    assert fresh(folder, "third") == tmp_path / "state.2"


def test_a_system_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("mine")
    with pytest.raises(ForeignFolderError, match="--data-dir"):
        fresh(tmp_path, "{}")
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]


def test_a_demo_whose_system_runs_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    fresh(folder, "{}")
    with DataFolder(folder).locked(), pytest.raises(AlreadyRunningError):
        fresh(folder, "{}")
    assert (folder / MARK).exists()
