"""What every step has."""

from conditions.model import Node
from journeys.dates import StepId


class StepBase(Node):
    """What every step has."""

    id: StepId
    """Unique in the journey, and stable: it is the position of the people who are here."""
    name: str = ""
    """For people to read."""
