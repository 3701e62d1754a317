"""Where clusters of this server live: what its job says, directories that only the person enters, and the keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = ".atrium-dask"
CERTIFICATE, KEY = "certificate.pem", "key.pem"


@dataclass(frozen=True)
class Place:
    """Of one server's job; "" is what is not known (a program outside of a server)."""

    job: str
    account: str
    partition: str
    """The site's partition for workers."""
    interface: str
    comment: str
    """``GATEWAY:USER:SERVER:ATTEMPT`` of the server's job, which its workers' jobs repeat."""
    node: str
    home: Path
    runtime: Path
    """Of mode 0700 on the node: sockets."""
    prefix: str
    """Path of the server on its own address."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Place:
        def get(name: str) -> str:
            return environment.get(name, "")

        home = Path(get("HOME") or Path.home())
        return cls(
            job=get("SLURM_JOB_ID"),
            account=get("SLURM_JOB_ACCOUNT"),
            partition=get("DASK_JOBQUEUE__SLURM__QUEUE"),
            interface=get("DASK_JOBQUEUE__SLURM__INTERFACE"),
            comment=get("ATRIUM_COMMENT"),
            node=get("SLURMD_NODENAME"),
            home=home,
            runtime=Path(get("JUPYTER_RUNTIME_DIR") or home / FOLDER),
            prefix=get("JUPYTERHUB_SERVICE_PREFIX") or "/",
        )

    @property
    def gateway(self) -> str:
        return self.comment.partition(":")[0] or "atrium"

    @property
    def logs(self) -> Path:
        return self.home / FOLDER / "logs"

    @property
    def keys(self) -> Path:
        """On a file system that the workers' nodes have, too."""
        return self.home / FOLDER / f"keys-{self.job or 'here'}"

    @property
    def socket(self) -> Path:
        """Where the manager of this server's clusters listens."""
        return self.runtime / "clusters.sock"

    def dashboard_socket(self, cluster: str) -> Path:
        return self.runtime / f"dask-{cluster}.sock"

    def dashboard_path(self, cluster: str) -> str:
        return f"{self.prefix.rstrip('/')}/atrium/clusters/{cluster}/dashboard/"

    def make_directories(self) -> None:
        for path in (self.home / FOLDER, self.logs, self.runtime):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.home / FOLDER).chmod(0o700)


def job_name(gateway: str) -> str:
    """Name of every worker's job of one deployment; its comment tells owner, server and cluster."""
    return f"{gateway}-dask"
