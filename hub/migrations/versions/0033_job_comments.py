"""Nonces of jobs' comments, and OS accounts of servers' jobs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows that are there keep an empty nonce: their jobs have comments without one."""
    with op.batch_alter_table("server_attempts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("os_account", sa.String(length=32), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("nonce", sa.String(length=8), nullable=False, server_default=""))
    op.execute("UPDATE server_attempts SET os_account = person")
    with op.batch_alter_table("dataspace_transfers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("nonce", sa.String(length=8), nullable=False, server_default=""))
    for table, columns in (("server_attempts", ("os_account", "nonce")), ("dataspace_transfers", ("nonce",))):
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.alter_column(column, existing_type=sa.String(), existing_nullable=False, server_default=None)
