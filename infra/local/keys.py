"""The keys of a local system: made at its first start, kept in its data folder."""

import base64
import secrets
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, TypeAdapter

from infra.auth import ApiKey, Scope, hashed, new_key
from infra.local.folder import replace


class Keys(BaseModel):
    """What callers, customers' links and the sandbox's imitated providers authenticate with."""

    model_config = ConfigDict(frozen=True)

    service_key: str
    write_key: str
    admin_key: str
    link_secret: str
    twilio_account_sid: str
    twilio_auth_token: str
    sendgrid_api_key: str
    sendgrid_webhook_private_key: str
    """PEM, ECDSA P-256."""
    sendgrid_webhook_public_key: str
    """Base64 of the DER, as SendGrid shows it."""
    vapid_private_key: str
    """base64url of the raw 32 bytes."""
    vapid_public_key: str
    """base64url of the uncompressed point: what a browser subscribes with (`applicationServerKey`)."""

    @classmethod
    def new(cls) -> Self:
        """Random ones."""
        webhook = ec.generate_private_key(ec.SECP256R1())
        vapid = ec.generate_private_key(ec.SECP256R1())
        return cls(
            service_key=new_key(),
            write_key=new_key(),
            admin_key=new_key(),
            link_secret=new_key(),
            twilio_account_sid="AC" + secrets.token_hex(16),
            twilio_auth_token=secrets.token_hex(16),
            sendgrid_api_key="SG." + secrets.token_urlsafe(16) + "." + secrets.token_urlsafe(32),
            sendgrid_webhook_private_key=webhook.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
            sendgrid_webhook_public_key=base64.b64encode(
                webhook.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            ).decode(),
            vapid_private_key=_url64(vapid.private_numbers().private_value.to_bytes(32, "big")),
            vapid_public_key=_url64(
                vapid.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
            ),
        )

    @classmethod
    def kept_in(cls, path: Path) -> Self:
        """Those of `path`; made and written there, readable by the owner only, when there are none yet."""
        if not path.exists():
            replace(path, cls.new().model_dump_json(indent=2), mode=0o600)
        return cls.model_validate_json(path.read_text())

    def api_keys(self, service_key: str) -> str:
        """The setting REIS_API_KEYS: services may do all that services do, the write key may track, the admin everything."""
        everything = frozenset(Scope)
        known = (
            ApiKey(name="services", sha256=hashed(service_key), scopes=everything),
            ApiKey(name="write key", sha256=hashed(self.write_key), scopes=frozenset({Scope.TRACK})),
            ApiKey(name="admin", sha256=hashed(self.admin_key), scopes=everything),
        )
        return TypeAdapter(tuple[ApiKey, ...]).dump_json(known).decode()


def _url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
