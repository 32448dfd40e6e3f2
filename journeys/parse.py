"""From JSON to a journey, with every problem named; and the name of a definition's content."""

import hashlib
import json

from pydantic import ValidationError

from conditions.problems import Problem, problems_of
from journeys.errors import JourneyError
from journeys.model import Journey


def parse_journey(data: object) -> Journey:
    """Reads a definition; raises JourneyError with all problems of form. What it means is for `check` to judge."""
    try:
        return Journey.model_validate(data)
    except ValidationError as error:
        raise JourneyError(problems_of(error, Journey)) from None
    except RecursionError:
        raise JourneyError([Problem(path="$", message="is nested too deeply", remedy="use goto instead of nesting")]) from None


def content_hash(data: object) -> str:
    """SHA-256 (hex) of the definition's canonical JSON: sorted keys, no blanks, UTF-8."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
