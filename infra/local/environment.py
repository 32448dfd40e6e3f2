"""The environment of a local system's processes: what the caller set stays, what runs here is reached here."""

from collections.abc import Mapping
from pathlib import Path

from infra.clock import Clock
from infra.local.clockfile import clock_env
from infra.local.keys import Keys

SANDBOX_SENDER = "+15550001000"
_ORDINARY = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "TEMP", "TMP", "TERM", "COLUMNS", "NO_COLOR"),
        *("LANG", "LANGUAGE", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV"),
    }
)
_ORDINARY_PREFIXES = ("LC_", "PYTHON", "COVERAGE_", "DYLD_", "XDG_")


def ordinary(environ: Mapping[str, str]) -> dict[str, str]:
    """What a process needs to run at all, of whatever else is set: where programs are, whose they are, which language.

    A list of what is let through: no setting, no provider's or database's own variable and no proxy is known to be harmless.
    """
    return {name: value for name, value in environ.items() if name in _ORDINARY or name.startswith(_ORDINARY_PREFIXES)}


def access(keys: Keys, environ: Mapping[str, str]) -> dict[str, str]:
    """Who may call, and what links are signed with. The caller's own service key is known here beside ours: people set it
    to publish elsewhere."""
    service_key = environ.get("REIS_SERVICE_KEY") or keys.service_key
    ours = {
        "REIS_SERVICE_KEY": service_key,
        "REIS_API_KEYS": keys.api_keys(service_key),
        "REIS_LINK_SECRET": keys.link_secret,
    }
    if "REIS_API_KEYS" in environ:  # a key of ours would not be among them
        del ours["REIS_SERVICE_KEY"]
    return _unless_set(ours, environ)


def providers(keys: Keys, sandbox_url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Each provider without credentials in `environ` is the sandbox."""
    found: dict[str, str] = {}
    if not environ.get("TWILIO_ACCOUNT_SID"):
        found |= {
            "TWILIO_ACCOUNT_SID": keys.twilio_account_sid,
            "TWILIO_AUTH_TOKEN": keys.twilio_auth_token,
            "TWILIO_API_URL": sandbox_url,
            "TWILIO_SMS_FROM": SANDBOX_SENDER,
            "TWILIO_WHATSAPP_FROM": SANDBOX_SENDER,
        }
    if not environ.get("SENDGRID_API_KEY"):
        found |= {
            "SENDGRID_API_KEY": keys.sendgrid_api_key,
            "SENDGRID_API_URL": sandbox_url,
            "SENDGRID_WEBHOOK_PUBLIC_KEY": keys.sendgrid_webhook_public_key,
        }
    if not environ.get("VAPID_PRIVATE_KEY"):
        found["VAPID_PRIVATE_KEY"] = keys.vapid_private_key
    return found


def sandbox(keys: Keys, *, port: int, folder: Path, public_url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The sandbox's own settings: the credentials it accepts, and where it reports to."""
    ours = {
        "SANDBOX_PORT": str(port),
        "SANDBOX_DATA_DIR": str(folder),
        "SANDBOX_TWILIO_ACCOUNT_SID": keys.twilio_account_sid,
        "SANDBOX_TWILIO_AUTH_TOKEN": keys.twilio_auth_token,
        "SANDBOX_TWILIO_SENDER": SANDBOX_SENDER,
        "SANDBOX_TWILIO_INBOUND_URL": f"{public_url}/v1/callbacks/twilio/inbound",
        "SANDBOX_SENDGRID_API_KEY": keys.sendgrid_api_key,
        "SANDBOX_SENDGRID_WEBHOOK_PRIVATE_KEY": keys.sendgrid_webhook_private_key,
        "SANDBOX_SENDGRID_EVENTS_URL": f"{public_url}/v1/callbacks/sendgrid",
    }
    return _unless_set(ours, environ)


def addresses(urls: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Where the services find each other, and where customers find the channels service.

    What runs here is called here, whatever is set: people set the addresses of another system to publish there. Customers
    may come by another address, through a tunnel.
    """
    ours = {f"REIS_{name.upper()}_URL": urls[name] for name in ("profiles", "segments", "channels", "journeys") if name in urls}
    public = {"REIS_PUBLIC_URL": urls["channels"]} if "channels" in urls else {}
    return ours | _unless_set(public, environ)


def common(
    keys: Keys,
    *,
    urls: Mapping[str, str],
    clock: Clock,
    database_url: str | None,
    temporal_address: str | None,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """What every role gets."""
    found = access(keys, environ) | addresses(urls, environ) | clock_env(clock)
    if "sandbox" in urls:
        found |= providers(keys, urls["sandbox"], environ)
    if database_url is not None:
        found["DATABASE_URL"] = database_url
    if temporal_address is not None:
        found["TEMPORAL_ADDRESS"] = temporal_address
    return found


def _unless_set(ours: dict[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in ours.items() if name not in environ}
