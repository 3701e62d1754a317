"""``kill -9`` of every process in turn, of all nodes' at once: they come back, the notebook goes on, ``make status``
tells."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress

import pytest
from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from deploy.dev.layout import Layout, Options
from deploy.dev.programs import programs
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell, wait_for_kernel
from tests.polling import eventually
from tests.temporary_deployment import atrium

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500, func_only=True)]

BACK_SECONDS = 120
STATUS_SECONDS = 60


def test_every_process_comes_back_and_the_notebook_goes_on(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    new_notebook(founder.page)
    run_cell(founder.page, "runs = 0")
    dismiss_warnings(founder.page)
    jobs = deployment.jobs_of(founder.name)

    names = sorted(deployment.processes())
    nodes = [name for name in names if name.startswith("slurmd-")]
    assert len(nodes) > 1
    alone = [[name] for name in names if name not in nodes]
    for count, killed in enumerate([nodes, *alone], start=1):
        kill(deployment, killed)
        wait_for_kernel(founder.page)
        assert run_cell(founder.page, "runs += 1; runs") == str(count), f"notebook after {killed} were killed"
        assert deployment.jobs_of(founder.name) == jobs, f"jobs after {killed} were killed"


def dismiss_warnings(page: Page) -> None:
    """Lab asks whether to restart a server it cannot reach, and says what it could not save; a person waits instead."""

    def dismiss(dialog: Locator) -> None:
        with suppress(PlaywrightTimeoutError):  # closed by itself once the server answers
            dialog.locator(".jp-mod-reject").first.click(timeout=10_000)

    page.add_locator_handler(page.locator(".jp-Dialog"), dismiss)


def kill(deployment: Deployment, names: list[str]) -> None:
    """``kill -9``, and wait until a new process of each program runs, answers and all is healthy."""
    before = deployment.processes()
    for name in names:
        os.kill(before[name], signal.SIGKILL)

    def back() -> bool:
        now = deployment.processes()
        return all(now.get(name, before[name]) != before[name] for name in names)

    layout = Layout(Options.read({"ATRIUM_PREFIX": str(deployment.prefix)}))
    checks = [program.check for program in programs(layout) if program.name in names]
    eventually(back, within=BACK_SECONDS, every=0.1, what=f"the supervisor brings {names} back")
    eventually(lambda: not any(check() for check in checks), within=BACK_SECONDS, every=0.1, what=f"{names} answer")
    eventually(healthy, within=BACK_SECONDS, every=0.5, what=f"status is well again after {names} were killed")


def test_status_lists_programs_that_do_not_run(deployment: Deployment) -> None:
    assert re.search(r"^worker\b", atrium("status", within=STATUS_SECONDS), flags=re.MULTILINE)
    deployment.supervisorctl("stop", "worker")
    try:
        with pytest.raises(AssertionError, match=r"ended with [1-9](.|\n)*worker +(STOPPED|stopped)"):
            atrium("status", within=STATUS_SECONDS)
    finally:
        deployment.supervisorctl("start", "worker")
    eventually(healthy, within=BACK_SECONDS, every=0.5, what="status is well again")


def healthy() -> bool:
    try:
        atrium("status", within=STATUS_SECONDS)
    except AssertionError:
        return False
    return True
