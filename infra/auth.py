"""Who may call what: hashed keys with scopes, stated in each endpoint's signature."""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from infra.errors import BadInput, Refused, setting_flaws


class Scope(StrEnum):
    """What a key may do. A write key has `track` and nothing else."""

    TRACK = "track"
    PROFILES_READ = "profiles:read"
    PROFILES_WRITE = "profiles:write"
    SEGMENTS_READ = "segments:read"
    SEGMENTS_WRITE = "segments:write"
    CHANNELS_READ = "channels:read"
    CHANNELS_WRITE = "channels:write"
    CHANNELS_SEND = "channels:send"
    JOURNEYS_READ = "journeys:read"
    JOURNEYS_WRITE = "journeys:write"
    JOURNEYS_RUN = "journeys:run"
    FEED_READ = "feed:read"


class ApiKey(BaseModel):
    """A key as it is stored: its SHA-256 (keys are random and long, so a plain hash suffices), never itself."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str
    scopes: frozenset[Scope]


class Caller(BaseModel):
    """Who calls: the name of the key, for the audit log."""

    model_config = ConfigDict(frozen=True)

    name: str
    scopes: frozenset[Scope]


def hashed(key: str) -> str:
    """The form in which a key is stored."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    """A fresh key: 32 random bytes in URL-safe text."""
    return secrets.token_urlsafe(32)


class KeyRing:
    """The keys that one service knows."""

    def __init__(self, keys: tuple[ApiKey, ...]) -> None:
        self._keys = {key.sha256: key for key in keys}

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Reads the setting REIS_API_KEYS. Raises `BadInput` naming the place."""
        try:
            return cls(TypeAdapter(tuple[ApiKey, ...]).validate_json(text))
        except ValidationError as error:
            remedy = 'write a list like [{"name": "shop", "sha256": "…", "scopes": ["track"]}]; `reis keys new` makes one'
            raise BadInput(setting_flaws("REIS_API_KEYS", error, remedy), "the setting REIS_API_KEYS") from error

    def caller(self, key: str, scope: Scope) -> Caller:
        """The caller behind `key`. Raises `Refused`: 401 for an unknown key, 403 for one without `scope`."""
        known = self._keys.get(hashed(key)) if key else None
        if known is None:
            raise Refused("send a known key as `Authorization: Bearer <key>`", status=401)
        if scope not in known.scopes:
            raise Refused(f"the key {known.name!r} lacks the scope {scope.value!r}: use a key that has it", status=403)
        return Caller(name=known.name, scopes=known.scopes)


_bearer = HTTPBearer(auto_error=False, description="A key with the scope that the endpoint names.")


class _Requires:
    """The dependency behind `Requires[...]`; FastAPI calls it per request."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        keyring: KeyRing = request.app.state.keyring
        return keyring.caller(credentials.credentials if credentials else "", self.scope)


def requires(scope: Scope) -> object:
    """What an endpoint annotates its `caller` with: the key must have `scope`."""
    return Depends(_Requires(scope))
