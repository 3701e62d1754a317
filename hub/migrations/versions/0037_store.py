"""The store of published files, and transfers that upload a file"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037_store"
down_revision = "0036_harvest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "store_objects",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_store_objects")),
    )
    op.create_table(
        "store_uploads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("project", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=150), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("touched", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_uploads")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("store_uploads", schema=None) as batch_op:
        for column in ("person", "project", "state"):
            batch_op.create_index(batch_op.f(f"ix_store_uploads_{column}"), [column], unique=False)
        batch_op.create_index("ix_store_uploads_sha256_project", ["sha256", "project"], unique=False)
    op.create_table(
        "store_references",
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"], ["store_objects.sha256"], name=op.f("fk_store_references_sha256_store_objects")
        ),
        sa.PrimaryKeyConstraint("owner", "sha256", name=op.f("pk_store_references")),
    )
    with op.batch_alter_table("store_references", schema=None) as batch_op:
        for column in ("sha256", "project"):
            batch_op.create_index(batch_op.f(f"ix_store_references_{column}"), [column], unique=False)
    with op.batch_alter_table("dataspace_transfers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=20), nullable=False, server_default="bring"))
    with op.batch_alter_table("dataspace_transfers", schema=None) as batch_op:
        batch_op.alter_column("kind", existing_type=sa.String(length=20), existing_nullable=False, server_default=None)
