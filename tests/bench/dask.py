"""``dask_scale_8``: from "scale to 8" to eight workers ready, against a bare ``SLURMCluster`` of the same shape.

Beside it, reported only: tasks a second through TLS and plain.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.registry import Pair, scenario
from tests.deployment import Deployment
from tests.injob import in_job

WORKERS = 8

PROGRAM = """\
import json, os, sys, time
from dask.distributed import Client
from dask_jobqueue import SLURMCluster
from spawners.dask import ProjectCluster

SHAPE = {"cores": 1, "memory": "1GB", "processes": 1}

def bare():
    return SLURMCluster(
        **SHAPE,
        account=os.environ["SLURM_JOB_ACCOUNT"],
        queue="batch",
        walltime="00:30:00",
        log_directory=os.path.expanduser("~/.atrium-dask/logs"),
        scheduler_options={"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"},
        worker_extra_args=["--no-dashboard"],
    )

def ours():
    return ProjectCluster(**SHAPE)

for line in sys.stdin:
    side, tasks = line.split()
    cluster = {"ours": ours, "bare": bare}[side]()
    client = Client(cluster)
    start = time.perf_counter()
    cluster.scale(WORKERS)
    client.wait_for_workers(WORKERS, timeout=240)
    ready = time.perf_counter() - start
    rate = 0.0
    if int(tasks):
        start = time.perf_counter()
        client.gather(client.map(lambda x: x, range(int(tasks)), pure=False))
        rate = int(tasks) / (time.perf_counter() - start)
    client.close()
    cluster.close()
    print("TOLD", json.dumps({"seconds": ready, "rate": rate}), flush=True)
""".replace("WORKERS", str(WORKERS))


@scenario("dask_scale_8", metric="scale to 8 until 8 workers are ready", unit="s", runs=3)
@contextmanager
def scale(deployment: Deployment) -> Iterator[Pair]:
    """Both from inside one job like a person's server's, so that the node and its load are the same."""
    with in_job(deployment, deployment.person("founder"), PROGRAM, gateway="bench", minutes=60) as process:

        def seconds(side: str) -> float:
            return _ask(process, f"{side} 0")["seconds"]

        yield Pair(ours=lambda: seconds("ours"), reference=lambda: seconds("bare"))
        rates = {side: _ask(process, f"{side} 2000")["rate"] for side in ("ours", "bare")}
        print(f"{'':26} tasks a second: {rates['ours']:.0f} through TLS, {rates['bare']:.0f} plain")


def _ask(process: subprocess.Popen[str], line: str) -> dict[str, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    for said in process.stdout:
        if said.startswith("TOLD "):
            return dict(json.loads(said.removeprefix("TOLD ")))
    raise RuntimeError("the job ended before it was measured")
