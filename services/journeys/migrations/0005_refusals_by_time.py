"""Refusals of everybody and every journey, the newest first, without sorting all there are."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("refusal_by_time", "refusal", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index("refusal_by_time", table_name="refusal")
