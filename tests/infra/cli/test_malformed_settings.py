"""A setting that is wrong ends a role with a sentence that names it and says what would be right."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.cli.failures import told
from infra.roles import ROLES
from infra.settings import Settings
from tests.infra.cli.ran import ran

NEEDED = {"REIS_PORT": "0", "REIS_LINK_SECRET": "a long random text"}
Case = tuple[str, dict[str, str], tuple[str, ...]]

CASES: Mapping[str, Case] = {
    "another database's URL": ("profiles", {"DATABASE_URL": "mysql://me:hush@db/reis"}, ("DATABASE_URL", "postgresql://")),
    "a database URL that is none": ("profiles", {"DATABASE_URL": "hush"}, ("DATABASE_URL", "postgresql://")),
    "a database's port that is none": ("profiles", {"DATABASE_URL": "postgresql://u:hush@db:x/reis"}, ("DATABASE_URL", "5432")),
    "a loud log": ("profiles", {"REIS_LOG_LEVEL": "loud"}, ("REIS_LOG_LEVEL", "'debug', 'info', 'warning' or 'error'")),
    "an empty pool": ("profiles", {"REIS_DATABASE_POOL": "0"}, ("REIS_DATABASE_POOL", "greater than or equal to 1")),
    "a port above all ports": ("profiles", {"REIS_PORT": "70000"}, ("REIS_PORT", "less than or equal to 65535")),
    "a port that is none": ("profiles", {"REIS_PORT": "http"}, ("REIS_PORT", "integer")),
    "an unknown zone": ("profiles", {"REIS_TIMEZONE": "Middle/Earth"}, ("REIS_TIMEZONE", "Middle/Earth", "Europe/Berlin")),
    "keys that are no JSON": ("profiles", {"REIS_API_KEYS": "hush"}, ("REIS_API_KEYS", "reis keys new")),
    "a key without its scopes": (
        "profiles",
        {"REIS_API_KEYS": '[{"name": "x", "sha256": "hush"}]'},
        ("REIS_API_KEYS[0].scopes", "reis keys new"),
    ),
    "a clock that stands": ("profiles", {"REIS_CLOCK_FACTOR": "0"}, ("REIS_CLOCK_FACTOR", "greater than 0")),
    "an anchor in no time": ("profiles", {"REIS_CLOCK_REAL_ANCHOR": "noon"}, ("REIS_CLOCK_REAL_ANCHOR", "datetime")),
    "an address without a scheme": ("segments", {"REIS_PROFILES_URL": "profiles:8001"}, ("REIS_PROFILES_URL", "https://")),
    "no public address": ("channels", {"REIS_PUBLIC_URL": ""}, ("REIS_PUBLIC_URL", "https://")),
    "a provider's address without a host": ("channels", {"SENDGRID_API_URL": "https://"}, ("SENDGRID_API_URL", "https://")),
    "odd quiet hours": ("channels", {"REIS_QUIET_HOURS": "at night"}, ("REIS_QUIET_HOURS", "at night", "HH:MM-HH:MM")),
    "odd caps": ("channels", {"REIS_FREQUENCY_CAPS": '[{"at_most": 0}]'}, ("REIS_FREQUENCY_CAPS[0].at_most", "P7D")),
    "a key of SendGrid's that is none": (
        "channels",
        {"SENDGRID_WEBHOOK_PUBLIC_KEY": "hush"},
        ("SENDGRID_WEBHOOK_PUBLIC_KEY", "Event Webhook"),
    ),
    "a key of SendGrid's of another kind": (
        "channels",
        {"SENDGRID_WEBHOOK_PUBLIC_KEY": "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="},
        ("SENDGRID_WEBHOOK_PUBLIC_KEY", "Event Webhook"),
    ),
    "a VAPID key that is none": ("dispatcher", {"VAPID_PRIVATE_KEY": "hush"}, ("VAPID_PRIVATE_KEY", "base64url")),
    "a contact that is none": ("dispatcher", {"VAPID_SUBJECT": "me"}, ("VAPID_SUBJECT", "mailto:")),
    "a sender that is none": ("dispatcher", {"EMAIL_FROM": "Reis"}, ("EMAIL_FROM", "Reis <hello@example.com>")),
    "no time for a provider": ("dispatcher", {"REIS_PROVIDER_TIMEOUT_SECONDS": "0"}, ("REIS_PROVIDER_TIMEOUT_SECONDS", "than 0")),
    "a switch that is neither on nor off": ("dispatcher", {"REIS_UNKNOWN_RESEND": "maybe"}, ("REIS_UNKNOWN_RESEND", "boolean")),
    "secrets that are no JSON": ("journeys", {"REIS_CALL_SECRETS": "hush"}, ("REIS_CALL_SECRETS", '{"NAME": "value"}')),
    "secrets that are no texts": ("journeys", {"REIS_CALL_SECRETS": '{"A": 1}'}, ("REIS_CALL_SECRETS", '{"NAME": "value"}')),
    "a host with a port": (
        "journeys",
        {"REIS_CALL_ALLOWED_HOSTS": "crm:80"},
        ("REIS_CALL_ALLOWED_HOSTS", "crm:80", "without ports"),
    ),
    "no pace": ("journeys", {"REIS_RESUME_PER_SECOND": "0"}, ("REIS_RESUME_PER_SECOND", "greater than 0")),
    "Temporal without a port": ("worker", {"TEMPORAL_ADDRESS": "temporal"}, ("TEMPORAL_ADDRESS", "temporal.example.com:7233")),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_role_refuses_what_is_malformed_before_it_serves(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    role, wrong, says = CASES[case]
    for name, value in {**NEEDED, **wrong}.items():
        monkeypatch.setenv(name, value)
    main = ROLES[role].main()
    with pytest.raises(SystemExit) as ended, told():
        await main(Settings())
    assert ended.value.code == 1
    said = capsys.readouterr().err
    for part in says:
        assert part in said
    assert "hush" not in said


def test_a_level_of_the_log_may_be_written_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REIS_LOG_LEVEL", "WARNING")
    assert Settings().log_level == "warning"


COMMANDS: Mapping[str, tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]] = {
    "a person's run": (
        ("infra.cli", "run", "channels"),
        {"REIS_QUIET_HOURS": "at night"},
        ("REIS_QUIET_HOURS", "HH:MM-HH:MM"),
    ),
    "the supervisor's run": (
        ("infra.cli.run", "channels", "services.channels.app"),
        {"REIS_QUIET_HOURS": "at night"},
        ("REIS_QUIET_HOURS", "HH:MM-HH:MM"),
    ),
    "the supervisor's migration": (("infra.cli.migrate", "profiles"), {"DATABASE_URL": "x"}, ("DATABASE_URL", "postgresql://")),
    "up with a port in letters": (
        ("infra.cli", "up"),
        {"REIS_PROFILES_PORT": "http"},
        ("REIS_PROFILES_PORT", "'http'", "1 to 65535"),
    ),
    "up with a port above all": (("infra.cli", "up"), {"REIS_TEMPORAL_PORT": "70000"}, ("REIS_TEMPORAL_PORT", "1 to 65535")),
    "the sandbox": (("sandbox",), {"SANDBOX_STATUS_DELAY_SECONDS": "soon"}, ("SANDBOX_STATUS_DELAY_SECONDS", "number")),
}


@pytest.mark.parametrize("case", COMMANDS)
async def test_every_command_says_it_in_a_sentence(tmp_path: Path, case: str) -> None:
    arguments, wrong, says = COMMANDS[case]
    code, out, said = await ran(*arguments, data_dir=tmp_path, **NEEDED, **wrong)
    assert code == 1, out + said
    assert "Traceback" not in said
    for part in says:
        assert part in said
