"""A folder of journeys as code for each test."""

from pathlib import Path

import pytest

from tests.authoring.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop.at(tmp_path / "shop")
