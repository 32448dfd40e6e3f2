"""The names of events and traits that were ever sent; those of what is there already are gathered once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOST = 2_000
_EVENTS = (
    "INSERT INTO name_seen (kind, name) SELECT DISTINCT 'event', name FROM event WHERE name IS NOT NULL AND length(name) <= 200 "
    f"LIMIT {_MOST}"
)
_TRAITS = (
    "INSERT INTO name_seen (kind, name) WITH RECURSIVE part(name, value) AS ("
    "SELECT t.key, t.value FROM profile p, jsonb_each(p.traits) t UNION "
    "SELECT part.name || '.' || t.key, t.value FROM part, "
    "jsonb_each(CASE jsonb_typeof(part.value) WHEN 'object' THEN part.value ELSE '{}' END) t) "
    "SELECT DISTINCT 'trait', name FROM part WHERE (jsonb_typeof(value) <> 'object' OR value = '{}') AND length(name) <= 200 "
    f"LIMIT {_MOST}"
)


def upgrade() -> None:
    op.create_table(
        "name_seen",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    op.execute(_EVENTS)
    op.execute(_TRAITS)


def downgrade() -> None:
    op.drop_table("name_seen")
