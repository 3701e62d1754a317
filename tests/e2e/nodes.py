"""Occupies nodes, so that a notebook has to wait, and requeues jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.deployment import Deployment
from tests.polling import eventually

TAKE = "--partition=batch --account=demo --mem=0 --ntasks=1 --time=10 --output=/dev/null --job-name=fill --chdir=/tmp"


@contextmanager
def full(deployment: Deployment) -> Iterator[Callable[[], None]]:
    """Every node that notebooks run on is taken, until the end or until what this gives is called."""
    people = [deployment.person(role) for role in ("colleague", "colleague", "trainer")]

    def free() -> None:
        for person in set(people):
            deployment.run("scancel", "--name=fill", f"--user={person}", check=False)
        eventually(lambda: not deployment.squeue("--name=fill"), within=60, what="the nodes are free")

    free()
    try:
        for person in people:
            deployment.run("runuser", "-u", person, "--", "sbatch", *TAKE.split(), "--wrap=sleep 600")
        options = ["--name=fill", "--state=RUNNING"]
        eventually(lambda: len(deployment.squeue(*options)) == len(people), within=90, what="every node is taken")
        yield free
    finally:
        free()


def start_after_requeue(deployment: Deployment, job: int) -> None:
    """Let ``job``, which Slurm put back, start soon: by itself Slurm has it wait for two minutes.

    slurmd compares credentials in whole seconds: it refuses a job that starts in the second in which its former run
    was revoked ("already killed, do not launch batch job"), and Slurm ends such a job for good.
    """
    waits = ["PENDING"]
    eventually(lambda: deployment.squeue(f"--jobs={job}", "--format=%T") == waits, within=30, what="it waits again")
    deployment.run("scontrol", "update", f"jobid={job}", "starttime=now+3seconds")
