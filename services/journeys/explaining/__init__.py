"""Why somebody did or did not get something: whole stories, and where there is none, what stood in the way."""

from services.journeys.explaining.explainer import Explainer
from services.journeys.explaining.model import Explanation

__all__ = ["Explainer", "Explanation"]
