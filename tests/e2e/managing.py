"""A cluster manager in a job like a person's server, without the server, and the program that reports from there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.deployment import Deployment
from tests.polling import eventually
from tests.slurm_job import in_job

GATEWAY = "dasktest"
JOB_SECONDS = 300

HEAD = """\
import asyncio, json, os, sys, time
from pathlib import Path
from distributed import Client
from hub.dask.models import *
from spawners.dask import ProjectCluster, slurm
from spawners.dask.__main__ import configure_dask
from spawners.dask.manager import Manager
from spawners.dask.supervisor import Supervisor
from spawners.node.job_context import JobContext

configure_dask()
context = JobContext.from_environment()

def tell(**words):
    print("TOLD", json.dumps(words), flush=True)

async def until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.05)
    return value

async def managing():
    manager = Manager(context)
    await manager.job.ask_end()
    return manager

async def heard():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

def working(managed):
    return [w for w in managed.view(context).workers if w.phase == "working"]
"""


def job(deployment: Deployment, user: str, body: str, *, minutes: int = 20) -> Any:
    """``body`` as it runs, in a job of ``user`` that looks like a server's."""
    return in_job(deployment, user, HEAD + body, gateway=GATEWAY, minutes=minutes)


def next_words(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the program tells next; an AssertionError with its end when it tells nothing more."""
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if line.startswith("TOLD "):
            return dict(json.loads(line.removeprefix("TOLD ")))
    raise AssertionError(process.stderr.read()[-3000:])


def go_on(process: subprocess.Popen[str]) -> None:
    """For a program that waits in ``heard()``."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def reported_values(deployment: Deployment, user: str, body: str, *, minutes: int = 20) -> dict[str, Any]:
    """Values that ``body`` reports with ``tell``; checks that it leaves no worker behind, waiting or running."""
    with job(deployment, user, body, minutes=minutes) as process:
        out, error = process.communicate(timeout=JOB_SECONDS)
        assert process.returncode == 0, error[-3000:]
        no_worker_is_left(deployment, user)
    values: dict[str, Any] = {}
    for line in out.splitlines():
        if line.startswith("TOLD "):
            values |= json.loads(line.removeprefix("TOLD "))
    return values


def workers_of(deployment: Deployment, user: str) -> list[str]:
    return deployment.squeue(f"--user={user}", f"--name={GATEWAY}-dask", "--states=PENDING,RUNNING", "--format=%A")


def no_worker_is_left(deployment: Deployment, user: str, within: float = 30) -> None:
    eventually(lambda: not workers_of(deployment, user), within=within, what="no worker is left")


@contextmanager
def changed(deployment: Deployment, argv: str, back: str) -> Iterator[None]:
    """One of Slurm's settings, taken back whatever happens."""
    deployment.run(*argv.split())
    try:
        yield
    finally:
        deployment.run(*back.split())
