"""Waits are met by the feeds once they have looked back; what one wait took may be taken by another that counts from entry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Waits that are there already have looked back.
    op.add_column("listener", sa.Column("ready", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.add_column("listener", sa.Column("passed_by", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.drop_constraint("match_pkey", "match")
    op.create_primary_key("match_pkey", "match", ["enrolment_id", "event_id", "kind", "step", "visit"])


def downgrade() -> None:
    op.execute(
        "DELETE FROM match a USING match b WHERE a.enrolment_id = b.enrolment_id AND a.event_id = b.event_id "
        "AND a.kind = b.kind AND a.ctid > b.ctid"
    )
    op.drop_constraint("match_pkey", "match")
    op.create_primary_key("match_pkey", "match", ["enrolment_id", "event_id", "kind"])
    op.drop_column("listener", "passed_by")
    op.drop_column("listener", "ready")
