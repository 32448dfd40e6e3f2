"""The pure core: what a journey is and what it means. `journeys.timing` (time zones) is imported apart, not from here."""

from journeys.check import Catalog, check, check_definition
from journeys.cursor import Cursor
from journeys.engine import Effect, Finish, Perform, advance, plan, resume, start
from journeys.errors import JourneyError, JourneysError, OutcomeMismatch, UnknownStep
from journeys.index import JourneyIndex, Place
from journeys.model import Journey, Step
from journeys.parse import content_hash, parse_journey
from journeys.refs import MISSING, Missing, Reference, parse_ref, resolve
from journeys.schema import journey_schema
from journeys.splitting import choose, draw

__all__ = [
    "MISSING",
    "Catalog",
    "Cursor",
    "Effect",
    "Finish",
    "Journey",
    "JourneyError",
    "JourneyIndex",
    "JourneysError",
    "Missing",
    "OutcomeMismatch",
    "Perform",
    "Place",
    "Reference",
    "Step",
    "UnknownStep",
    "advance",
    "check",
    "check_definition",
    "choose",
    "content_hash",
    "draw",
    "journey_schema",
    "parse_journey",
    "parse_ref",
    "plan",
    "resolve",
    "resume",
    "start",
]
