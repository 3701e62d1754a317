"""``spawn`` and ``sign_in_to_lab``: a notebook through Atrium, by a bare ``sbatch``, through a stock Hub; one Slurm."""

from __future__ import annotations

import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from playwright.sync_api import Browser

from tests.bench import hubs
from tests.bench.registry import Pair, scenario
from tests.browser import api_token, chromium, sign_in
from tests.deployment import Deployment
from tests.polling import eventually
from tests.web import client, free_port

READY_SECONDS = 180
STOP_SECONDS = 60
POLL_SECONDS = 0.05

# The size of a default notebook of Atrium's (spawners/job/request.py), so that both jobs ask for the same.
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


@scenario("spawn", metric="start to ready Lab, over bare sbatch", unit="s", runs=10)
@contextmanager
def spawn(deployment: Deployment) -> Iterator[Pair]:
    """From the request to start until Lab's page answers 200; stopping is not part of it.

    The second row is stock JupyterHub with batchspawner, started for this (hubs.py), over the same bare ``sbatch``.
    """
    name = deployment.person("founder")
    with client(_token(deployment, name)) as atrium, hubs.stock(deployment, [name]) as hub, hub.client() as stock:
        start, lab = f"{deployment.public_url}/hub/api/users/{name}/server", f"{deployment.server_url(name)}lab"

        def ours() -> float:
            return _started(deployment, atrium, name, start, lab)

        def bare() -> float:
            return _reference(deployment, name)

        def batchspawner() -> float:
            return _started(deployment, stock, name, hub.api(f"users/{name}/server"), f"{hub.server_url(name)}lab")

        yield Pair(ours, bare, {"stock batchspawner in place of ours": (batchspawner, bare)})


@scenario("sign_in_to_lab", metric="sign-in click to JupyterLab on screen, over a stock Hub", unit="s", runs=10)
@contextmanager
def sign_in_to_lab(deployment: Deployment) -> Iterator[Pair]:
    """From the click on the sign-in button, in a new browser profile, until Lab's launcher can be seen.

    On the way a person presses what the pages ask for by default: nothing at a stock Hub, which starts a server at
    once; "Start notebook" on our landing page and on the form.
    """
    name = deployment.person("founder")
    token = _token(deployment, name)
    with chromium() as browser, client(token) as atrium, hubs.stock(deployment, [name]) as hub, hub.client() as stock:

        def ours() -> float:
            server = f"{deployment.public_url}/hub/api/users/{name}/server"
            return _signed_in(deployment, browser, deployment.public_url, name, atrium, server, ["link", "button"])

        def reference() -> float:
            return _signed_in(deployment, browser, hub.url, name, stock, hub.api(f"users/{name}/server"), [])

        yield Pair(ours, reference)


def _token(deployment: Deployment, name: str) -> str:
    with chromium() as browser:
        return api_token(sign_in(browser.new_context(), deployment, name), deployment, name)


def _started(deployment: Deployment, hub: httpx2.Client, name: str, server: str, lab: str) -> float:
    """Seconds from the request to start until the first 200 of Lab's page."""
    _nothing_runs(deployment, name)
    try:
        start = time.perf_counter()
        hub.post(server).raise_for_status()
        return _seconds_until_ready(hub, lab, start)
    finally:
        _stop(deployment, hub, name, server)


def _signed_in(
    deployment: Deployment, browser: Browser, url: str, name: str, hub: httpx2.Client, server: str, presses: list[str]
) -> float:
    """Seconds from the click that signs in; ``presses``: the roles of what is to be pressed to start, in order."""
    _nothing_runs(deployment, name)
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{url}/hub/login")
        page.locator("input[name=username]").fill(name)
        page.locator("input[name=password]").fill(deployment.login(name))
        button = page.locator("form [type=submit]").first
        start = time.perf_counter()
        button.click(no_wait_after=True)
        for role in presses:
            start_notebook = page.get_by_role("main").get_by_role(role, name="Start notebook")  # type: ignore[arg-type]
            start_notebook.first.click(no_wait_after=True)
        page.locator("#jp-main-dock-panel").wait_for(timeout=READY_SECONDS * 1000)
        page.locator(".jp-Launcher").first.wait_for(timeout=READY_SECONDS * 1000)
        return time.perf_counter() - start
    finally:
        context.close()
        _stop(deployment, hub, name, server)


def _stop(deployment: Deployment, hub: httpx2.Client, name: str, server: str) -> None:
    """Stop, and wait until neither Slurm nor the Hub is busy with it any more."""
    hub.delete(server)
    _nothing_runs(deployment, name)
    person = server.rpartition("/")[0]
    eventually(lambda: not hub.get(person).json()["servers"], within=STOP_SECONDS, what=f"the Hub has stopped {server}")


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
    job = sbatch_as(deployment, name, script)
    try:
        with client(BARE_TOKEN) as bare:
            return _seconds_until_ready(bare, f"http://127.0.0.1:{port}/lab", start)
    finally:
        deployment.run("scancel", job)
        _nothing_runs(deployment, name)


def sbatch_as(deployment: Deployment, name: str, script: str) -> str:
    """Number of the job that ``name`` submits from a login shell's environment."""
    home = pwd.getpwnam(name).pw_dir
    login = ["env", "-i", f"HOME={home}", f"SLURM_CONF={deployment.slurm_conf}", "PATH=/usr/bin:/bin", "LANG=C.UTF-8"]
    sbatch = ["sbatch", "--parsable", f"--chdir={home}"]
    return deployment.run("runuser", "-u", name, "--", *login, *sbatch, text=script).stdout.strip()


def _seconds_until_ready(browserless: httpx2.Client, url: str, start: float) -> float:
    def ready() -> bool:
        try:
            return browserless.get(url).status_code == 200
        except httpx2.TransportError:
            return False

    eventually(ready, within=READY_SECONDS, every=POLL_SECONDS, what=f"{url} answers 200")
    return time.perf_counter() - start


def _nothing_runs(deployment: Deployment, name: str) -> None:
    eventually(lambda: not deployment.jobs_of(name), within=STOP_SECONDS, what=f"no job of {name} is left")
