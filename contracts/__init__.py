"""The shapes that travel between the services; pydantic only."""
