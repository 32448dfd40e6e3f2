"""How many journeys' steps led to an event."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event", sa.Column("depth", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("event", "depth")
