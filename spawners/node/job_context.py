"""Context of a server's clusters: data of its job, private directories, and TLS keys."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from hub.slurm import naming

FOLDER = ".atrium-dask"
LOG_DAYS = 14
CERTIFICATE, KEY = "certificate.pem", "key.pem"


@dataclass(frozen=True)
class JobContext:
    """Data of a server's job; "" is unknown (outside of a server)."""

    job: str
    account: str
    partition: str
    """The site's partition for workers."""
    interface: str
    comment: str
    """Of the server's job (hub/slurm/naming.py); comments of its workers' jobs have the same fields."""
    node: str
    home: Path
    runtime: Path
    """Of mode 0700 on the node: sockets."""
    prefix: str
    """Path of the server on its own address."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> JobContext:
        def get(name: str) -> str:
            return environment.get(name, "")

        home = Path(get("HOME") or Path.home())
        return cls(
            job=get("ATRIUM_JOB_ID"),
            account=get("ATRIUM_JOB_ACCOUNT"),
            partition=get("DASK_JOBQUEUE__SLURM__QUEUE"),
            interface=get("DASK_JOBQUEUE__SLURM__INTERFACE"),
            comment=get("ATRIUM_COMMENT"),
            node=get("ATRIUM_JOB_NODE"),
            home=home,
            runtime=Path(get("JUPYTER_RUNTIME_DIR") or home / FOLDER),
            prefix=get("JUPYTERHUB_SERVICE_PREFIX") or "/",
        )

    @property
    def gateway(self) -> str:
        return naming.gateway_in(self.comment) or "atrium"

    def job_name(self, kind: naming.Kind) -> str:
        """Name of the person's jobs of one kind of this deployment."""
        return naming.job_name(self.gateway, kind)

    @property
    def logs(self) -> Path:
        return self.home / FOLDER / "logs"

    @property
    def keys(self) -> Path:
        """Directory of the keys, on a file system that the workers' nodes share."""
        return self.home / FOLDER / f"keys-{self.job or 'here'}"

    @property
    def state(self) -> Path:
        """File with the names of the clusters, for the next manager."""
        return self.home / FOLDER / f"clusters-{self.job or 'here'}.json"

    @property
    def socket(self) -> Path:
        """Socket of the manager."""
        return self.runtime / "clusters.sock"

    def dashboard_socket(self, cluster: str) -> Path:
        return self.runtime / f"dask-{cluster}.sock"

    @property
    def dashboards(self) -> Path:
        """Directory of notes on the dashboards of plain Dask clusters (spawners/node/dashboard_ports.py)."""
        return self.runtime / "dashboards"

    def dashboard_path(self, cluster: str) -> str:
        """Path of a cluster's dashboard on the server; ``cluster`` is a name, or the port of a plain cluster."""
        return f"{self.prefix.rstrip('/')}/atrium/clusters/{cluster}/dashboard/"

    def make_directories(self) -> None:
        for path in (self.home / FOLDER, self.logs, self.runtime):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.home / FOLDER).chmod(0o700)

    def problem(self) -> str:
        """A sentence about the first of its directories in the home that cannot be used; "" if all can."""
        try:
            self.make_directories()
            for path in (self.home / FOLDER, self.logs):
                with TemporaryFile(dir=path):
                    pass
        except OSError as error:
            return (
                f"Your clusters need the directory {error.filename or self.home / FOLDER}, which cannot be used "
                f"({os.strerror(error.errno or 0)})."
            )
        return ""

    def tidy(self, alive: Collection[str]) -> None:
        """Remove keys and lists of servers that did not clean up, and old logs.

        :param alive: numbers of the person's jobs that have not ended.
        """
        for path in (self.home / FOLDER).iterdir():
            kind, _, job = path.stem.partition("-")
            if kind in ("keys", "clusters") and job.isdigit() and job != self.job and job not in alive:
                _remove(path)
        for path in self.logs.iterdir():
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > LOG_DAYS * 86400:
                    _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
