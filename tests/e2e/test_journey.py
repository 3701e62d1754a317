"""The founder's whole path: sign in, notebook on Slurm, Dask workers, dashboards, stop."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import accessibility_problems, dashboard_link, screenshot
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.visitor import START_SECONDS, Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

WHO = "import getpass; getpass.getuser()"
# What a person writes who has read dask-jobqueue's manual; account and queue are Slurm's words.
SUM_ON_TWO_WORKERS = """\
from dask_jobqueue import SLURMCluster
from dask.distributed import Client
import dask.array as da
cluster = SLURMCluster(account="demo", queue="batch", cores=1, memory="1GB", walltime="00:10:00")
cluster.scale(jobs=2)
client = Client(cluster)
client.wait_for_workers(2, timeout=150)
hosts = {worker["name"] for worker in client.scheduler_info()["workers"].values()}
total = da.ones((1000, 1000), chunks=(100, 1000)).sum().compute()
print("workers", len(hosts), "sum", int(total))
"""
END_WORKERS = "client.close(); cluster.close()"


def test_founders_path_from_sign_in_to_an_empty_queue(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    look_at_home(founder)
    start_a_notebook(founder)
    compute_on_two_workers(founder)
    open_every_dashboard(founder)
    stop_the_notebook(founder)


def look_at_home(founder: Visitor) -> None:
    page = founder.page
    page.goto(founder.home)
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("main")).to_contain_text("demo", ignore_case=True)
    screenshot(page, "home")


def start_a_notebook(founder: Visitor) -> None:
    page, deployment = founder.page, founder.deployment
    page.locator("#start").click()
    expect(page.get_by_role("button", name="Start notebook")).to_be_visible()
    screenshot(page, "spawn")
    page.get_by_role("button", name="Start notebook").click()
    page.wait_for_url(re.compile("/hub/spawn-pending/|/lab"))
    if "/spawn-pending/" in page.url:
        screenshot(page, "pending")
    founder.wait_for_lab()

    assert deployment.squeue(f"--user={founder.name}", "--format=%u %T") == [f"{founder.name} RUNNING"]


def compute_on_two_workers(founder: Visitor) -> None:
    page = founder.page
    new_notebook(page)
    assert run_cell(page, WHO) == repr(founder.name)
    assert "workers 2 sum 1000000" in run_cell(page, SUM_ON_TWO_WORKERS, within=240)
    assert len(founder.deployment.jobs_of(founder.name)) == 3
    screenshot(page, "lab")
    run_cell(page, END_WORKERS)


@pytest.mark.parametrize("name", ["onboarding", "dataspaces"])
def test_dashboards_greet_a_person_without_a_server(name: str, visit: Visit) -> None:
    visit("founder").open_dashboard(name)


def open_every_dashboard(founder: Visitor) -> None:
    for name in ("onboarding", "dataspaces", "scaling"):
        founder.open_dashboard(name)
        screenshot(founder.page, name)


def test_scaling_link_starts_the_server_first_when_none_runs(visit: Visit) -> None:
    founder = visit("founder")
    founder.page.goto(founder.home)
    dashboard_link(founder.page, "scaling").click()
    founder.page.get_by_role("button", name="Start notebook").click()
    founder.wait_for_greeting(within=START_SECONDS)

    assert founder.page.url.startswith(founder.deployment.server_url(founder.name))


def stop_the_notebook(founder: Visitor) -> None:
    page = founder.page
    page.goto(founder.home)
    screenshot(page, "home-running")
    page.get_by_role("button", name="Stop Notebook").click()
    page.get_by_role("button", name="Stop it").click()
    founder.wait_until_nothing_runs()

    assert founder.deployment.squeue(f"--user={founder.name}") == []


def test_pages_keep_to_wcag_2_2_aa(deployment: Deployment, browser: Browser, visit: Visit) -> None:
    login = browser.new_page()
    login.goto(f"{deployment.public_url}/hub/login")
    screenshot(login, "login")
    problems = {"login": accessibility_problems(login)}
    login.close()
    founder = visit("founder")
    for name in ("home", "spawn"):
        founder.page.goto(f"{deployment.public_url}/hub/{name}")
        problems[name] = accessibility_problems(founder.page)
    for name in ("onboarding", "dataspaces"):
        founder.open_dashboard(name)
        problems[name] = accessibility_problems(founder.page)

    assert {name: violations for name, violations in problems.items() if violations} == {}
