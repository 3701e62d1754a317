"""Slurm's process for a server's job on the node (``slurmstepd``); without it Slurm cannot end the job.

Slurm itself notices only much later that this process is gone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

NAME = "slurmstepd"


@dataclass(frozen=True)
class Slurmstepd:
    """The job's script and the process that Slurm started it with; 0: not known."""

    script: int = 0
    process: int = 0

    @classmethod
    def of_this_server(cls) -> Self:
        """From the parents of this process; unknown outside of a job."""
        script = os.getppid()
        name, parent = _stat(script)
        if _stat(parent)[0] != NAME:
            return cls()
        return cls(script, parent) if name else cls()

    def is_gone(self) -> bool:
        """Whether Slurm's process has ended while the script runs on; False if that is not known."""
        name, parent = _stat(self.script)
        return bool(self.process and name) and parent != self.process


def _stat(process: int) -> tuple[str, int]:
    """Name and parent of a process; nothing if there is none."""
    try:
        name, _, rest = Path(f"/proc/{process}/stat").read_text().partition("(")[2].rpartition(") ")
        return name, int(rest.split()[1])
    except (OSError, ValueError, IndexError):
        return "", 0
