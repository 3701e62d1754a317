"""Reports of harvests that account for everything, and ids of records and runs that are used once"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036_harvest"
down_revision = "0035_retries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of reports that are there, what was read and is neither new nor changed was the same.

    Their refusals were not counted as read.
    """
    with op.batch_alter_table("dataspace_runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("same", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("listed_only", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE dataspace_runs SET same = CASE WHEN read > new + changed THEN read - new - changed ELSE 0 END, "
        "read = read + refused"
    )
    with op.batch_alter_table("dataspace_runs", schema=None) as batch_op:
        for column in ("same", "listed_only"):
            batch_op.alter_column(column, existing_type=sa.Integer(), existing_nullable=False, server_default=None)
    if op.get_bind().dialect.name == "sqlite":  # elsewhere a sequence never gives an id twice
        for table in ("dataspace_records", "dataspace_runs"):
            with op.batch_alter_table(
                table, schema=None, recreate="always", table_kwargs={"sqlite_autoincrement": True}
            ):
                pass
