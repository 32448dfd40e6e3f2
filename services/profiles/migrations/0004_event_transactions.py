"""The transaction that an event came in: with it a look back tells what came since the one before from what it has seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from infra.feed.outbox import Xid8

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default comes afterwards: a column that is added with one has every row written anew.
    op.add_column("event", sa.Column("xid", Xid8(), nullable=True))
    op.alter_column("event", "xid", server_default=sa.text("pg_current_xact_id()"))


def downgrade() -> None:
    op.drop_column("event", "xid")
