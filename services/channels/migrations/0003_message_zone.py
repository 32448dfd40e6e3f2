"""A message says the zone of people who have none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("zone", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("message", "zone")
