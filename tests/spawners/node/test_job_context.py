"""Job data and directories for a server's clusters."""

from __future__ import annotations

import os

from spawners.node.job_context import JobContext


def test_files_of_ended_jobs_are_removed(context: JobContext) -> None:
    """Keys and lists of jobs that are over, and old logs; nothing of this server's or of another one that runs."""
    context.make_directories()
    folder, old = context.keys.parent, context.logs / "old.err"
    remaining = [
        folder / "keys-7",
        folder / "keys-8",
        folder / "keys-here",
        context.logs / "new.err",
        folder / "my-own-9",
    ]
    gone = [folder / "keys-9", folder / "keys-9.123", folder / "clusters-9.json", old]
    for path in remaining + gone:
        if path.suffix in (".json", ".err"):
            path.touch()
        else:
            path.mkdir()
    os.utime(old, (0, 0))

    context.tidy({"8"})

    assert [path.name for path in remaining if not path.exists()] == []
    assert [path.name for path in gone if path.exists()] == []
