"""The yardstick of ingestion: a bare FastAPI endpoint that parses the same JSON and bulk-inserts the same rows, unchecked."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
from fastapi import FastAPI, Request, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

_PROFILES = text(
    "INSERT INTO profile (id, traits, version, known, created_at) SELECT id, '{}', 1, true, now() "
    "FROM unnest(CAST(:ids AS uuid[])) AS r(id)"
)
_IDENTITIES = text(
    "INSERT INTO identity (kind, value, profile_id) SELECT 'user_id', value, id "
    "FROM unnest(CAST(:users AS text[]), CAST(:ids AS uuid[])) AS r(value, id) ON CONFLICT DO NOTHING"
)
_EVENTS = text(
    "INSERT INTO event (id, profile_id, type, name, properties, timestamp, received_at) "
    "SELECT id, profile_id, 'track', name, properties, timestamp, now() FROM json_to_recordset(CAST(:rows AS json)) "
    "AS r(id text, profile_id uuid, name text, properties jsonb, timestamp timestamptz) ON CONFLICT DO NOTHING"
)
_OUTBOX = text(
    "INSERT INTO outbox (id, type, subject, partition, time, data) SELECT r.id, 'event.tracked', r.subject, 0, r.time, r.data "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(id text, subject text, time timestamptz, data jsonb)"
)


def create_app(database_url: str) -> FastAPI:
    """The bare server. It keeps the people it has made in memory, so it need not even look them up."""
    app = FastAPI()
    app.state.outbox = None  # as the shared server asks for it
    engine = create_async_engine(database_url, pool_size=10)
    people: dict[str, str] = {}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {}

    @app.post("/v1/batch")
    async def batch(request: Request) -> Response:
        messages: list[dict[str, Any]] = orjson.loads(await request.body())["batch"]
        users = [message["userId"] for message in messages]
        fresh = {user: str(uuid4()) for user in users if user not in people}
        people.update(fresh)
        events = [
            {
                "id": message["messageId"],
                "profile_id": people[message["userId"]],
                "name": message["event"],
                "properties": message["properties"],
                "timestamp": message["timestamp"],
            }
            for message in messages
        ]
        outbox = [
            {"id": event["id"], "subject": event["profile_id"], "time": event["timestamp"], "data": event} for event in events
        ]
        async with engine.begin() as connection:
            if fresh:
                await connection.execute(_PROFILES, {"ids": list(fresh.values())})
                await connection.execute(_IDENTITIES, {"users": list(fresh), "ids": list(fresh.values())})
            await connection.execute(_EVENTS, {"rows": orjson.dumps(events).decode()})
            await connection.execute(_OUTBOX, {"rows": orjson.dumps(outbox).decode()})
        return Response(b'{"success": true}', media_type="application/json")

    return app
