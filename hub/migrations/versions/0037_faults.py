"""Index of the nonces by which jobs and their attempts find each other"""

from __future__ import annotations

from alembic import op

revision = "0037_faults"
down_revision = "0036_harvest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("server_attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_server_attempts_nonce"), ["nonce"], unique=False)
