"""Which purposes a template may be sent for, and which need consent."""

TRANSACTIONAL = "transactional"
PURPOSE_MISMATCH = "purpose_mismatch"
"""The reason under which such a message is skipped."""


def consented(purpose: str, word: bool | None) -> bool:  # noqa: FBT001  what the person said, or None
    """Whether it may go to somebody whose newest word is this: transactional unless it was taken back, else where they agreed."""
    return word is not False if purpose == TRANSACTIONAL else word is True


def purpose_mismatch(purpose: str, template: str, made_for: str | None) -> str | None:
    """What is wrong where a message of this purpose may not say what this template says; None where it may.

    Transactional messages need no consent, so that what is made for anything else never goes out as one. The other way round
    consent is asked: then any template will do.
    """
    if purpose != TRANSACTIONAL or made_for in (None, TRANSACTIONAL):
        return None
    return f"the template {template!r} is for {made_for} and never goes out as {TRANSACTIONAL}"
