"""Data models of attempts to start a server, shared by the API and its clients."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class AttemptState(StrEnum):
    """Progress of an attempt. It becomes ``ended`` only when Slurm says so."""

    SUBMITTING = "submitting"
    """There is a row, and perhaps a job whose number is not known yet."""
    WAITING = "waiting"
    STARTING = "starting"
    """The job runs, and its server has not announced its port."""
    READY = "ready"
    STOPPING = "stopping"
    ENDED = "ended"


class Ending(StrEnum):
    """Why an attempt ended."""

    STOPPED = "stopped"
    """By the person."""
    CANCELLED = "cancelled"
    """By an admin, or by ``scancel``."""
    FINISHED = "finished"
    """The server ended by itself, without an error."""
    IDLE = "idle"
    TIME_LIMIT = "time limit"
    OUT_OF_MEMORY = "out of memory"
    NODE_FAILED = "node failed"
    PREEMPTED = "preempted"
    REFUSED = "refused"
    """By Slurm at submission: a limit, or an unknown partition, account or the like."""
    NOT_ASKED = "not asked"
    """Slurm could not be asked, and there is no job."""
    HOME_MISSING = "home missing"
    HOME_FULL = "home full"
    ENVIRONMENT_MISSING = "no environment"
    PORT_TAKEN = "port taken"
    HUB_UNREACHABLE = "hub unreachable"
    SILENT = "silent"
    """The job ran, and its server never announced its port."""
    CRASHED = "crashed"


class Verdict(BaseModel):
    """Why an attempt ended, for the person: what happened, and what to do."""

    model_config = ConfigDict(frozen=True)

    ending: Ending
    message: str
    hint: str = ""


class Attempt(BaseModel):
    """One attempt to start one server. Moments are UTC; ``server`` "" is the default server."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    person: str
    """Name of the Hub user."""
    os_account: str = Field(default="", exclude=True)
    """The account that the job runs as; left out of the API's responses."""
    nonce: str = Field(default="", exclude=True)
    """The random part of the job's comment; left out of the API's responses."""
    server: str
    request: dict[str, Any]
    """The options of the start (spawners.job.request.SpawnRequest)."""
    state: AttemptState
    job_id: int | None
    node: str
    port: int | None
    requeues: int
    created: datetime
    submitted: datetime | None
    started: datetime | None
    ready: datetime | None
    ended: datetime | None
    ends: datetime | None
    """When Slurm's time limit ends the job."""
    ending: Ending | None
    message: str
    hint: str
    slurm_state: str
    exit_code: str
    reason: str
    log_tail: str
    """Last lines of the job's log."""
    tell: bool
    """Whether the person wants an email when it is ready."""
