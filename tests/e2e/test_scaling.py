"""The Scale page, from the launcher to workers on the cluster, without leftover jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import accessibility_problems, fetch, screenshot
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, open_empty_lab, run_cell
from tests.e2e.managing import changed
from tests.e2e.test_running import restart_hub
from tests.e2e.visitor import Visitor
from tests.polling import eventually
from tests.temporary_deployment import changed_settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

READY_MS = 90_000
GRACE_SECONDS = 4


def ask(visitor: Visitor, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Of the person's server, as its own pages ask."""
    url = f"{visitor.deployment.server_url(visitor.name)}{path}"
    return fetch(visitor.page, method, url, None if body is None else json.dumps(body))


def clusters(visitor: Visitor) -> list[dict[str, Any]]:
    answer = ask(visitor, "GET", "atrium/clusters")
    assert answer["status"] == 200, answer
    return list(json.loads(answer["text"]))


def workers_jobs(visitor: Visitor) -> list[str]:
    return visitor.deployment.squeue(f"--user={visitor.name}", "--format=%j %k", "--states=PENDING,RUNNING")


def dask_jobs(visitor: Visitor) -> list[str]:
    return [line for line in workers_jobs(visitor) if "-dask " in line]


def open_scaling(visitor: Visitor) -> Page:
    visitor.page.goto(f"{visitor.deployment.server_url(visitor.name)}atrium/scaling")
    visitor.wait_for_greeting()
    return visitor.page


def start_cluster(page: Page, workers: int) -> None:
    page.get_by_label("Workers", exact=True).fill(str(workers))
    page.get_by_label("Workers", exact=True).press("Tab")
    page.get_by_role("button", name="Start cluster").press("Enter")


def test_a_person_scales_looks_and_stops_by_the_page(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    page = open_scaling(founder)
    expect(page.locator("main")).to_contain_text("You have no cluster")
    expect(page.locator(".means")).to_contain_text("at once", timeout=90_000)
    screenshot(page, "scaling-empty")
    assert accessibility_problems(page) == []

    start_cluster(page, 2)
    card = page.get_by_label("Cluster dask-1")
    expect(card).to_contain_text("2 working", timeout=READY_MS)
    assert len(dask_jobs(founder)) == 2
    assert dask_jobs(founder)[0].split()[1].startswith(f"{deployment.settings.spawn.gateway}:dask:{founder.name}::")
    card.get_by_text("List of workers").click()
    expect(card.locator("tbody tr")).to_have_count(2)
    card.get_by_text("Job script of a worker").click()
    expect(card.get_by_label("Job script")).to_contain_text("distributed.cli.dask_worker")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing scrolls sideways"
    screenshot(page, "scaling-working")
    assert accessibility_problems(page) == []

    card.get_by_label("Maximum workers").fill("3")
    card.get_by_label("Minimum workers").fill("3")
    card.get_by_role("button", name="Change size").click()
    expect(card).to_contain_text("3 working", timeout=READY_MS)
    card.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("Paused: no workers", timeout=READY_MS)
    eventually(lambda: not dask_jobs(founder), within=30, what="a paused cluster has no jobs")
    stop, keep = card.get_by_role("button", name="Stop", exact=True), card.get_by_role("button", name="Keep it")
    stop.press("Enter")
    expect(keep).to_be_focused()
    keep.press("Enter")
    expect(stop).to_be_focused()
    stop.press("Enter")
    card.get_by_role("button", name="Stop dask-1 and lose").press("Enter")
    expect(page.locator("main")).to_contain_text("You have no cluster", timeout=90_000)


def test_the_picture_moves_twice_a_second(visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    page = open_scaling(founder)
    start_cluster(page, 1)
    expect(page.get_by_label("Cluster dask-1")).to_contain_text("1 working", timeout=READY_MS)
    notebook = (
        "import time; from widgets import Cluster; c = Cluster.join()\n"
        "f = c.client.map(time.sleep, [0.2] * 100, pure=False)"
    )
    lab = page.context.new_page()
    lab.goto(f"{founder.deployment.server_url(founder.name)}lab")
    new_notebook(lab)
    run_cell(lab, notebook)
    meter = page.locator(".dask-meter").first
    seen = {meter.inner_text()}

    def moves() -> bool:
        seen.add(meter.inner_text())
        return len(seen) > 4

    eventually(moves, within=30, what="numbers that move")


def test_one_cluster_in_all_places(deployment: Deployment, visit: Visit) -> None:
    """Made in a notebook: known to the page, the Dask panel and a plain client; its dashboard opens without sign-in;
    a closed tab ends nothing; the server's end ends it."""
    founder = visit("founder")
    founder.start_notebook()
    new_notebook(founder.page)
    assert "'mine'" in run_cell(
        founder.page, "from widgets import Cluster\ncluster = Cluster('mine', workers=2)\ncluster.wait(2)\ncluster.name"
    )
    assert "6" in run_cell(founder.page, "cluster.client.submit(sum, [1, 2, 3]).result()")
    plain = "from dask.distributed import Client\nClient(cluster.now.address).submit(sum, [4, 5]).result()"
    assert "9" in run_cell(founder.page, plain)

    panel = json.loads(ask(founder, "GET", "dask/clusters")["text"])
    assert [(cluster["name"], cluster["workers"]) for cluster in panel] == [("mine", 2)]
    check = ask(founder, "GET", f"dask/dashboard-check/{deployment.server_url(founder.name)}dask/dashboard/mine")
    assert "Individual Task Stream" in json.loads(check["text"])["plots"], check

    dashboard = founder.page.context.new_page()
    dashboard.goto(f"{deployment.server_url(founder.name)}atrium/clusters/mine/dashboard/status")
    expect(dashboard).to_have_title(re.compile("Dask"))
    dashboard.wait_for_function(
        "window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].roots().length > 0", timeout=90_000
    )
    screenshot(dashboard, "dask-dashboard")

    stranger = visit("colleague")
    stranger.page.goto(f"{deployment.server_url(founder.name)}atrium/clusters/mine/dashboard/status")
    assert "Dask" not in stranger.page.title()

    founder.page.goto("about:blank")
    dashboard.close()
    founder.page.goto(f"{deployment.server_url(founder.name)}lab")
    assert [cluster["name"] for cluster in clusters(founder)] == ["mine"]
    assert len(dask_jobs(founder)) == 2

    founder.page.goto(founder.home)
    fetch(founder.page, "DELETE", f"{deployment.public_url}/hub/api/users/{founder.name}/server")
    eventually(lambda: not workers_jobs(founder), within=60, what="no job is left after the server")


def test_changing_clusters_needs_the_xsrf_token_of_the_page(visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    script = """async url => (await fetch(url, {method: "POST", body: "{}"})).status"""
    assert founder.page.evaluate(script, f"{founder.deployment.server_url(founder.name)}atrium/clusters") == 403
    assert clusters(founder) == []
    assert ask(founder, "POST", "atrium/clusters", {"shape": {"partition": "batch; id"}})["status"] == 422
    assert ask(founder, "DELETE", "atrium/clusters/none")["status"] == 404


def manager_process(visitor: Visitor) -> int:
    pids = visitor.deployment.run("pgrep", f"--uid={visitor.name}", "--full", "spawners[.]dask [0-9]")
    return int(pids.stdout.split()[0])


def test_a_killed_manager_restarts_and_reports_lost_clusters(deployment: Deployment, visit: Visit) -> None:
    """By the next request, on the same socket; its workers are gone, and a new cluster can have the same name."""
    founder = visit("founder")
    founder.start_notebook()
    page = open_scaling(founder)
    start_cluster(page, 2)
    card = page.get_by_label("Cluster dask-1")
    expect(card).to_contain_text("2 working", timeout=READY_MS)
    before, first = dask_jobs(founder), manager_process(founder)

    os.kill(first, signal.SIGKILL)
    expect(page.locator("main")).to_contain_text("The scheduler of dask-1 was ended from outside", timeout=READY_MS)
    expect(page.locator("main")).to_contain_text("Start a new cluster and compute again.")
    expect(card).to_have_count(0)
    assert manager_process(founder) != first
    eventually(lambda: not dask_jobs(founder), within=60, what="its workers are gone")
    screenshot(page, "scaling-killed")
    assert accessibility_problems(page) == []

    start_cluster(page, 1)
    expect(card).to_contain_text("1 working", timeout=READY_MS)
    expect(page.locator("main")).not_to_contain_text("was ended from outside")
    assert len(dask_jobs(founder)) == 1
    assert before


def test_a_server_killed_with_its_manager_leaves_waiting_workers_to_the_next_one(
    deployment: Deployment, visit: Visit
) -> None:
    """Workers that wait for a node do not notice that nobody waits for them any more."""
    founder = visit("founder")
    founder.start_notebook()
    partition = f"partitionname={deployment.settings.slurm.dask_partition}"
    down, up = (f"scontrol update {partition} state={state}" for state in ("down", "up"))
    with changed(deployment, down, up):
        assert ask(founder, "POST", "atrium/clusters", {"name": "left"})["status"] == 201
        eventually(lambda: len(dask_jobs(founder)) == 2, within=30, what="two workers are asked for")
        [server] = deployment.squeue(f"--user={founder.name}", f"--name={notebook_job(deployment)}", "--format=%A")
        programs = deployment.run("pgrep", f"--uid={founder.name}", "--full", "spawners[.](dask|node)").stdout
        for process in programs.split():
            os.kill(int(process), signal.SIGKILL)
        eventually(lambda: server not in deployment.jobs_of(founder.name), within=60, what="the server's job is over")
        assert len(dask_jobs(founder)) == 2, "nobody has told them"

        founder.page.goto(founder.home)
        user = f"{deployment.public_url}/hub/api/users/{founder.name}"
        eventually(lambda: not told_by_hub(founder, user)["servers"], within=90, what="the Hub knows", every=1)
        founder.start_notebook()
        page = open_scaling(founder)
        expect(page.locator("main")).to_contain_text("The scheduler of left was ended from outside", timeout=READY_MS)
        eventually(lambda: not dask_jobs(founder), within=60, what="its workers are gone")


def told_by_hub(visitor: Visitor, url: str) -> dict[str, Any]:
    return dict(json.loads(fetch(visitor.page, "GET", url)["text"]))


def notebook_job(deployment: Deployment) -> str:
    return f"{deployment.settings.spawn.gateway}-notebook"


def test_the_hub_ends_workers_without_a_server(deployment: Deployment, visit: Visit) -> None:
    """By its own rounds, and not before the time of grace: a job that says it is of an attempt that is over."""
    founder = visit("founder")
    gateway, account = deployment.settings.spawn.gateway, deployment.settings.slurm.default_account
    words = ["--begin=now+1hour", "--output=/dev/null", "--chdir=/tmp", f"--account={account}", "--wrap=true"]
    named = [f"--job-name={gateway}-dask", f"--comment={gateway}:dask:{founder.name}::999999:0a1b2c3d:dask-1"]
    lines = f"[spawn]\norphan_seconds = {GRACE_SECONDS}\n"
    with changed_settings(deployment, {"[spawn]\n": lines}, apply=restart_hub):
        start = time.monotonic()
        deployment.run("runuser", "-u", founder.name, "--", "sbatch", *words, *named)
        assert dask_jobs(founder)
        eventually(lambda: not dask_jobs(founder), within=90, what="the Hub has ended it", every=0.1)
        assert time.monotonic() - start >= GRACE_SECONDS


def test_the_dask_panel_of_lab_and_the_page_show_the_same_clusters(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    lab = founder.page
    open_empty_lab(lab, deployment.server_url(founder.name))
    lab.locator("li[data-id=dask-dashboard-launcher]").click(timeout=READY_MS)
    panel = lab.locator(".dask-DaskClusterManager")
    panel.get_by_title("Start New Dask Cluster").click()
    item = panel.locator("[data-cluster-id=dask-1]")
    expect(item).to_contain_text("Number of Workers: 2", timeout=READY_MS)
    expect(lab.get_by_text("TASK STREAM", exact=False).first).to_be_visible(timeout=90_000)

    page = lab.context.new_page()
    page.goto(f"{deployment.server_url(founder.name)}atrium/scaling")
    card = page.get_by_label("Cluster dask-1")
    expect(card).to_contain_text("2 working", timeout=READY_MS)

    item.get_by_title("Rescale dask-1").click()
    dialog = lab.get_by_role("dialog")
    dialog.locator("input[type=number]").first.fill("1")
    dialog.get_by_text("SCALE", exact=True).click()
    expect(card).to_contain_text("1 working (1 requested)", timeout=READY_MS)
    item.get_by_title("Rescale dask-1").click()
    dialog.locator("input[type=checkbox]").check()
    dialog.locator("input[type=number]").nth(1).fill("0")
    dialog.locator("input[type=number]").nth(2).fill("3")
    dialog.get_by_text("SCALE", exact=True).click()
    expect(card).to_contain_text("0 to 3, by work", timeout=READY_MS)

    start_cluster(page, 1)
    expect(panel.locator("[data-cluster-id=dask-2]")).to_contain_text("Number of Workers: 1", timeout=READY_MS)
    item.get_by_title("Shutdown dask-1").click()
    expect(card).to_have_count(0, timeout=READY_MS)
    expect(item).to_have_count(0, timeout=READY_MS)
    page.get_by_label("Cluster dask-2").get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop dask-2 and lose").click()
    expect(panel.locator("[data-cluster-id]")).to_have_count(0, timeout=READY_MS)
    eventually(lambda: not dask_jobs(founder), within=30, what="no worker is left")
