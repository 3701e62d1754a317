"""Jobs of this gateway's servers that no server owns, such as after the restore of an older database.

The sweep (:mod:`spawners.job.orphans`) finds them, pages show them, and a start ends those of its server first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from hub.slurm.jobs import Job


@dataclass(frozen=True)
class Stray:
    """A job without a server, as pages show it."""

    user: str
    """Name of the Hub user, according to the job's comment."""
    server: str
    job: Job
    ends: datetime
    """When the sweep cancels it at the latest, unless it ends before; UTC."""


@dataclass
class Strays:
    """What this Hub knows of jobs without a server."""

    jobs: dict[int, Stray] = field(default_factory=dict)
    """By number, as of the last round of the sweep."""
    unchecked: bool = False
    """Whether the queue and the ledger have not been compared yet since the Hub was started."""
    uncertain: set[tuple[str, str]] = field(default_factory=set)
    """User and name of servers whose last ``sbatch`` did not answer: Slurm had no job then, and one may come late."""

    def of_user(self, user: str) -> Iterator[Stray]:
        return (stray for stray in self.jobs.values() if stray.user == user)

    def possible(self, user: str, server: str) -> bool:
        """Whether this server may have a job that nobody follows."""
        is_known = any(stray.server == server for stray in self.of_user(user))
        return self.unchecked or is_known or (user, server) in self.uncertain
