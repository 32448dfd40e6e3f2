"""Occurrences that a new schedule passed over; refusals by journey."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "schedule",
        sa.Column("passed_over", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
    )
    op.create_index("refusal_by_journey", "refusal", ["journey", "at"], unique=False)


def downgrade() -> None:
    op.drop_index("refusal_by_journey", table_name="refusal")
    op.drop_column("schedule", "passed_over")
