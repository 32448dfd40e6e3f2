"""Settings of the sandbox, read from the environment with the prefix ``SANDBOX_``."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(ge=0)]


class SandboxSettings(BaseSettings):
    """What the sandbox listens on, whose credentials it accepts and where it reports to.

    The defaults are public example values: nothing behind this server is worth protecting, but an adapter
    with a wrong key must be refused as the real provider would refuse it.
    """

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", frozen=True, extra="ignore", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address that it listens on, a loopback one."""
    port: int = Field(default=8090, ge=1, le=65535)
    """Port that it listens on."""
    public_url: str = ""
    """Origin under which clients reach this server; web push endpoints and the VAPID audience use it."""
    data_dir: Path = Path(".reis/sandbox")
    """Folder that keeps its customers and messages."""
    log_level: Literal["critical", "error", "warning", "info", "debug", "trace"] = "warning"
    """Of its web server: critical, error, warning, info, debug or trace."""

    twilio_account_sid: str = "AC00000000000000000000000000000001"
    """The Twilio account that it accepts."""
    twilio_auth_token: SecretStr = SecretStr("sandbox-twilio-token")
    """That account's token, which signs callbacks too."""
    twilio_sender: str = "+15550001000"
    """The number a Messaging Service picks when a message names no sender."""
    twilio_inbound_url: str | None = None
    """Where replies of customers are posted; none: replies are kept and shown only."""
    whatsapp_window: bool = False
    """Refuse free-form WhatsApp messages outside 24 hours after the customer's last one (error 63016)."""

    sendgrid_api_key: SecretStr = SecretStr("SG.sandbox")
    """The SendGrid key that it accepts."""
    sendgrid_events_url: str | None = None
    """Where SendGrid's events are posted; none: nowhere."""
    sendgrid_webhook_private_key: SecretStr | None = None
    """ECDSA P-256 key as PEM; none: made once and kept in ``data_dir``."""

    callbacks: bool = True
    """Report what becomes of messages."""
    status_delay_seconds: Seconds = 0.1
    """Between two stages of a delivery: queued, sent, delivered."""
    callback_retry_seconds: Seconds = 120
    """How long a callback is tried again after refusals, time-outs and server errors."""
    callback_timeout_seconds: Seconds = 10
    """How long one callback may take."""
    callback_limit: int = Field(default=100_000, ge=1)
    """Callbacks waiting at most; a further one is counted as lost."""
    callback_workers: int = Field(default=16, ge=1)
    """Callbacks at once."""
    hang_seconds: Seconds = 300
    """How long the fault ``timeout`` leaves a caller without an answer."""

    reis_links: str | None = None
    """Shown per customer as "what the journey does next"; may hold {id}, {email} and {phone}."""

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise ValueError("the sandbox accepts anybody's customers: it listens on loopback addresses only")
        return host

    @field_validator("reis_links")
    @classmethod
    def _known_fields_only(cls, link: str | None) -> str | None:
        try:
            (link or "").format_map({"id": "", "email": "", "phone": ""})
        except (KeyError, IndexError, ValueError):
            raise ValueError("only {id}, {email} and {phone} can be filled in") from None
        return link

    @model_validator(mode="after")
    def _default_public_url(self) -> Self:
        if not self.public_url:
            host = f"[{self.host}]" if ":" in self.host else self.host
            object.__setattr__(self, "public_url", f"http://{host}:{self.port}")
        return self

    @field_validator("public_url")
    @classmethod
    def _no_trailing_slash(cls, url: str) -> str:
        return url.rstrip("/")
