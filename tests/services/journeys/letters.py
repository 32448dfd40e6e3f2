"""A small journey of letters and a pause."""

from typing import Any

from tests.services.journeys.conftest import Service

LETTER = {"id": "letter", "type": "send", "template": "hello", "channels": ["email"]}
PAUSE = {"id": "pause", "type": "wait", "for": "P3D"}
LAST = {"id": "last", "type": "send", "template": "hello", "channels": ["email"]}


async def publish(service: Service, *steps: dict[str, Any], **changes: object) -> str:
    service.neighbours.templates = [{"key": "hello", "variables": {}}]
    return await service.publish(steps=list(steps) or [PAUSE, LETTER], **changes)
