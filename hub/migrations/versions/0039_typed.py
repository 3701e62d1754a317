"""Which application a page knew when it began another one; mail addresses from profiles; first steps"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0039_typed"
down_revision = "0038_faults"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("applications", sa.Column("begun_after", sa.Integer(), nullable=True))
    op.create_index("ix_applications_owner_begun_after", "applications", ["owner", "begun_after"], unique=True)
    op.create_table(
        "first_steps",
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("step", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("person", "step", name=op.f("pk_first_steps")),
    )
    _store_mail_addresses()


def _store_mail_addresses() -> None:
    addresses = op.create_table(
        "mail_addresses",
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_mail_addresses")),
    )
    profiles = op.get_bind().execute(sa.text("SELECT person, form FROM profiles"))
    rows = [{"person": person, "address": _contact(form)} for person, form in profiles if _contact(form)]
    if rows:
        op.bulk_insert(addresses, rows)


def _contact(form: Any) -> str:
    """The address in a stored profile: JSON as text on SQLite, as an object on PostgreSQL."""
    values = json.loads(form) if isinstance(form, str) else form
    return values.get("contact") or ""
