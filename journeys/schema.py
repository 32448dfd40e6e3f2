"""The JSON Schema of a definition, for editors and for people who write journeys by hand."""

from journeys.model import Journey


def journey_schema() -> dict[str, object]:
    """JSON Schema (2020-12) of a journey, with descriptions of the fields."""
    return Journey.model_json_schema()
