from pathlib import Path

import pytest

from demo.settings import harmless, parse


def test_two_minutes_are_sixty_days_unless_said_otherwise() -> None:
    settings = parse([], {})
    assert settings.factor == 43_200
    assert settings.data_dir == Path(".reis")
    assert parse(["--seconds", "240"], {"REIS_DATA_DIR": "/tmp/elsewhere"}).factor == 21_600


def test_the_demo_sees_no_setting_that_leads_to_a_real_provider_or_server() -> None:
    real = {
        "TWILIO_ACCOUNT_SID": "AC1",
        "SENDGRID_API_KEY": "SG.1",
        "VAPID_PRIVATE_KEY": "k",
        "DATABASE_URL": "postgresql://production/reis",
        "TEMPORAL_ADDRESS": "production:7233",
        "REIS_PUBLIC_URL": "https://reis.example",
        "REIS_CLOCK_FACTOR": "1",
    }
    assert harmless({**real, "PATH": "/bin", "REIS_PROFILES_PORT": "18001"}) == {"PATH": "/bin", "REIS_PROFILES_PORT": "18001"}


def test_too_fast_a_clock_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--seconds", "5"], {})
    assert "at least 20" in capsys.readouterr().err
