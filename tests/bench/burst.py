"""``spawn_burst_50``: fifty people start a server at the same time."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

import httpx2

from tests.bench import hubs
from tests.bench.registry import Pair, scenario
from tests.bench.running import SMALL, STANDIN, stop_all
from tests.bench.spawn import sbatch_as
from tests.deployment import Deployment
from tests.polling import eventually
from tests.web import client, free_port

PEOPLE = 50
WITHIN_SECONDS = 10
READY_SECONDS = 180
LOOK_SECONDS = 0.5

BARE_JOB = """\
#!/bin/sh
#SBATCH --job-name=bench-bare
#SBATCH --account={account}
#SBATCH --partition={partition}
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=1:00:00
#SBATCH --output=/dev/null
BENCH_PORT={port} exec {program}
"""


@scenario("spawn_burst_50", metric="first press to last of 50 notebooks, over bare sbatch", unit="s", runs=10)
@contextmanager
def spawn_burst_50(deployment: Deployment) -> Iterator[Pair]:
    """Fifty people, made for this, press start one every fifth of a second: until the last one has what there is.

    All sides run the same stand-in in place of a Lab (fifty Labs would measure two cores, not the spawner), on one
    core and 1 GB each; the Hubs are one of ours beside the deployment's and a stock one. Where the partition has
    fewer than fifty cores, the rest waits, and must be said to wait: such a person counts as served once no core is
    free, Slurm says PENDING, and the Hub says the same.
    """
    people = [f"bench-{number:02}" for number in range(1, PEOPLE + 1)]
    job = hubs.Job(cpus=1, memory_gb=1, hours=1, program=STANDIN)
    with (
        accounts(deployment, people),
        hubs.ours(deployment, program=STANDIN) as ours,
        hubs.stock(deployment, people, job=job) as stock,
        _public(STANDIN) as program,
    ):
        with ours.client() as http:
            for name in people:
                http.post(ours.api(f"users/{name}"))

        def bare() -> float:
            return _bare(deployment, program, people)

        further = {"stock batchspawner in place of ours": (lambda: _through(deployment, stock, people), bare)}
        yield Pair(lambda: _through(deployment, ours, people), bare, further)


def _through(deployment: Deployment, hub: hubs.Hub, people: list[str]) -> float:
    with hub.client() as http:

        def press(name: str) -> None:
            answer = http.post(hub.api(f"users/{name}/server"), json={"user_options": SMALL})
            assert answer.status_code in (201, 202), f"{name}: {answer.status_code} {answer.text}"

        def look() -> tuple[set[str], set[str]]:
            listed = http.get(hub.api("users"), params={"state": "active", "limit": 2 * PEOPLE}).json()
            servers = {user["name"]: user["servers"].get("", {}) for user in listed}
            ready = {name for name, server in servers.items() if server.get("ready")}
            return ready, {name for name, server in servers.items() if server.get("pending") == "spawn"}

        try:
            return _seconds(deployment, people, press, look)
        finally:
            stop_all(hub, http, [f"users/{name}/server" for name in people])
            _end_everything(deployment, people)  # a stock Hub forgets some of its jobs


def _bare(deployment: Deployment, program: Path, people: list[str]) -> float:
    slurm, ports = deployment.settings.slurm, {name: free_port() for name in people}
    jobs: list[str] = []

    def press(name: str) -> None:
        where = {"account": slurm.default_account, "partition": slurm.partition}
        jobs.append(sbatch_as(deployment, name, BARE_JOB.format(**where, port=ports[name], program=program)))

    ready: set[str] = set()

    def look() -> tuple[set[str], set[str]]:
        with client() as http:
            ready.update(name for name in people if name not in ready and _answers(http, ports[name]))
        return ready, set(people)

    try:
        return _seconds(deployment, people, press, look)
    finally:
        deployment.run("scancel", *jobs)
        _nothing_runs(deployment, people)


def _answers(http: httpx2.Client, port: int) -> bool:
    try:
        return http.get(f"http://127.0.0.1:{port}/").is_success
    except httpx2.TransportError:
        return False


def _seconds(
    deployment: Deployment,
    people: list[str],
    press: Callable[[str], None],
    look: Callable[[], tuple[set[str], set[str]]],
) -> float:
    """From the first press until everybody is served; ``look``: who is ready, and who is said to be on the way."""
    _nothing_runs(deployment, people)
    start = time.perf_counter()

    def press_in_turn(turn: int, name: str) -> None:
        time.sleep(max(0.0, start + turn * WITHIN_SECONDS / len(people) - time.perf_counter()))  # a person's pace
        press(name)

    def served() -> bool:
        ready, waiting = look()
        missing = set(people) - ready
        return not missing or (missing <= waiting and missing <= _queued(deployment, people))

    with ThreadPoolExecutor(len(people)) as pool:
        presses = [pool.submit(press_in_turn, turn, name) for turn, name in enumerate(people)]
        eventually(served, within=READY_SECONDS, every=LOOK_SECONDS, what="everybody is served")
        seconds = time.perf_counter() - start
        for pressed in presses:
            pressed.result()
    return seconds


def _queued(deployment: Deployment, people: list[str]) -> set[str]:
    """Whose job Slurm keeps waiting for want of a core; nobody's while a core is free."""
    partition = deployment.settings.slurm.partition
    cores = deployment.run("sinfo", "--noheader", f"--partition={partition}", "--format=%C").stdout
    if cores.split("/")[1] != "0":
        return set()
    return set(deployment.squeue(f"--user={','.join(people)}", "--states=PENDING", "--format=%u"))


def _nothing_runs(deployment: Deployment, people: list[str]) -> None:
    eventually(lambda: not deployment.squeue(f"--user={','.join(people)}"), within=60, what="no job of theirs is left")


def _end_everything(deployment: Deployment, people: list[str]) -> None:
    """Cancel whatever jobs they have, and wait until none is left."""
    if jobs := deployment.squeue(f"--user={','.join(people)}", "--format=%A"):
        deployment.run("scancel", *(job.strip() for job in jobs), check=False)
    _nothing_runs(deployment, people)


@contextmanager
def accounts(deployment: Deployment, people: list[str]) -> Iterator[None]:
    """OS accounts with homes, let into the gateway and Slurm's default account; gone afterwards."""
    group, account = deployment.settings.login.os_group, deployment.settings.slurm.default_account
    existing = [name for name in people if _exists(name)]
    if existing:
        raise AssertionError(f"{', '.join(existing)} exist already: left by a run that was killed? userdel them")
    home = Path(mkdtemp(prefix="atrium-throwaway-homes-", dir="/var/tmp"))
    home.chmod(0o755)
    try:
        for name in people:
            _change("useradd", "--create-home", "--home-dir", str(home / name), "--groups", group, "--", name)
        deployment.run("sacctmgr", "--immediate", "add", "user", ",".join(people), f"account={account}")
        yield
    finally:
        with suppress(AssertionError):  # the accounts go all the same
            _end_everything(deployment, people)
        deployment.run("sacctmgr", "--immediate", "delete", "user", ",".join(people), check=False)
        for name in filter(_exists, people):
            _change("userdel", "--force", "--", name)
        shutil.rmtree(home)


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _change(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


@contextmanager
def _public(program: Path) -> Iterator[Path]:
    """A copy of ``program`` that everybody may run."""
    folder = Path(mkdtemp(prefix="atrium-throwaway-program-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield Path(shutil.copy(program, folder))
    finally:
        shutil.rmtree(folder)
