"""The errors that cross HTTP, as problem details (RFC 9457), and those of calling another service.

ReisError
├── BadInput          400/422: names the place and the remedy
│   └── TooLarge      413: there is more of it than is taken at once
├── NotFound          404
├── Conflict          409
├── Refused           401/403: who may not, and which scope is missing
├── Behind            503: a projection has not caught up yet; ask again
└── CallFailed        calling another service
    ├── Unavailable   no answer, 429 or 5xx: ask again later
    └── Rejected      4xx: asking again will not help
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError


class Flaw(BaseModel):
    """One thing wrong in an input: where, what, and what would be right."""

    model_config = ConfigDict(frozen=True)

    path: str
    message: str
    remedy: str = ""
    severity: str = "error"


def setting_flaws(setting: str, error: ValidationError, remedy: str) -> list[Flaw]:
    """What is wrong in a setting that holds JSON, each with its place inside it."""
    places = ["".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"]) for each in error.errors()]
    return [
        Flaw(path=f"{setting}{place}", message=each["msg"], remedy=remedy)
        for place, each in zip(places, error.errors(), strict=True)
    ]


class ReisError(Exception):
    """Base of all errors that a caller is told about."""

    status = 500
    title = "Internal error"


class BadInput(ReisError):
    """The input is wrong; each flaw names its place and the remedy."""

    status = 422
    title = "Invalid input"

    def __init__(self, flaws: tuple[Flaw, ...] | list[Flaw], what: str = "the input") -> None:
        self.flaws = tuple(flaws)
        first = self.flaws[0] if self.flaws else Flaw(path="$", message="is invalid")
        more = f" (and {len(self.flaws) - 1} more)" if len(self.flaws) > 1 else ""
        super().__init__(f"{what} was refused: {first.path}: {first.message}{more}")


class TooLarge(BadInput):
    """There is more of it than is taken at once. Nothing was taken."""

    status = 413
    title = "Too large"


class NotFound(ReisError):
    status = 404
    title = "Not found"

    def __init__(self, kind: str, key: object) -> None:
        super().__init__(f"there is no {kind} {str(key)!r}")


class Conflict(ReisError):
    status = 409
    title = "Conflict"


class Refused(ReisError):
    """The caller is unknown (401) or lacks a scope (403)."""

    title = "Refused"

    def __init__(self, detail: str, *, status: int = 401) -> None:
        self.status = status
        super().__init__(detail)


class Behind(ReisError):
    """What was asked about has not arrived here yet."""

    status = 503
    title = "Not caught up yet"


class CallFailed(ReisError):
    """A call to another service did not succeed."""

    status = 502
    title = "A service call failed"
    service: str


class Unavailable(CallFailed):
    """No answer, or one that says later: the call may be repeated."""

    status = 503

    def __init__(self, service: str, why: str, *, retry_after: float | None = None) -> None:
        self.service = service
        self.retry_after = retry_after
        super().__init__(f"{service} is not available: {why}")


class Rejected(CallFailed):
    """The other service understood and refused; repeating is useless until something changes."""

    def __init__(self, service: str, status: int, detail: str, flaws: tuple[Flaw, ...] = ()) -> None:
        self.service = service
        self.answered = status
        self.flaws = flaws
        super().__init__(f"{service} answered {status}: {detail}")
