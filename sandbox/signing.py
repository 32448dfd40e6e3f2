"""How Twilio and SendGrid sign what they post, so that a receiver can tell it from forgery."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def twilio_signature(auth_token: str, url: str, params: Mapping[str, str]) -> str:
    """``X-Twilio-Signature``: HMAC-SHA1 over the URL and the sorted form parameters, base64.

    Source: https://www.twilio.com/docs/usage/security#validating-requests
    """
    signed = url + "".join(name + params[name] for name in sorted(params))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


class EventWebhookKey:
    """The key pair of SendGrid's signed Event Webhook (ECDSA on P-256, SHA-256)."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        self._private_key = private_key

    @classmethod
    def from_pem(cls, pem: str) -> "EventWebhookKey":
        """Raises ``ValueError`` for anything but a P-256 private key."""
        key = serialization.load_pem_private_key(pem.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("the event webhook key must be an ECDSA key on P-256")  # noqa: TRY004
        return cls(key)

    @classmethod
    def kept_in(cls, directory: Path) -> "EventWebhookKey":
        """The key in ``directory``, made there at first use."""
        path = directory / "sendgrid-event-webhook.pem"
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True)
            pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            path.touch(mode=0o600)
            path.write_bytes(pem)
        return cls.from_pem(path.read_text())

    def sign(self, timestamp: str, body: bytes) -> str:
        """``X-Twilio-Email-Event-Webhook-Signature``: over the timestamp and the exact bytes, DER in base64."""
        return base64.b64encode(self._private_key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()

    @property
    def public_key(self) -> str:
        """As SendGrid shows it: SubjectPublicKeyInfo in base64 on one line."""
        return base64.b64encode(
            self._private_key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ).decode()
