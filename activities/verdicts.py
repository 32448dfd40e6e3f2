"""From a failed call to what Temporal shall do about it: one function, and nothing of a person in what it says."""

from datetime import timedelta

import structlog
from temporalio.exceptions import ApplicationError

from infra.errors import Rejected, Unavailable
from journeys.outcome import Ended

GONE = "gone"
SLOWLY = timedelta(seconds=60)
"""Between attempts that only a person's work can help."""

log = structlog.get_logger(__name__)


def verdict(error: Exception) -> Ended | ApplicationError:
    """`Ended` where the other side says the enrolment is no more, else the error to raise, which makes Temporal ask again.

    Not available: again with the back-off of the retry policy. Refused, or failed in our own code: again every
    minute and loudly, so that a person stays where they are until somebody has mended it. Failures go into workflow
    history, so they name the service, the status and the kind of error, never the text that came with it.
    """
    match error:
        case Unavailable():
            log.warning("call.unavailable", service=error.service, why=str(error))
            return ApplicationError(f"{error.service} is not available", type="Unavailable")
        case Rejected() if _is_gone(error):
            log.info("call.gone", service=error.service, status=error.answered)
            return Ended(reason=GONE)
        case Rejected():
            log.error("call.rejected", service=error.service, status=error.answered, why=str(error))
            return ApplicationError(f"{error.service} answered {error.answered}", type="Rejected", next_retry_delay=SLOWLY)
        case _:
            log.error("call.failed", exc_info=error)
            return ApplicationError(f"the call failed with {type(error).__name__}", type="Failed", next_retry_delay=SLOWLY)


def _is_gone(error: Rejected) -> bool:
    """410, or a 404 about a thing. A 404 about the address ("Not Found", by a router or a proxy) is somebody's mistake."""
    return error.answered == 410 or (error.answered == 404 and not str(error).endswith(": Not Found"))
