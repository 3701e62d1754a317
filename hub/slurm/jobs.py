"""Jobs, their phases and the usage of accounts, independent of Slurm's output formats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Phase(StrEnum):
    """Phase of a job from the view of the person who waits for it."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """Slurm could not be asked, or used a word we do not know. Never to be read as "gone"."""


# States of Slurm 22 to 25, long form as in squeue's %T and sacct's State.
_PHASES = {
    Phase.WAITING: {
        "PENDING",
        "CONFIGURING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "EXPEDITING",
        "SPECIAL_EXIT",
        "RESV_DEL_HOLD",
    },
    Phase.RUNNING: {"RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"},
    Phase.ENDING: {"COMPLETING"},
    Phase.ENDED: {
        "COMPLETED",
        "CANCELLED",
        "FAILED",
        "TIMEOUT",
        "NODE_FAIL",
        "BOOT_FAIL",
        "PREEMPTED",
        "OUT_OF_MEMORY",
        "DEADLINE",
        "REVOKED",
        "LAUNCH_FAILED",
        "RECONFIG_FAIL",
    },
}
_PHASE_OF = {state: phase for phase, states in _PHASES.items() for state in states}
_PAUSED = {"SUSPENDED", "STOPPED"}


def phase(state: str) -> Phase:
    """The phase for one of Slurm's states; ``CANCELLED by 1000`` and ``COMPLETED+`` are understood."""
    return _PHASE_OF.get(_word(state), Phase.UNKNOWN)


def _word(state: str) -> str:
    return state.partition(" ")[0].rstrip("+").upper()


def moment(text: str) -> datetime | None:
    """One of Slurm's times (this machine's, ``2026-11-24T21:05:46``) in UTC; None for ``N/A`` and the like."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Job:
    """A job as last listed by ``squeue`` or ``sacct``. ``node`` is the first node's name, empty while it waits."""

    id: int
    state: str
    user: str
    node: str = ""
    reason: str = ""
    start: datetime | None = None
    """When it started, or shall start as Slurm expects now; UTC."""
    end: datetime | None = None
    """When its time limit ends it; UTC."""
    partition: str = ""
    exit_code: str = ""

    @property
    def phase(self) -> Phase:
        return phase(self.state)

    @property
    def is_over(self) -> bool:
        """Whether the job has ended or is ending, according to Slurm."""
        return self.phase in (Phase.ENDING, Phase.ENDED)

    @property
    def is_paused(self) -> bool:
        """Whether the cluster has stopped its processes, which go on where they were."""
        return _word(self.state) in _PAUSED


@dataclass(frozen=True)
class Minutes:
    """TRES-minutes of an account: limit (None: no limit) and usage."""

    limit: int | None
    used: int


@dataclass(frozen=True)
class AccountUsage:
    cpu: Minutes
    gpu: Minutes


@dataclass(frozen=True)
class Membership:
    """A person's membership in an account."""

    partitions: frozenset[str]
    """The only ones they may charge it in; none: all."""
    barred: bool
    """Whether Slurm takes no job of theirs."""


@dataclass(frozen=True)
class Share:
    """Account, person and partition of a usage record."""

    account: str
    user: str
    partition: str


@dataclass(frozen=True)
class Seconds:
    """Core seconds and GPU seconds."""

    cpu: int
    gpu: int


@dataclass(frozen=True)
class Pending:
    """A waiting job of any user, with what its place in the queue depends on."""

    id: int
    partitions: tuple[str, ...]
    priority: int
