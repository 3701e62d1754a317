"""News of saved searches"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("dataspace_saved_searches", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mailed", sa.DateTime(timezone=True), nullable=True))
