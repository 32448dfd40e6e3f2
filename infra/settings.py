"""Every setting of every role, read from the environment once, by the process that starts."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from infra.clock import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Settings(BaseSettings):
    """One table for all roles; a role reads the rows that concern it.

    `python -m infra.settings` prints the table that `docs/settings.md` holds.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="", populate_by_name=True)

    data_dir: Path = Field(Path(".reis"), alias="REIS_DATA_DIR", description="Folder that holds a local system's whole state.")
    host: str = Field("127.0.0.1", alias="REIS_HOST", description="Address that this role listens on.")
    port: int = Field(
        8000, alias="REIS_PORT", ge=0, le=65535, description="Port of this role, or of a worker's and dispatcher's health page."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="REIS_LOG_LEVEL", description="debug, info, warning or error."
    )
    log_json: bool = Field(default=False, alias="REIS_LOG_JSON", description="Write logs as JSON lines.")

    database_url: SecretStr = Field(
        SecretStr("postgresql://localhost/reis"),
        alias="DATABASE_URL",
        description="PostgreSQL 15 or later. Each service has a database of its own: this URL's name, `_` and the service's.",
    )
    database_pool: int = Field(10, alias="REIS_DATABASE_POOL", ge=1, description="Connections a process keeps open at most.")

    temporal_address: str = Field(
        "localhost:7233", alias="TEMPORAL_ADDRESS", description="Host and port of the Temporal frontend."
    )
    temporal_namespace: str = Field("default", alias="TEMPORAL_NAMESPACE", description="Temporal namespace.")
    temporal_task_queue: str = Field("reis", alias="TEMPORAL_TASK_QUEUE", description="Task queue of the enrolment workflows.")
    temporal_api_key: SecretStr | None = Field(None, alias="TEMPORAL_API_KEY", description="API key, which also turns TLS on.")
    workflow_sandbox: bool = Field(
        default=False,
        alias="REIS_WORKFLOW_SANDBOX",
        description="Run workflow code in Temporal's sandbox: catches clocks and randomness, costs CPU. On in tests.",
    )

    profiles_url: str = Field("http://127.0.0.1:8001", alias="REIS_PROFILES_URL", description="Base URL of profiles.")
    segments_url: str = Field("http://127.0.0.1:8002", alias="REIS_SEGMENTS_URL", description="Base URL of segments.")
    channels_url: str = Field("http://127.0.0.1:8003", alias="REIS_CHANNELS_URL", description="Base URL of channels.")
    journeys_url: str = Field("http://127.0.0.1:8004", alias="REIS_JOURNEYS_URL", description="Base URL of journeys.")
    public_url: str = Field(
        "http://127.0.0.1:8003",
        alias="REIS_PUBLIC_URL",
        description="Base URL at which providers and customers reach the channels service (callbacks, unsubscribe pages).",
    )

    call_secrets: SecretStr = Field(
        SecretStr("{}"),
        alias="REIS_CALL_SECRETS",
        description="What `call` steps name as `{{ secrets.NAME }}`: JSON object of texts. Never stored, logged or shown.",
    )
    call_allowed_hosts: str = Field(
        "",
        alias="REIS_CALL_ALLOWED_HOSTS",
        description="Hosts and networks that `call` steps may reach although they are not public: `crm.internal, 10.1.0.0/16`.",
    )
    service_key: SecretStr = Field(
        SecretStr(""), alias="REIS_SERVICE_KEY", description="The key this process calls the other services with."
    )
    api_keys: str = Field(
        "[]",
        alias="REIS_API_KEYS",
        description='Who may call: JSON list of `{"name", "sha256", "scopes"}`, never the key itself. `reis keys new` makes one.',
    )
    link_secret: SecretStr = Field(
        SecretStr(""), alias="REIS_LINK_SECRET", description="Signs the links in messages (unsubscribe)."
    )

    timezone: str = Field("UTC", alias="REIS_TIMEZONE", description="The workspace's IANA time zone, for people who have none.")
    quiet_hours: str = Field(
        "21:00-08:00",
        alias="REIS_QUIET_HOURS",
        description="Local hours in which no marketing message leaves, as `HH:MM-HH:MM`; empty: none.",
    )
    frequency_caps: str = Field(
        "[]",
        alias="REIS_FREQUENCY_CAPS",
        description='How many messages one person may get: JSON list of `{"at_most", "per", "purpose", "channel", "otherwise"}`.',
    )

    twilio_account_sid: str = Field("", alias="TWILIO_ACCOUNT_SID", description="Twilio account.")
    twilio_auth_token: SecretStr = Field(
        SecretStr(""), alias="TWILIO_AUTH_TOKEN", description="Twilio auth token; also verifies callbacks."
    )
    twilio_api_url: str = Field("", alias="TWILIO_API_URL", description="Another base URL than Twilio's own, e.g. the sandbox's.")
    twilio_sms_from: str = Field("", alias="TWILIO_SMS_FROM", description="Sender of SMS, E.164.")
    twilio_whatsapp_from: str = Field("", alias="TWILIO_WHATSAPP_FROM", description="Sender of WhatsApp messages, E.164.")
    sendgrid_api_key: SecretStr = Field(SecretStr(""), alias="SENDGRID_API_KEY", description="SendGrid API key.")
    sendgrid_api_url: str = Field(
        "https://api.sendgrid.com", alias="SENDGRID_API_URL", description="SendGrid's base URL, or the sandbox's."
    )
    sendgrid_webhook_public_key: str = Field(
        "", alias="SENDGRID_WEBHOOK_PUBLIC_KEY", description="Base64 public key that verifies SendGrid's event webhook."
    )
    email_from: str = Field("Reis <hello@example.com>", alias="EMAIL_FROM", description="Sender of e-mail, `Name <address>`.")
    vapid_private_key: SecretStr = Field(
        SecretStr(""), alias="VAPID_PRIVATE_KEY", description="VAPID private key, base64url of the raw 32 bytes."
    )
    vapid_subject: str = Field(
        "mailto:hello@example.com", alias="VAPID_SUBJECT", description="Contact in VAPID tokens (RFC 8292)."
    )
    provider_timeout_seconds: float = Field(
        10.0, alias="REIS_PROVIDER_TIMEOUT_SECONDS", gt=0, description="How long one provider call may take, real seconds."
    )
    provider_grace_seconds: float = Field(
        2.0,
        alias="REIS_PROVIDER_GRACE_SECONDS",
        ge=0,
        description="Real seconds a provider always gets for its receipts before a fallback, however fast the clock runs.",
    )
    provider_rate: float = Field(
        0.0,
        alias="REIS_PROVIDER_RATE",
        ge=0,
        description="Calls a second to one provider account, per dispatcher; 0: no limit.",
    )
    unknown_grace_seconds: float = Field(
        60.0,
        alias="REIS_UNKNOWN_GRACE_SECONDS",
        ge=0,
        description="Real seconds a provider has to show a message whose call got no answer, before its absence counts as proof.",
    )
    unknown_resend: bool = Field(
        default=False,
        alias="REIS_UNKNOWN_RESEND",
        description="Send again, after the grace, what a provider cannot be asked about: perhaps twice, not perhaps never.",
    )
    provider_callbacks: bool = Field(
        default=True, alias="REIS_PROVIDER_CALLBACKS", description="Ask providers for status callbacks."
    )

    resume_per_second: float = Field(
        50.0,
        alias="REIS_RESUME_PER_SECOND",
        gt=0,
        description="People a second (real time, all processes together) who are started after being held, woken after a pause, "
        "or migrated.",
    )

    clock_factor: float = Field(
        1.0, alias="REIS_CLOCK_FACTOR", gt=0, description="Virtual seconds per real second; 1 in production."
    )
    clock_real_anchor: datetime = Field(
        _EPOCH, alias="REIS_CLOCK_REAL_ANCHOR", description="Real instant at which the anchors meet."
    )
    clock_virtual_anchor: datetime = Field(
        _EPOCH, alias="REIS_CLOCK_VIRTUAL_ANCHOR", description="Virtual instant at which the anchors meet."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _a_database(cls, value: SecretStr) -> SecretStr:
        try:
            is_ours = make_url(value.get_secret_value()).drivername.startswith("postgres")
        except (ArgumentError, ValueError):  # the latter for a port that is none
            is_ours = False
        if not is_ours:  # a password may be in it: nothing is repeated
            raise ValueError("is no URL of a PostgreSQL; write one like postgresql://user:password@host:5432/reis")
        return value

    @field_validator("temporal_address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ValueError(f"{value!r} is no host and port; write them like temporal.example.com:7233")
        return value

    @field_validator("temporal_api_key")
    @classmethod
    def _none_when_empty(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is not None and value.get_secret_value() else None

    @field_validator(
        "profiles_url", "segments_url", "channels_url", "journeys_url", "public_url", "twilio_api_url", "sendgrid_api_url"
    )
    @classmethod
    def _an_address(cls, value: str, info: ValidationInfo) -> str:
        own = not value and info.field_name == "twilio_api_url"  # Twilio's SDK makes it up
        if not own and not _is_web_address(value):
            raise ValueError(f"{value!r} is no address; write one like https://reis.example.com")
        return value

    @field_validator("email_from")
    @classmethod
    def _a_sender(cls, value: str) -> str:
        if value and "@" not in parseaddr(value)[1]:
            raise ValueError(f"{value!r} is no sender; write one like Reis <hello@example.com>")
        return value

    @field_validator("vapid_subject")
    @classmethod
    def _a_contact(cls, value: str) -> str:
        if not value.startswith(("mailto:", "https://")):  # RFC 8292, 2.1
            raise ValueError(f"{value!r} is no contact; write one like mailto:hello@example.com")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no IANA time zone; write one like 'Europe/Berlin'") from error
        return value

    @field_validator("clock_real_anchor", "clock_virtual_anchor")
    @classmethod
    def _aware(cls, value: datetime) -> datetime:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)

    def clock(self) -> Clock:
        """The clock these settings describe."""
        return Clock(self.clock_factor, self.clock_real_anchor, self.clock_virtual_anchor)


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
