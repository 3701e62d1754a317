"""``make down``: stop everything, keep all state."""

from __future__ import annotations

import json
import time

from deploy.dev import files, running, slurm
from deploy.dev.layout import Layout
from deploy.dev.processes import of_copy
from deploy.dev.programs import slurm_programs, web_programs
from deploy.dev.steps import step
from deploy.dev.supervisor import Supervisor

_EMPTY_DEADLINE = 30.0


def down(layout: Layout) -> bool:
    """Stop in reverse order; returns whether anything ran. Jobs of our own Slurm end, a site's continue."""
    if not of_copy(layout):
        return False
    supervisor = Supervisor(layout)
    if supervisor.alive():
        programs = supervisor.programs()
        _stop(supervisor, "Atrium", [program.name for program in web_programs(layout) if program.name in programs])
        if layout.own_slurm:
            _cancel_jobs(layout)
            _stop(supervisor, "Slurm", [program.name for program in slurm_programs(layout)])
        supervisor.shutdown()
    with step("Supervisor") as outcome:
        running.end_leftovers(layout)
        outcome.text = "stopped"
    return True


def _stop(supervisor: Supervisor, title: str, names: list[str]) -> None:
    with step(title) as outcome:
        for name in reversed(names):
            supervisor.stop(name)
        outcome.text = "stopped"


def _cancel_jobs(layout: Layout) -> None:
    """Cancel jobs of Atrium's own Slurm; each gets a signal first."""
    with step("Running jobs") as outcome:
        jobs = slurm.cancel_everything(layout)
        # Pages say why these notebooks ended (spawners/job/server_job.py).
        files.put(layout.state / "shut-down-jobs.json", json.dumps(jobs) + "\n")
        count = len(jobs)
        deadline = time.monotonic() + _EMPTY_DEADLINE
        while count and not slurm.is_empty(layout) and time.monotonic() < deadline:
            time.sleep(0.3)
        outcome.text = f"cancelled {count}: this Slurm stops" if count else "none"
