"""From the launcher to workers on the cluster, and nothing left behind."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import accessibility_problems, fetch, screenshot
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.visitor import Visitor
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

READY_MS = 90_000


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
    page.get_by_role("button", name="Start cluster").click()


def test_a_person_scales_looks_and_stops_by_the_page(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    page = open_scaling(founder)
    expect(page.locator("main")).to_contain_text("You have no cluster")
    expect(page.locator(".means")).to_contain_text("at once", timeout=30_000)
    screenshot(page, "scaling-empty")
    assert accessibility_problems(page) == []

    start_cluster(page, 2)
    card = page.get_by_label("Cluster dask-1")
    expect(card).to_contain_text("2 working", timeout=READY_MS)
    assert len(dask_jobs(founder)) == 2
    assert dask_jobs(founder)[0].split()[1].startswith(f"{deployment.settings.spawn.gateway}:{founder.name}::")
    card.get_by_text("Workers one by one").click()
    expect(card.locator("tbody tr")).to_have_count(2)
    card.get_by_text("Job script of a worker").click()
    expect(card.get_by_label("Job script")).to_contain_text("distributed.cli.dask_worker")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing scrolls sideways"
    screenshot(page, "scaling-working")
    assert accessibility_problems(page) == []

    card.get_by_label("Most workers").fill("3")
    card.get_by_label("Fewest workers").fill("3")
    card.get_by_role("button", name="Change size").click()
    expect(card).to_contain_text("3 working", timeout=READY_MS)
    card.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("Paused: no workers", timeout=READY_MS)
    eventually(lambda: not dask_jobs(founder), within=30, what="a paused cluster has no jobs")
    card.get_by_role("button", name="Stop").click()
    card.get_by_role("button", name="Stop dask-1 and lose").click()
    expect(page.locator("main")).to_contain_text("You have no cluster", timeout=30_000)


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
    assert [(one["name"], one["workers"]) for one in panel] == [("mine", 2)]
    check = ask(founder, "GET", f"dask/dashboard-check/{deployment.server_url(founder.name)}dask/dashboard/mine")
    assert "Individual Task Stream" in json.loads(check["text"])["plots"], check

    dashboard = founder.page.context.new_page()
    dashboard.goto(f"{deployment.server_url(founder.name)}atrium/clusters/mine/dashboard/status")
    expect(dashboard).to_have_title(re.compile("Dask"))
    dashboard.wait_for_function(
        "window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].roots().length > 0", timeout=30_000
    )
    screenshot(dashboard, "dask-dashboard")

    stranger = visit("colleague")
    stranger.page.goto(f"{deployment.server_url(founder.name)}atrium/clusters/mine/dashboard/status")
    assert "Dask" not in stranger.page.title()

    founder.page.goto("about:blank")
    dashboard.close()
    founder.page.goto(f"{deployment.server_url(founder.name)}lab")
    assert [one["name"] for one in clusters(founder)] == ["mine"]
    assert len(dask_jobs(founder)) == 2

    founder.page.goto(founder.home)
    fetch(founder.page, "DELETE", f"{deployment.public_url}/hub/api/users/{founder.name}/server")
    eventually(lambda: not workers_jobs(founder), within=60, what="no job is left after the server")


def test_what_changes_clusters_needs_the_pages_token(visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    script = """async url => (await fetch(url, {method: "POST", body: "{}"})).status"""
    assert founder.page.evaluate(script, f"{founder.deployment.server_url(founder.name)}atrium/clusters") == 403
    assert clusters(founder) == []
    assert ask(founder, "POST", "atrium/clusters", {"shape": {"partition": "batch; id"}})["status"] == 422
    assert ask(founder, "DELETE", "atrium/clusters/none")["status"] == 404
