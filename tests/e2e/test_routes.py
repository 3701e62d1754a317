"""The address of a server that has ended leads nowhere: at once if the server says so, within seconds otherwise."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import Page

from tests.deployment import Deployment
from tests.e2e.account import ledger
from tests.e2e.test_running import hub_log, server_process
from tests.e2e.visitor import Visitor, staying
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]

UNANNOUNCED_SECONDS = 10
ANNOUNCED_SECONDS = 2
"""For a farewell that the test has to see, too."""


@pytest.fixture
def founder(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    """Somebody whose server runs, and nothing waits, so the queue is looked at as seldom as it is."""
    with staying(deployment, signed_in, "founder") as visitor:
        visitor.start_notebook()
        visitor.page.goto(visitor.home)
        yield visitor
    # The next test starts a server of the same person.
    eventually(lambda: not has_server(deployment, visitor), within=30, what="the Hub knows that it has ended")


def has_server(deployment: Deployment, visitor: Visitor) -> bool:
    with ledger(deployment) as rows:
        query = "SELECT count(*) FROM server_attempts WHERE person = ? AND state != 'ended'"
        return bool(rows.execute(query, (visitor.name,)).fetchone()[0])


def has_route(deployment: Deployment, name: str) -> bool:
    settings = deployment.settings
    address = f"{settings.internal_scheme}://127.0.0.1:{settings.proxy.api_port}/api/routes"
    headers = {"Authorization": f"token {(deployment.etc / 'secrets/proxy').read_text().strip()}"}
    routes = httpx2.get(address, headers=headers, verify=deployment.certificate, trust_env=False, timeout=10).json()
    return any(route.rstrip("/").endswith(f"/user/{name}") for route in routes)


def seconds_with_route(deployment: Deployment, name: str) -> float:
    began = time.monotonic()
    eventually(lambda: not has_route(deployment, name), within=60, what="the route is gone")
    return time.monotonic() - began


def test_a_server_that_says_farewell_has_no_route_at_once(deployment: Deployment, founder: Visitor) -> None:
    assert has_route(deployment, founder.name)
    server = server_process(founder.name)
    server.send_signal(signal.SIGTERM)
    eventually(lambda: f"{founder.name} goes: finished" in hub_log(deployment), within=20, what="the farewell")

    assert seconds_with_route(deployment, founder.name) < ANNOUNCED_SECONDS
    founder.wait_until_nothing_runs_within(30)
    eventually(lambda: says_not_running(deployment, founder), within=20, what="the Hub answers at that address")


def says_not_running(deployment: Deployment, founder: Visitor) -> bool:
    """Right after the end, the page says that the server is stopping."""
    answer = founder.page.goto(deployment.server_url(founder.name))
    return answer is not None and answer.status == 424


def kill_server(deployment: Deployment, founder: Visitor) -> None:
    server_process(founder.name).kill()


def kill_job_script(deployment: Deployment, founder: Visitor) -> None:
    server: psutil.Process = server_process(founder.name)
    os.kill(server.ppid(), signal.SIGKILL)
    server.kill()


def cancel_job_at_slurm(deployment: Deployment, founder: Visitor) -> None:
    deployment.run("scancel", "--full", "--signal=KILL", *deployment.jobs_of(founder.name))


@pytest.mark.parametrize("end", [kill_server, kill_job_script, cancel_job_at_slurm])
def test_a_server_that_ends_unannounced_has_no_route_soon(
    deployment: Deployment, founder: Visitor, end: Callable[[Deployment, Visitor], None]
) -> None:
    assert has_route(deployment, founder.name)
    end(deployment, founder)

    assert seconds_with_route(deployment, founder.name) <= UNANNOUNCED_SECONDS


def test_stopping_ends_a_server_in_order(deployment: Deployment, founder: Visitor) -> None:
    [job] = deployment.jobs_of(founder.name)
    founder.stop_everything()

    eventually(lambda: ended_as(deployment, job) == "COMPLETED|0:0", within=20, what="the server ended by itself")


def ended_as(deployment: Deployment, job: str) -> str:
    return deployment.run("sacct", "-nPX", "-j", job, "-o", "State,ExitCode").stdout.strip()
