"""Directories of projects get a default ACL: the step that makes them is repeated once"""

from __future__ import annotations

from alembic import op

revision = "0040_sharing"
down_revision = "0039_typed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE provisioning_steps SET retry = CURRENT_TIMESTAMP WHERE step = 'directory' AND revision > 0")
