"""Keys and their scopes."""

import pytest

from infra.auth import ApiKey, KeyRing, Scope, hashed, new_key
from infra.errors import BadInput, Refused


def test_a_key_does_what_its_scopes_say_and_nothing_else() -> None:
    key = new_key()
    ring = KeyRing((ApiKey(name="shop", sha256=hashed(key), scopes=frozenset({Scope.TRACK})),))
    assert ring.caller(key, Scope.TRACK).name == "shop"
    with pytest.raises(Refused, match="'shop' lacks the scope 'feed:read'") as refused:
        ring.caller(key, Scope.FEED_READ)
    assert refused.value.status == 403


@pytest.mark.parametrize("key", ["", "unknown"])
def test_an_unknown_key_is_refused_even_when_its_hash_is_sent(key: str) -> None:
    known = new_key()
    ring = KeyRing((ApiKey(name="shop", sha256=hashed(known), scopes=frozenset(Scope)),))
    for sent in (key, hashed(known)):
        with pytest.raises(Refused) as refused:
            ring.caller(sent, Scope.TRACK)
        assert refused.value.status == 401
        assert known not in str(refused.value)


def test_keys_differ_and_are_long() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert min(map(len, keys)) >= 43


def test_the_setting_is_read_and_its_faults_are_named_by_place() -> None:
    ring = KeyRing.parse(f'[{{"name": "shop", "sha256": "{hashed("k")}", "scopes": ["track"]}}]')
    assert ring.caller("k", Scope.TRACK).name == "shop"
    for text, path in (
        ('[{"name": "shop", "sha256": "x", "scopes": ["dance"]}]', "REIS_API_KEYS[0].scopes[0]"),
        ('[{"sha256": "x", "scopes": []}]', "REIS_API_KEYS[0].name"),
        ("{", "REIS_API_KEYS"),
    ):
        with pytest.raises(BadInput) as bad:
            KeyRing.parse(text)
        assert bad.value.flaws[0].path == path
        assert "reis keys new" in bad.value.flaws[0].remedy
