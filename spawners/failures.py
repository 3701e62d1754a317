"""Why a server ended or did not start, as a verdict for the person. Pure, and cannot raise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hub.servers.models import Ending, Verdict
from hub.slurm.jobs import Job
from spawners import progress


class Stage(StrEnum):
    """How far an attempt had come."""

    SUBMIT = "submit"
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"


class Farewell(StrEnum):
    """What a server said of itself as it went (spawners/handshake.py)."""

    NONE = ""
    IDLE = "idle"
    TIME_LIMIT = "time limit"
    FINISHED = "finished"


@dataclass(frozen=True)
class Facts:
    """All that is known of an attempt that is over."""

    stage: Stage
    job: Job | None = None
    """As Slurm last told it; None when there never was one."""
    log_tail: str = ""
    """Last lines of what the job wrote; empty when it wrote none or they could not be read."""
    farewell: Farewell = Farewell.NONE
    asked_to_stop: bool = False
    """By the person or an admin, through the Hub."""
    refusal: str = ""
    """What ``sbatch`` said."""
    silent: bool = False
    """The job ran, and its server did not announce itself in time."""


def diagnose(facts: Facts) -> Verdict:
    """What happened, and what to do."""
    if facts.asked_to_stop:
        return Verdict(ending=Ending.STOPPED, message="It was stopped as asked.")
    if facts.stage is Stage.SUBMIT:
        return Verdict(ending=Ending.REFUSED, message=progress.explain(facts.refusal))
    if facts.silent:
        return Verdict(ending=Ending.SILENT, message="The job started, but its server did not report in time.")
    ended = progress.state(facts.job) if facts.job else "unknown"
    return Verdict(ending=Ending.CRASHED, message=f"The job ended ({ended}).")
