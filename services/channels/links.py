"""Signed links in messages: whose consent a click takes back, without a login."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple
from uuid import UUID

from contracts.channels import Channel
from infra.errors import BadInput, Flaw, NotFound

_CHANNELS = tuple(Channel)
_MAC_BYTES = 16
_HEAD_BYTES = 33


class Unsubscribe(NamedTuple):
    """Who takes back which consent, and the message that offered it."""

    profile_id: UUID
    message_id: UUID
    channel: Channel
    purpose: str


class Links:
    """Makes and reads `{public_url}/u/{token}`.

    A token is ids, channel and purpose with 16 bytes of HMAC-SHA-256; it never expires.
    """

    def __init__(self, public_url: str, secret: str) -> None:
        if not secret:
            flaw = Flaw(
                path="REIS_LINK_SECRET", message="is empty, so links in messages could be forged", remedy="set a long random text"
            )
            raise BadInput([flaw], "the settings")
        self._prefix = f"{public_url.rstrip('/')}/u/"
        self._key = hashlib.sha256(b"reis unsubscribe link " + secret.encode()).digest()

    def url(self, wish: Unsubscribe) -> str:
        body = wish.profile_id.bytes + wish.message_id.bytes + bytes((_CHANNELS.index(wish.channel),)) + wish.purpose.encode()
        return self._prefix + base64.urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode()

    def read(self, token: str) -> Unsubscribe:
        """Raises `NotFound` for anything this service did not sign."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise NotFound("unsubscribe link", token[:16]) from None
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(body) < _HEAD_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            raise NotFound("unsubscribe link", token[:16])
        return Unsubscribe(UUID(bytes=body[:16]), UUID(bytes=body[16:32]), _CHANNELS[body[32]], body[_HEAD_BYTES:].decode())

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]
