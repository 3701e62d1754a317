"""Client of the manager of a server's clusters, for pages, and :class:`Cluster` for notebooks.

The manager listens on a socket in the server's private directory, which kernels of that server see.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from hub.connection import refusal
from hub.dask import models
from hub.dask.models import (
    ClusterChange,
    ClusterPhase,
    ClusterRequest,
    Estimate,
    Offer,
    Shape,
    Size,
    TrainingRequest,
    Trouble,
    WorkerPhase,
)
from hub.errors import AtriumError, Conflict, HubUnavailable, InvalidInput, NotFound, SettingsError, SlurmError

if TYPE_CHECKING:
    from dask.distributed import Client

DEADLINE_SECONDS = 60.0
"""Long enough to start a scheduler and to submit fifty jobs."""

LOOK_SECONDS = 5.0
"""How often somebody who waits for workers looks at the cluster."""
LOOKS = 2
"""After so many looks at a cluster in trouble nobody waits on: Slurm may just have been silent for a moment."""
_COMING = (WorkerPhase.WAITING, WorkerPhase.STARTING, WorkerPhase.WORKING)

T = TypeVar("T")
ERRORS: Mapping[int, type[AtriumError]] = {404: NotFound, 409: Conflict, 422: InvalidInput, 502: SlurmError}
"""Without 503: :class:`HubUnavailable` stands for a manager that does not answer at all."""


class Clusters:
    """HTTP client of the manager of this server's clusters; errors are classes of :mod:`hub.errors`."""

    def __init__(self, transport: httpx2.BaseTransport) -> None:
        self._http = httpx2.Client(
            base_url="http://clusters", transport=transport, timeout=DEADLINE_SECONDS, trust_env=False
        )

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Client for the server of this kernel. Raises :class:`SettingsError` outside of a server."""
        path = Path(environment.get("JUPYTER_RUNTIME_DIR", "")) / "clusters.sock"
        if not path.is_socket():
            raise SettingsError("There is no notebook server here.", hint="Run this in a notebook of the factory.")
        return cls(httpx2.HTTPTransport(uds=str(path)))

    def all(self) -> list[models.Cluster]:
        return self._ask("GET", "/clusters", list[models.Cluster])

    def get(self, name: str) -> models.Cluster:
        return self._ask("GET", f"/clusters/{name}", models.Cluster)

    def create(self, request: ClusterRequest) -> models.Cluster:
        return self._ask("POST", "/clusters", models.Cluster, request)

    def change(self, name: str, change: ClusterChange) -> models.Cluster:
        return self._ask("PATCH", f"/clusters/{name}", models.Cluster, change)

    def end(self, name: str) -> models.ClusterEnd:
        return self._ask("DELETE", f"/clusters/{name}", models.ClusterEnd)

    def connection(self, name: str) -> models.Connection:
        return self._ask("GET", f"/clusters/{name}/connection", models.Connection)

    def script(self, name: str) -> str:
        return self._ask("GET", f"/clusters/{name}/script", dict[str, str])["script"]

    def offer(self) -> Offer:
        return self._ask("GET", "/offer", Offer)

    def news(self) -> Trouble | None:
        """The last trouble, such as a cluster that was ended from outside; None without one."""
        return self._ask("GET", "/news", Trouble | None)  # type: ignore[arg-type]

    def estimate(self, request: ClusterRequest) -> Estimate:
        return self._ask("POST", "/estimate", Estimate, request)

    def trainings(self) -> list[models.Training]:
        return self._ask("GET", "/trainings", list[models.Training])

    def try_training(self, request: TrainingRequest) -> Estimate:
        return self._ask("POST", "/trainings?try=1", Estimate, request)

    def train(self, request: TrainingRequest) -> int:
        return self._ask("POST", "/trainings", dict[str, int], request)["job"]

    def training_log(self, job: int) -> str:
        return self._ask("GET", f"/trainings/{job}", dict[str, str])["log"]

    def stop_training(self, job: int) -> None:
        self._ask("DELETE", f"/trainings/{job}", dict[str, int])

    def _ask(self, method: str, path: str, model: type[T], body: BaseModel | None = None) -> T:
        content = None if body is None else body.model_dump_json()
        try:
            response = self._http.request(method, path, content=content)
        except httpx2.HTTPError as error:
            raise HubUnavailable("The manager of your clusters does not answer.") from error
        if not response.is_success:
            raise refusal(response, errors=ERRORS, sender="The manager of your clusters")
        try:
            return TypeAdapter(model).validate_json(response.content)
        except ValidationError as error:
            raise HubUnavailable("The manager's answer cannot be read; is another version of it running?") from error


class Cluster:
    """A Dask cluster for notebooks; creates a new one, or joins an existing one by name.

    >>> with Cluster(workers=4, memory_gb=4) as cluster:  # doctest: +SKIP
    ...     client = cluster.client
    ...     client.submit(sum, [1, 2]).result()
    3

    It belongs to the server, not to the notebook: the Scale page and JupyterLab's Dask panel show it, and it continues
    when the notebook is closed. :meth:`stop` ends it, and so does leaving the ``with`` block.

    :param workers: a number, or ``(minimum, maximum)`` for adaptive scaling.
    :raises hub.errors.AtriumError: the cluster cannot be created; ``hint`` says what to do.
    """

    def __init__(
        self,
        name: str = "",
        *,
        workers: int | tuple[int, int] = 2,
        cores: int = 1,
        memory_gb: int = 2,
        gpus: int = 0,
        partition: str = "",
        minutes: int | None = None,
        clusters: Clusters | None = None,
    ) -> None:
        self._clusters = clusters or Clusters.here()
        shape = Shape(cores=cores, memory_gb=memory_gb, gpus=gpus, partition=partition, minutes=minutes)
        request = ClusterRequest(name=name, shape=shape, size=_size(workers), directory=str(Path.cwd()))
        self.name = self._clusters.create(request).name
        self._client: Client | None = None

    @classmethod
    def join(cls, name: str = "", clusters: Clusters | None = None) -> Self:
        """Join an existing cluster, without a name the newest. Raises :class:`NotFound`."""
        manager = clusters or Clusters.here()
        if not name:
            there = sorted(manager.all(), key=lambda cluster: cluster.since)
            if not there:
                raise NotFound("You have no cluster.", hint="Start one on the Scale page, or with Cluster(workers=2).")
            name = there[-1].name
        joined = cls.__new__(cls)
        joined._clusters, joined.name, joined._client = manager, manager.get(name).name, None
        return joined

    @property
    def client(self) -> Client:
        """Dask's client, connected."""
        if self._client is None:
            from dask.distributed import Security

            from widgets.scaling.notebook_client import NotebookClient

            at = self._clusters.connection(self.name)
            security = Security(
                require_encryption=True,
                tls_ca_file=at.ca_file,
                tls_client_cert=at.certificate,
                tls_client_key=at.key,
            )
            self._client = NotebookClient(at.address, security=security)
        return self._client

    @property
    def now(self) -> models.Cluster:
        """Workers, tasks and cost at this moment."""
        return self._clusters.get(self.name)

    def scale(self, workers: int | tuple[int, int]) -> None:
        """Change the number of workers; ``(minimum, maximum)`` for adaptive scaling."""
        self._clusters.change(self.name, ClusterChange(size=_size(workers)))

    def wait(self, workers: int = 1, timeout: float = 300) -> None:
        """Wait until ``workers`` workers are connected.

        :raises hub.errors.SlurmError: fewer are coming; ``hint`` says what to do.
        :raises TimeoutError: they have not joined within ``timeout`` seconds, with the reason as far as it is known.
        """
        until = time.monotonic() + timeout
        looks_in_trouble = 0
        while True:
            left = until - time.monotonic()
            try:
                self.client.wait_for_workers(workers, timeout=max(min(left, LOOK_SECONDS), 0.1))
            except TimeoutError:
                now = self.now
                looks_in_trouble = looks_in_trouble + 1 if _lacks(now, workers) else 0
                if looks_in_trouble >= LOOKS:
                    raise _trouble_of(now) from None
                if left <= LOOK_SECONDS:
                    raise TimeoutError(_why_not_joined(now, workers, timeout)) from None
            else:
                return

    def pause(self) -> None:
        """Release all workers until :meth:`resume`; data in their memory is computed again."""
        self._clusters.change(self.name, ClusterChange(paused=True))

    def resume(self) -> None:
        self._clusters.change(self.name, ClusterChange(paused=False))

    def stop(self) -> None:
        """End the cluster for all its users. Data in the workers' memory is lost."""
        if self._client is not None:
            self._client.close()
            self._client = None
        try:
            self._clusters.end(self.name)
        except NotFound:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        now: Any = self.now
        return f"<Cluster {self.name}: {len(now.workers)} workers asked for, {now.phase.value}>"


def _lacks(now: models.Cluster, workers: int) -> bool:
    """Whether fewer workers are coming, and the cluster says why."""
    coming = [worker for worker in now.workers if worker.job and worker.phase in _COMING]
    return len(coming) < workers and (now.trouble is not None or now.phase is not ClusterPhase.ON)


def _trouble_of(now: models.Cluster) -> SlurmError:
    if now.trouble is not None:
        return SlurmError(now.trouble.message, hint=now.trouble.hint)
    return SlurmError(
        f"The cluster {now.name} has no workers: it is {now.phase.value}.", hint="Resume it, or start one."
    )


def _why_not_joined(now: models.Cluster, workers: int, seconds: float) -> str:
    joined = sum(worker.phase is WorkerPhase.WORKING for worker in now.workers)
    reasons = dict.fromkeys(worker.words for worker in now.workers if worker.words)
    return " ".join((f"{joined} of {workers} workers have joined within {seconds:.0f} s.", *reasons))


def _size(workers: int | tuple[int, int]) -> Size:
    if isinstance(workers, int):
        return Size.fixed(workers)
    least, most = workers
    return Size(minimum=least, maximum=most)
