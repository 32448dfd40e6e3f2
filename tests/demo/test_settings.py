from pathlib import Path

import httpx
import pytest

from demo.main import ROLE_ENV
from demo.settings import harmless, parse
from infra.local.environment import ordinary
from infra.local.system import LocalSystem
from tests.infra.local.roles import NAMESAKES


def test_two_minutes_are_sixty_days_unless_said_otherwise() -> None:
    settings = parse([], {})
    assert settings.factor == 43_200
    assert settings.data_dir == Path(".reis")
    assert parse(["--seconds", "240"], {"REIS_DATA_DIR": "/tmp/elsewhere"}).factor == 21_600


REAL = {
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "t",
    "TWILIO_EDGE": "frankfurt",
    "SENDGRID_API_KEY": "SG.1",
    "VAPID_PRIVATE_KEY": "k",
    "EMAIL_FROM": "Real <real@example.com>",
    "DATABASE_URL": "postgresql://production/reis",
    "PGHOST": "production",
    "PGPORT": "6543",
    "TEMPORAL_ADDRESS": "production:7233",
    "TEMPORAL_NAMESPACE": "production",
    "TEMPORAL_API_KEY": "k",
    "REIS_PROFILES_URL": "https://profiles.example",
    "REIS_SEGMENTS_URL": "https://segments.example",
    "REIS_CHANNELS_URL": "https://channels.example",
    "REIS_JOURNEYS_URL": "https://journeys.example",
    "REIS_PUBLIC_URL": "https://reis.example",
    "REIS_SERVICE_KEY": "real",
    "REIS_API_KEYS": "[]",
    "REIS_CALL_SECRETS": '{"CRM": "real"}',
    "REIS_CALL_ALLOWED_HOSTS": "crm.internal",
    "REIS_CLOCK_FACTOR": "2",
    "SANDBOX_TWILIO_INBOUND_URL": "https://reis.example",
    "HTTPS_PROXY": "http://proxy.example:3128",
    "SOMETHING_NEW": "https://example.com",
}


async def test_no_process_of_the_demo_gets_a_setting_of_the_person_who_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in REAL.items():
        monkeypatch.setenv(name, value)
    async with (
        LocalSystem(tmp_path, known_roles=NAMESAKES, environ=harmless(), extra_env=ROLE_ENV) as system,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        got = [(await http.get(system.url(role))).json()["env"] for role in NAMESAKES]
        urls = system.runtime.urls
    for env in got:
        assert {name for name, value in REAL.items() if env.get(name) == value} == set()
        assert env["REIS_PROFILES_URL"] == urls["profiles"]
        assert env["REIS_PUBLIC_URL"] == urls["channels"]
        assert env["TWILIO_API_URL"] == urls["sandbox"]
        assert env.keys() - ordinary(env).keys() <= system.env.keys() | {"REIS_PORT"} | {
            name for name in env if name.startswith("SANDBOX_")
        }


def test_the_demo_can_be_told_which_ports_to_use() -> None:
    given = {"REIS_PROFILES_PORT": "18001", "REIS_TEMPORAL_UI_PORT": "18233", "REIS_PORT": "80", "PATH": "/bin"}
    assert harmless(given) == {"REIS_PROFILES_PORT": "18001", "REIS_TEMPORAL_UI_PORT": "18233", "PATH": "/bin"}


def test_too_fast_a_clock_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--seconds", "5"], {})
    assert "at least 20" in capsys.readouterr().err
