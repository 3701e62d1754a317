"""Data spaces"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _saved_searches()
    _sources()
    _records()
    _runs()
    _publications()


def _saved_searches() -> None:
    op.create_table(
        "dataspace_saved_searches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("mail", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataspace_saved_searches")),
        sa.UniqueConstraint("person", "title", name=op.f("uq_dataspace_saved_searches_person")),
    )
    with op.batch_alter_table("dataspace_saved_searches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dataspace_saved_searches_person"), ["person"], unique=False)


def _sources() -> None:
    op.create_table(
        "dataspace_sources",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("from_settings", sa.Boolean(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataspace_sources")),
        sa.UniqueConstraint("name", name=op.f("uq_dataspace_sources_name")),
    )


def _records() -> None:
    op.create_table(
        "dataspace_records",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=True),
        sa.Column("uri", sa.String(length=2000), nullable=False),
        sa.Column("space", sa.String(length=60), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("visibility", sa.String(length=20), nullable=False),
        sa.Column("project", sa.String(length=40), nullable=True),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("indexed", sa.Boolean(), nullable=False),
        sa.Column("quality", sa.Text(), nullable=True),
        sa.Column("checked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["dataspace_sources.id"],
            name=op.f("fk_dataspace_records_source_id_dataspace_sources"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataspace_records")),
        sa.UniqueConstraint("source_id", "uri", name=op.f("uq_dataspace_records_source_id")),
    )
    with op.batch_alter_table("dataspace_records", schema=None) as batch_op:
        batch_op.create_index("ix_dataspace_records_indexed_id", ["indexed", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_dataspace_records_project"), ["project"], unique=False)
        batch_op.create_index("ix_dataspace_records_checked_id", ["checked", "id"], unique=False)


def _runs() -> None:
    op.create_table(
        "dataspace_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("refusals", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["dataspace_sources.id"],
            name=op.f("fk_dataspace_runs_source_id_dataspace_sources"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataspace_runs")),
    )
    with op.batch_alter_table("dataspace_runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dataspace_runs_source_id"), ["source_id"], unique=False)


def _publications() -> None:
    op.create_table(
        "dataspace_publications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("record_id", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(length=40), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=32), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_id"],
            ["dataspace_records.id"],
            name=op.f("fk_dataspace_publications_record_id_dataspace_records"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataspace_publications")),
        sa.UniqueConstraint("record_id", name=op.f("uq_dataspace_publications_record_id")),
        sa.UniqueConstraint("slug", name=op.f("uq_dataspace_publications_slug")),
    )
    with op.batch_alter_table("dataspace_publications", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dataspace_publications_project"), ["project"], unique=False)
