"""The script in docs/simulation.md does what the text says of it."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def test_the_documented_script_sends_one_message_at_noon_after_the_clocks_have_changed() -> None:
    document = (Path(__file__).parents[3] / "docs" / "simulation.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert [message.at for message in names["life"].messages] == [datetime(2026, 3, 29, 10, tzinfo=UTC)]
