"""Former members of projects and of organisations"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "former_members",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_former_members_project_id_projects", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "person", name="pk_former_members"),
    )
    op.create_table(
        "former_colleagues",
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name="fk_former_colleagues_organisation_id_organisations"
        ),
        sa.PrimaryKeyConstraint("person", "organisation_id", name="pk_former_colleagues"),
    )
    # Members who are leaving now are former members, too.
    op.execute(
        "INSERT INTO former_members (project_id, person, until) "
        "SELECT project_id, person, CURRENT_TIMESTAMP FROM members WHERE leaving"
    )
