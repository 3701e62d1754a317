"""``spawn``: a notebook through Atrium against the same Lab by a bare ``sbatch`` on the same Slurm."""

from __future__ import annotations

import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.bench.registry import Pair, scenario
from tests.browser import api_token, chromium, sign_in
from tests.deployment import Deployment
from tests.waiting import eventually
from tests.web import client, free_port

READY_SECONDS = 180
STOP_SECONDS = 60
POLL_SECONDS = 0.05

# The size of a default notebook of Atrium's (spawners/options.py), so that both jobs ask for the same.
BARE_JOB = """\
#!/bin/sh
#SBATCH --job-name=bench-bare
#SBATCH --account={account}
#SBATCH --partition={partition}
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=4:00:00
#SBATCH --output=/dev/null
export PATH={bin}:/usr/bin:/bin JUPYTER_TOKEN={token}
exec jupyter lab --no-browser --ip=127.0.0.1 --port={port}
"""
# Not a secret worth one: it opens an empty Lab on loopback for the seconds of one run.
BARE_TOKEN = "bench"


@scenario("spawn", metric="start to ready Lab", unit="s", runs=5)
@contextmanager
def spawn(deployment: Deployment) -> Iterator[Pair]:
    """From the request to start until Lab's page answers 200; stopping is not part of it."""
    name = deployment.person("founder")
    with client(_token(deployment, name)) as atrium:
        yield Pair(ours=lambda: _ours(deployment, atrium, name), reference=lambda: _reference(deployment, name))


def _token(deployment: Deployment, name: str) -> str:
    with chromium() as browser:
        return api_token(sign_in(browser.new_context(), deployment, name), deployment, name)


def _ours(deployment: Deployment, atrium: httpx.Client, name: str) -> float:
    server = f"{deployment.public_url}/hub/api/users/{name}/server"
    _nothing_runs(deployment, name)
    try:
        start = time.perf_counter()
        atrium.post(server).raise_for_status()
        return _seconds_until_ready(atrium, f"{deployment.server_url(name)}lab", start)
    finally:
        atrium.delete(server)
        _nothing_runs(deployment, name)


def _reference(deployment: Deployment, name: str) -> float:
    slurm, port = deployment.settings.slurm, free_port()
    script = BARE_JOB.format(
        account=slurm.default_account,
        partition=slurm.partition,
        bin=deployment.user_python.parent,
        token=BARE_TOKEN,
        port=port,
    )
    _nothing_runs(deployment, name)
    start = time.perf_counter()
    job = _sbatch(deployment, name, script)
    try:
        with client(BARE_TOKEN) as bare:
            return _seconds_until_ready(bare, f"http://127.0.0.1:{port}/lab", start)
    finally:
        deployment.run("scancel", job)
        _nothing_runs(deployment, name)


def _sbatch(deployment: Deployment, name: str, script: str) -> str:
    """Number of the job that ``name`` submits from a login shell's environment."""
    home = pwd.getpwnam(name).pw_dir
    login = ["env", "-i", f"HOME={home}", f"SLURM_CONF={deployment.slurm_conf}", "PATH=/usr/bin:/bin", "LANG=C.UTF-8"]
    sbatch = ["sbatch", "--parsable", f"--chdir={home}"]
    return deployment.run("runuser", "-u", name, "--", *login, *sbatch, text=script).stdout.strip()


def _seconds_until_ready(browserless: httpx.Client, url: str, start: float) -> float:
    def ready() -> bool:
        try:
            return browserless.get(url).status_code == 200
        except httpx.TransportError:
            return False

    eventually(ready, within=READY_SECONDS, every=POLL_SECONDS, what=f"{url} answers 200")
    return time.perf_counter() - start


def _nothing_runs(deployment: Deployment, name: str) -> None:
    eventually(lambda: not deployment.jobs_of(name), within=STOP_SECONDS, what=f"no job of {name} is left")
