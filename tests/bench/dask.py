"""``dask_scale_8``, ``dask_adaptive_8``, ``dask_tasks``: ``ProjectCluster`` against a bare ``SLURMCluster``.

Both have workers of the same shape. The bare one is as its manual sets it up: plain TCP, Dask's own adaptivity.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.registry import Pair, scenario
from tests.deployment import Deployment
from tests.slurm_job import in_job

PROGRAM = """\
import json, os, sys, time
from dask.distributed import Client
from dask_jobqueue import SLURMCluster
from spawners.dask import ProjectCluster

SHAPE = {"cores": 1, "memory": "1GB", "processes": 1}
WORKERS = 8

def bare():
    return SLURMCluster(
        **SHAPE,
        account=os.environ["ATRIUM_JOB_ACCOUNT"],
        queue="batch",
        walltime="00:30:00",
        log_directory=os.path.expanduser("~/.atrium-dask/logs"),
        scheduler_options={"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"},
        worker_extra_args=["--no-dashboard"],
    )

def ours():
    return ProjectCluster(**SHAPE)

def scale(cluster, client):
    start = time.perf_counter()
    cluster.scale(WORKERS)
    client.wait_for_workers(WORKERS, timeout=240)
    return time.perf_counter() - start

def adaptive(cluster, client):
    def work(x):
        time.sleep(2)
        return x * x
    start = time.perf_counter()
    cluster.adapt(minimum=0, maximum=WORKERS)
    futures = client.map(work, range(100), pure=False)
    most = 0
    while not all(future.done() for future in futures):
        most = max(most, len(cluster.scheduler_info["workers"]))
        time.sleep(0.05)
    assert client.gather(futures) == [x * x for x in range(100)], "a result is lost"
    assert most == WORKERS, f"{most} workers at most"
    for future in futures:
        future.release()
    while cluster.scheduler_info["workers"] or cluster.workers:
        time.sleep(0.05)
    return time.perf_counter() - start

kept = {}

def tasks(make):
    if make not in kept:
        cluster = make()
        cluster.scale(2)
        kept[make] = cluster, Client(cluster)
        kept[make][1].wait_for_workers(2, timeout=240)
    client = kept[make][1]
    start = time.perf_counter()
    client.gather(client.map(lambda x: x, range(3000), pure=False))
    return 3000 / (time.perf_counter() - start)

for line in sys.stdin:
    what, side = line.split()
    make = {"ours": ours, "bare": bare}[side]
    if what == "tasks":
        value = tasks(make)
    else:
        with make() as cluster, Client(cluster) as client:
            value = {"scale": scale, "adaptive": adaptive}[what](cluster, client)
    print("TOLD", json.dumps(value), flush=True)
for cluster, client in kept.values():
    client.close()
    cluster.close()
"""


@scenario("dask_scale_8", metric="scale to 8 until 8 workers are ready", unit="s", runs=3)
@contextmanager
def scale(deployment: Deployment) -> Iterator[Pair]:
    """Both from inside one job like a person's server's, so that the node and its load are the same."""
    with _sides(deployment, "scale") as pair:
        yield pair


@scenario("dask_adaptive_8", metric="100 tasks of 2 s, from 0 to 8 workers and back to 0", unit="s", runs=2)
@contextmanager
def adaptive(deployment: Deployment) -> Iterator[Pair]:
    """Until the last worker has gone; a run with a lost result, or with fewer than eight workers, is none."""
    with _sides(deployment, "adaptive") as pair:
        yield pair


@scenario("dask_tasks", metric="tasks that do nothing, 2 workers, TLS over plain", unit="1/s", runs=5)
@contextmanager
def tasks(deployment: Deployment) -> Iterator[Pair]:
    """From the first submission until the last result; both clusters are there all the time."""
    with _sides(deployment, "tasks") as pair:
        yield pair


@contextmanager
def _sides(deployment: Deployment, what: str) -> Iterator[Pair]:
    with in_job(deployment, deployment.person("founder"), PROGRAM, gateway="bench", minutes=60) as process:
        yield Pair(ours=lambda: _ask(process, f"{what} ours"), reference=lambda: _ask(process, f"{what} bare"))


def _ask(process: subprocess.Popen[str], line: str) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    for report in process.stdout:
        if report.startswith("TOLD "):
            return float(json.loads(report.removeprefix("TOLD ")))
    raise RuntimeError(f"the job ended before it was measured: {process.stderr.read()[-2000:]}")
