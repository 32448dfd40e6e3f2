"""A small folder of journeys as code, written anew for each test, and the command run on it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli.main import app

WELCOME: dict[str, Any] = {
    "key": "welcome",
    "name": "Welcome",
    "purpose": "marketing",
    "entry": {"event": "Signed Up"},
    "exit_when": [{"event": "Account Closed"}],
    "goal": {"event": "Order Completed"},
    "steps": [
        {"id": "hello", "type": "send", "template": "hello", "channels": ["email"]},
        {"id": "a-day", "type": "wait", "for": "P1D"},
        {
            "id": "kind",
            "type": "branch",
            "paths": [
                {
                    "id": "vip",
                    "if": {"segment": "vip"},
                    "steps": [{"id": "gift", "type": "send", "template": "gift", "channels": ["email", "sms"]}],
                }
            ],
            "otherwise": [{"id": "tips", "type": "send", "template": "tips", "channels": ["email"]}],
        },
    ],
}
VIP: dict[str, Any] = {"key": "vip", "name": "Good customers", "condition": {"trait": "spent", "gte": 100}}


def template(key: str) -> dict[str, Any]:
    return {
        "key": key,
        "purpose": "marketing",
        "email": {"subject": f"{key} for {{{{ profile.traits.first_name | default: 'you' }}}}", "html": f"<p>{key}</p>"},
        "sms": {"body": key},
    }


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shop:
    """`path` is the folder."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> "Shop":
        shop = cls(path)
        shop.write("journeys", WELCOME)
        shop.write("segments", VIP)
        for key in ("hello", "tips", "gift"):
            shop.write("templates", template(key))
        return shop

    def write(self, kind: str, body: dict[str, Any], name: str | None = None) -> Path:
        file = self.path / kind / f"{name or body['key']}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(body))
        return file

    def write_tests(self, *tests: dict[str, Any], journey: str = "welcome", **more: Any) -> Path:
        file = self.path / "journeys" / f"{journey}.test.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"journey": journey, "tests": list(tests), **more}))
        return file


def reis(*arguments: str | Path, said: str = "", columns: int = 500) -> Answer:
    """Runs the command in this process; wide, so that no line breaks."""
    result = CliRunner(env={"COLUMNS": str(columns), "NO_COLOR": "1"}).invoke(app, [str(each) for each in arguments], input=said)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def a_test(**more: Any) -> dict[str, Any]:
    """One that the folder passes: everybody gets `hello` at once and `tips` a day later."""
    return {
        "name": "hello, and tips a day later",
        "person": {"traits": {"timezone": "Europe/Berlin"}},
        "start": "2026-03-02T09:00",
        "expect": {
            "messages": [{"step": "hello", "after": "PT0S"}, {"step": "tips", "at": "2026-03-03T09:00"}],
            "ends": "completed",
        },
        **more,
    }
