"""The HTTP interface of the journeys service, one module of routes per concern."""

from services.journeys.endpoints.definitions import definition_routes
from services.journeys.endpoints.lifecycle import lifecycle_routes
from services.journeys.endpoints.reading import reading_routes
from services.journeys.endpoints.worker import worker_routes

__all__ = ["definition_routes", "lifecycle_routes", "reading_routes", "worker_routes"]
