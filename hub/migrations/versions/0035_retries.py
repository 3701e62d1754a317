"""Repetition of steps that left somebody out, and the progress of collecting usage"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035_retries"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("provisioning_steps") as table:
        table.add_column(sa.Column("retry", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("retries", sa.Integer(), nullable=False, server_default="0"))
        table.create_index("ix_provisioning_steps_retry", ["retry"])
    with op.batch_alter_table("provisioning_steps") as table:
        table.alter_column("retries", server_default=None)
    # Whom these steps left out until now was not stored: each step with a remark is repeated once.
    op.execute("UPDATE provisioning_steps SET retry = CURRENT_TIMESTAMP WHERE remark <> '' AND revision > 0")
    op.create_table(
        "usage_collections",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("collected", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_usage_collections"),
    )
