"""One FastAPI app each, with its own database, migrations and feed; they talk over HTTP only."""
