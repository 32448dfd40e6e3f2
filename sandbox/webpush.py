"""The two sides of web push: checking a sender's VAPID token, and reading a message as the browser would."""

import base64
import binascii
import time
from typing import NamedTuple

import orjson
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HEADER_BYTES = 21
TAG_BYTES = 16
LONGEST_VAPID_SECONDS = 24 * 3600
CLOCK_SKEW_SECONDS = 60


class VapidError(Exception):
    """The token does not prove who sends."""


class UndecryptableError(Exception):
    """The browser would throw the message away without a word."""


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    """Raises ``ValueError``."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class BrowserKeys(NamedTuple):
    """What a browser makes for a subscription; only ``public_key`` and ``auth`` leave it."""

    private_key: str
    public_key: str
    auth: str


def new_browser_keys(auth: bytes) -> BrowserKeys:
    """A fresh P-256 key with a given 16-byte auth secret, all base64url."""
    key = ec.generate_private_key(ec.SECP256R1())
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return BrowserKeys(b64url(scalar), b64url(point), b64url(auth))


def check_vapid(authorization: str, audience: str, application_server_key: str | None) -> None:
    """RFC 8292: scheme ``vapid``, ES256 signature by ``k``, ``aud`` this origin, ``exp`` within 24 hours, a ``sub``.

    A subscription made for an ``application_server_key`` accepts no other ``k``. Raises ``VapidError``.
    """
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "vapid":
        raise VapidError("the scheme must be vapid")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    token, key = parts.get("t", ""), parts.get("k", "")
    try:
        signed, _, signature = token.rpartition(".")
        header, _, claims_part = signed.partition(".")
        raw = unb64url(signature)
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64url(key))
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        point.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
        algorithm = orjson.loads(unb64url(header)).get("alg")
        claims = orjson.loads(unb64url(claims_part))
        expires = int(claims["exp"])
    except (ValueError, binascii.Error, InvalidSignature, KeyError, TypeError, AttributeError) as error:
        raise VapidError("the token is malformed or not signed by k") from error
    now = time.time()
    if algorithm != "ES256" or len(raw) != 64:
        raise VapidError("the token must be signed with ES256")
    if claims.get("aud") != audience:
        raise VapidError(f"aud must be {audience}")
    if expires < now - CLOCK_SKEW_SECONDS:
        raise VapidError("the token has expired")
    if expires > now + LONGEST_VAPID_SECONDS + CLOCK_SKEW_SECONDS:
        raise VapidError("exp is more than 24 hours ahead")
    if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
        raise VapidError("sub must be a mailto: or https: contact")
    if application_server_key is not None and unb64url(key) != unb64url(application_server_key):
        raise VapidError("k is not the key the subscription was made for")


def decrypt(body: bytes, keys: BrowserKeys) -> bytes:
    """RFC 8291 (aes128gcm, one record). Raises ``UndecryptableError``."""
    try:
        salt, key_length = body[:16], body[HEADER_BYTES - 1]
        record_size = int.from_bytes(body[16:20], "big")
        sender_point = body[HEADER_BYTES : HEADER_BYTES + key_length]
        sealed = body[HEADER_BYTES + key_length :]
        private = ec.derive_private_key(int.from_bytes(unb64url(keys.private_key), "big"), ec.SECP256R1())
        sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender_point)
        shared = private.exchange(ec.ECDH(), sender)
        info = b"WebPush: info\x00" + unb64url(keys.public_key) + sender_point
        secret = HKDF(hashes.SHA256(), 32, salt=unb64url(keys.auth), info=info).derive(shared)
        extracted = HKDF.extract(hashes.SHA256(), salt, secret)
        key = HKDFExpand(hashes.SHA256(), 16, b"Content-Encoding: aes128gcm\x00").derive(extracted)
        nonce = HKDFExpand(hashes.SHA256(), 12, b"Content-Encoding: nonce\x00").derive(extracted)
        if len(sealed) > record_size:
            raise UndecryptableError("more than one record")
        padded = AESGCM(key).decrypt(nonce, sealed, None)
    except (ValueError, IndexError, InvalidTag) as error:
        raise UndecryptableError("not encrypted for this subscription") from error
    text, delimiter = padded.rstrip(b"\x00")[:-1], padded.rstrip(b"\x00")[-1:]
    if delimiter != b"\x02":
        raise UndecryptableError("the last record lacks its delimiter")
    return text
