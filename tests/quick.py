"""Settings of copies under test: intervals and limits that a test would wait for."""

from __future__ import annotations

QUICK = {
    "ATRIUM_WORKER__TICK_SECONDS": "2",
    "ATRIUM_WORKER__PROJECT_SECONDS": "2",
    "ATRIUM_WORKER__MAIL_SECONDS": "2",
    "ATRIUM_WORKER__USAGE_SECONDS": "10",
    "ATRIUM_DATASPACE__QUALITY_SECONDS": "2",
    "ATRIUM_SLURM__IDLE_SECONDS": "4",
    "ATRIUM_SLURM__DEADLINE_SECONDS": "8",
}
"""As variables of ``make up``."""
