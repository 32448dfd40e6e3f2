"""What all tables of the journeys service stand on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import DateTime, MetaData
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

_registry = registry()
metadata: MetaData = _registry.metadata


class Base(SQLModel, registry=_registry):
    """Keeps this service's tables apart from those of other services in the same process."""


def instant(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=nullable)
