"""How far events were known when one met a wait: the wait that follows reads only what came since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("match", sa.Column("seen", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("match", "seen")
