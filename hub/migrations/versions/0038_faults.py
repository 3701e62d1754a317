"""Index of the nonces by which jobs and attempts find each other; audit events may be removed after a year"""

from __future__ import annotations

from alembic import op

revision = "0038_faults"
down_revision = "0037_store"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("server_attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_server_attempts_nonce"), ["nonce"], unique=False)
    _let_old_events_go()


def _let_old_events_go() -> None:
    """Events are never changed, and not removed within their first year, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_events_no_delete")
        op.execute(
            "CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events "
            "WHEN OLD.at > datetime('now', '-365 days') "
            "BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END"
        )
        return
    op.execute("DROP TRIGGER audit_events_append_only ON audit_events")
    op.execute(
        "CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR TRUNCATE ON audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only()"
    )
    op.execute(
        "CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events FOR EACH ROW "
        "WHEN (OLD.at > now() - interval '365 days') EXECUTE FUNCTION audit_events_append_only()"
    )
