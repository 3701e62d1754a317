"""The ports on which a cluster's worker listens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dask
import psutil
import pytest
import yaml
from distributed import Scheduler, Worker
from distributed.utils import import_term

from spawners.dask.cluster import ProjectCluster
from spawners.dask.quiet_worker import CLASS, QuietWorker
from spawners.node.job_context import JobContext

DEFAULTS = Path(__file__).parents[3] / "widgets/dask/atrium.yaml"


def listening_ports() -> set[int]:
    return {entry.laddr.port for entry in psutil.Process().net_connections("tcp") if entry.status == "LISTEN"}


@pytest.mark.parametrize(("worker_class", "further_ports"), [(QuietWorker, 0), (Worker, 1)])
async def test_a_worker_listens_for_its_cluster_alone(worker_class: type[Worker], further_ports: int) -> None:
    """Dask's own class shows that the port is counted."""
    async with Scheduler(host="127.0.0.1", dashboard=False, dashboard_address="127.0.0.1:0") as scheduler:
        before = listening_ports()
        async with worker_class(scheduler.address, host="127.0.0.1", nthreads=1) as worker:
            new_ports = listening_ports() - before
            assert worker.port in new_ports and len(new_ports) == 1 + further_ports


def test_jobs_of_workers_name_the_class(tmp_path: Path) -> None:
    cluster = ProjectCluster.__new__(ProjectCluster)
    cluster.context = JobContext.from_environment({"HOME": str(tmp_path)})
    cluster.ends = cluster._minutes = None
    arguments = cluster._options("dask-1", 0, "")["worker_extra_args"]
    assert arguments[arguments.index("--worker-class") + 1] == "spawners.dask.quiet_worker.QuietWorker" == CLASS
    assert import_term(CLASS) is QuietWorker


async def test_plain_clusters_serve_no_metrics() -> None:
    """The defaults that a person's own ``SLURMCluster`` starts with."""
    defaults = yaml.safe_load(DEFAULTS.read_text())
    with dask.config.set(dask.config.merge(dask.config.config, defaults)):
        async with (
            Scheduler(host="127.0.0.1", dashboard=False, dashboard_address="127.0.0.1:0") as scheduler,
            Worker(scheduler.address, host="127.0.0.1", nthreads=1) as worker,
        ):
            for server, path in ((scheduler, "/metrics"), (worker, "/metrics"), (worker, "/health")):
                assert await status(server.http_server.port, path) == 404
            assert await status(scheduler.http_server.port, "/health") == 200


async def status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    line = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    return int(line.split()[1])
