"""Alembic's environment, shared by all services: each brings its metadata and its own versions folder."""  # noqa: INP001  # alembic runs it by path

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import create_engine, pool
from sqlalchemy.dialects.postgresql.base import ischema_names

from infra.feed.outbox import Xid8

config = context.config
ischema_names["xid8"] = Xid8


def _render(kind: str, value: object, autogen: AutogenContext) -> str | Literal[False]:
    if kind == "type" and isinstance(value, Xid8):
        autogen.imports.add("from infra.feed.outbox import Xid8")
        return "Xid8()"
    return False


def _compare_type(_context: object, _column: object, _metadata: object, _inspected: object, ours: object) -> bool | None:
    return False if isinstance(ours, Xid8) else None


engine = create_engine(config.attributes["url"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=config.attributes["metadata"],
        render_item=_render,
        compare_type=_compare_type,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
