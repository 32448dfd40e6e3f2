"""The name of an enrolment, for the service and the simulator alike: what is drawn by it falls the same."""

import hashlib

_NAMESPACE = bytes.fromhex("6f6b1d0e6c535d2e9d3a52f3b9a6d1c4")


def enrolment_id(journey: str, profile_id: object, key: str, number: int) -> str:
    """A UUID (version 5, RFC 9562) that makes entering twice impossible: the same four give the same one."""
    name = f"{journey}\x1f{profile_id}\x1f{key}\x1f{number}".encode()
    digest = bytearray(hashlib.sha1(_NAMESPACE + name, usedforsecurity=False).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
