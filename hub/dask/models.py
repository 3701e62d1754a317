"""Requests to and responses of the manager of a server's Dask clusters and trainings (``spawners/dask/api.py``)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MOST_WORKERS = 256

# These patterns exclude text that ends a directive of a job script or starts an option.
ClusterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
SlurmWord = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$")]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shape(Model):
    """Resources of one worker; each worker is a Slurm job."""

    cores: int = Field(1, ge=1, le=1024)
    memory_gb: int = Field(2, ge=1, le=16384)
    gpus: int = Field(0, ge=0, le=16)
    gpu_type: SlurmWord | Literal[""] = ""
    partition: SlurmWord | Literal[""] = ""
    """Unset: the site's partition for Dask, or another one that the project may use."""
    minutes: int | None = Field(None, ge=1, le=43200)
    """Time limit of a worker's job; unset: two hours, and never longer than the server has left."""


class Size(Model):
    """Number of workers: adaptive between two bounds, or fixed if the bounds are equal."""

    minimum: int = Field(ge=0, le=MOST_WORKERS)
    maximum: int = Field(ge=0, le=MOST_WORKERS)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError("The minimum number of workers is larger than the maximum.")
        return self

    @classmethod
    def fixed(cls, workers: int) -> Size:
        return cls(minimum=workers, maximum=workers)

    @property
    def adaptive(self) -> bool:
        return self.minimum != self.maximum


class ClusterRequest(Model):
    name: ClusterName | Literal[""] = ""
    """Unset: ``dask-1`` and so on."""
    shape: Shape = Shape()
    size: Size = Size.fixed(2)
    directory: str = Field("", max_length=4096, pattern=r"^(/[^\x00-\x1f\x7f]*)?$")
    """Where its workers run, such as a notebook's directory: tasks can use modules and files there; unset: where the
    server runs."""


class ClusterChange(Model):
    """Only the given fields change."""

    size: Size | None = None
    paused: bool | None = None
    """Whether the cluster has no workers until it is resumed; data in their memory is computed again."""
    keep: bool = False
    """Whether to restart the idle time after which the cluster ends."""


class WorkerPhase(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    WORKING = "working"
    ENDING = "ending"
    LOST = "lost"


class Worker(Model):
    """Memory in bytes, transfer in bytes a second, ``cpu`` in percent of one core; ``words``: why it does not work."""

    name: str
    job: str
    phase: WorkerPhase
    words: str = ""
    node: str = ""
    cpu: float = 0
    memory: int = 0
    memory_limit: int = 0
    spilled: int = 0
    reads: float = 0
    writes: float = 0
    processing: int = 0


class Tasks(Model):
    waiting: int = 0
    processing: int = 0
    done: int = 0
    erred: int = 0


class Trouble(Model):
    """What happened and what to do, with the end of a log if it helps."""

    message: str
    hint: str = ""
    log: str = ""


class ClusterEnd(Model):
    """What ending a cluster did."""

    name: str
    jobs: tuple[int, ...]
    """Jobs of workers that were cancelled."""
    trouble: Trouble | None = None
    """Set if Slurm has not confirmed that."""


class ClusterPhase(StrEnum):
    ON = "on"
    PAUSED = "paused"
    ENDED = "ended"


class Cluster(Model):
    """Current state of a cluster."""

    name: str
    phase: ClusterPhase
    shape: Shape
    size: Size
    address: str = ""
    dashboard: str = ""
    """Path of its Dask dashboard on this server."""
    since: datetime
    workers: tuple[Worker, ...] = ()
    tasks: Tasks = Tasks()
    cpu_hours: float = 0
    gpu_hours: float = 0
    trouble: Trouble | None = None
    idle_end: float | None = None
    """Seconds until it ends because nothing is computed; None unless that is near."""


class Connection(Model):
    """Address and TLS files of a scheduler; only the person can read the files."""

    address: str
    ca_file: str
    certificate: str
    key: str


class Place(Model):
    """A partition and the largest worker that it allows."""

    partition: str
    cores: int
    memory_gb: int
    gpus: int
    gpu_types: tuple[str, ...] = ()
    minutes: int | None = None
    workers: int | None = None
    """Largest number of workers of one core and 1 GB at a time; None: not limited."""


class Offer(Model):
    """Allowed sizes of a worker. Hours are those left of the project; None: no limit, or not known."""

    account: str
    places: tuple[Place, ...]
    cpu_hours: float | None
    gpu_hours: float | None
    seconds_left: float | None
    """Until this server ends, and all its clusters with it."""
    trouble: Trouble | None = None


class Estimate(Model):
    """Expected start and cost of a request."""

    start: datetime | None = None
    """Start of the first worker, as Slurm expects it."""
    workers: int
    """Number of workers that limits and hours allow."""
    reason: str = ""
    """Why fewer than requested."""
    refusal: Trouble | None = None
    cpu_per_hour: float = 0
    gpu_per_hour: float = 0
    hours_end: datetime | None = None
    """When the project's hours are used up if nothing else runs; None: not within reach."""
    minutes: int = 0
    """Time limit of each worker."""


class TrainingRequest(Model):
    """A training on several nodes, one ``torchrun`` on each."""

    name: ClusterName = "training"
    script: str = Field(min_length=1, max_length=500)
    """Path of the program, in the home directory or in a project."""
    arguments: tuple[Annotated[str, StringConstraints(max_length=500)], ...] = ()
    nodes: int = Field(2, ge=1, le=64)
    processes: int = Field(1, ge=1, le=16)
    """Processes on each node without GPUs; with GPUs there is one for each."""
    gpus: int = Field(0, ge=0, le=16)
    gpu_type: SlurmWord | Literal[""] = ""
    cores: int = Field(2, ge=1, le=1024)
    memory_gb: int = Field(4, ge=1, le=16384)
    minutes: int = Field(60, ge=1, le=43200)
    partition: SlurmWord | Literal[""] = ""
    python: str = Field("", max_length=500)
    """Interpreter that has PyTorch; unset: this environment's."""
    restarts: int = Field(3, ge=0, le=100)
    """Number of restarts from the last checkpoint after the time limit."""
    warn_seconds: int = Field(60, ge=10, le=3600)
    """Seconds before the time limit at which the program is signalled to write a checkpoint."""


class Training(Model):
    job: int
    name: str
    state: str
    words: str
    node: str = ""
    over: bool
    start: datetime | None = None
    end: datetime | None = None
