"""What can go wrong between us and a provider.

ChannelError
├── BadSignature     a callback that its provider did not sign
├── BadCallback      a signed callback that cannot be read
└── ProviderTrouble  a call that did not end in an answer we can act on
    ├── NotTaken     it provably had no effect (no connection, 429): may be repeated
    └── NoAnswer     it may or may not have had an effect (time-out, broken connection, 5xx)
"""

from __future__ import annotations


class ChannelError(Exception):
    """Base of the package's errors."""


class BadSignature(ChannelError):
    """`setting` holds the secret or key that the signature is checked with."""

    def __init__(self, provider: str, setting: str) -> None:
        super().__init__(
            f"this request was not signed by {provider}: if it comes from there, compare {setting} and REIS_PUBLIC_URL, "
            "the address that was called, with what is configured there"
        )


class BadCallback(ChannelError):
    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"a callback of {provider} cannot be read: {why}")


class ProviderTrouble(ChannelError):
    """`retry_after`: real seconds the provider asked us to wait, if it did."""

    def __init__(self, provider: str, why: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(f"{provider}: {why}")


class NotTaken(ProviderTrouble):
    """The call had no effect at the provider."""


class NoAnswer(ProviderTrouble):
    """Nobody can say yet whether the call had an effect."""
