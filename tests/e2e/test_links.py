"""What a link can do on a person's own server: it runs no notebook and reaches no port of the node."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser import accessibility_problems, fetch, screenshot, websocket_opens
from tests.deployment import Deployment
from tests.e2e.lab import new_notebook, open_empty_lab, run_cell
from tests.e2e.visitor import Visitor, staying

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

READY_MS = 90_000
RESULT = "The answer is 42"


@pytest.fixture(scope="module")
def founder(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    with staying(deployment, signed_in, "founder") as visitor:
        visitor.start_notebook()
        yield visitor


@pytest.fixture
def server(deployment: Deployment, founder: Visitor) -> str:
    """Address of the founder's server."""
    return deployment.server_url(founder.name)


def write_notebook(visitor: Visitor, server: str, path: str) -> None:
    """A trusted notebook in the person's home that shows :data:`RESULT` when it runs."""
    source = "print('The answer', 'is', 6 * 7)"
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "a",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    body = json.dumps({"type": "notebook", "format": "json", "content": notebook})
    answer = fetch(visitor.page, "PUT", f"{server}api/contents/{path}", body)
    assert answer["status"] in (200, 201), answer
    trusted = fetch(visitor.page, "POST", f"{server}api/contents/{path}/trust")  # or Voila's preview asks, too
    assert trusted["status"] == 201, trusted


def test_a_link_to_a_page_of_a_notebook_asks_first(founder: Visitor, server: str) -> None:
    page = founder.page
    write_notebook(founder, server, "linked.ipynb")
    page.goto(f"{server}voila/render/linked.ipynb")
    expect(page.get_by_role("heading", level=1)).to_have_text("Run linked.ipynb?")
    screenshot(page, "confirm-render")
    assert accessibility_problems(page) == []
    expect(page.locator("main")).not_to_contain_text(RESULT)

    page.get_by_role("button", name="Run notebook").click()
    expect(page.get_by_text(RESULT)).to_be_visible(timeout=READY_MS)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Run linked.ipynb?")


def test_labs_preview_runs_for_the_person_and_asks_when_it_is_restored(founder: Visitor, server: str) -> None:
    page = founder.page
    write_notebook(founder, server, "preview.ipynb")
    preview = page.frame_locator("iframe[src*='voila/render/preview.ipynb']")
    open_empty_lab(page, server)
    page.locator("#jp-main-dock-panel").wait_for(timeout=READY_MS)
    page.goto(f"{server}lab/tree/preview.ipynb")
    with page.expect_response(saves_the_preview, timeout=READY_MS):
        page.locator(".voilaRender").first.click(timeout=READY_MS)
        expect(preview.get_by_text(RESULT)).to_be_visible(timeout=READY_MS)
    page.get_by_title("Reload Preview").click()
    expect(preview.get_by_text(RESULT)).to_be_visible(timeout=READY_MS)

    page.goto(f"{server}lab")
    expect(preview.get_by_role("button", name="Run notebook")).to_be_visible(timeout=READY_MS)
    expect(preview.get_by_text(RESULT)).to_have_count(0)


def saves_the_preview(response: Response) -> bool:
    """Whether JupyterLab has saved a layout with a preview in it."""
    request = response.request
    return (
        request.method == "PUT"
        and "/lab/api/workspaces" in request.url
        and "voila-preview" in (request.post_data or "")
    )


def test_a_link_asks_before_it_resets_the_layout(founder: Visitor, server: str) -> None:
    page = founder.page
    page.goto(f"{server}lab?reset")
    expect(page.get_by_role("heading", level=1)).to_have_text("Reset JupyterLab's layout?")
    screenshot(page, "confirm-reset")
    assert accessibility_problems(page) == []
    page.get_by_role("link", name="Keep layout").click()
    page.locator("#jp-main-dock-panel").wait_for(timeout=READY_MS)
    assert "reset" not in page.url


def test_the_dashboard_of_a_plain_cluster_opens_at_its_link(
    deployment: Deployment, founder: Visitor, server: str, signed_in: Callable[[str], Page]
) -> None:
    new_notebook(founder.page)
    code = (
        "from dask_jobqueue import SLURMCluster\ncluster = SLURMCluster(cores=1, memory='1GB')\ncluster.dashboard_link"
    )
    link = run_cell(founder.page, code, within=120).strip("'")
    assert re.fullmatch(rf"/user/{founder.name}/atrium/clusters/\d+/dashboard/status", link)
    address = server.removesuffix(f"/user/{founder.name}/") + link
    dashboard = founder.page.context.new_page()
    dashboard.goto(address)
    expect(dashboard).to_have_title(re.compile("Dask"))
    dashboard.wait_for_function(
        "window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].roots().length > 0", timeout=READY_MS
    )
    check = fetch(founder.page, "GET", f"{server}dask/dashboard-check/{address}")
    assert "Individual Task Stream" in json.loads(check["text"])["plots"], check
    dashboard.close()

    run_cell(founder.page, "cluster.close()")
    assert fetch(founder.page, "GET", address)["status"] == 404


def test_no_port_of_the_node_is_reached(founder: Visitor, server: str) -> None:
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(418)

    backend = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=backend.serve_forever, daemon=True).start()
    port = backend.server_port
    paths = [
        f"proxy/{port}/",
        f"proxy/127.0.0.1:{port}/",
        f"proxy/absolute/{port}/",
        f"proxy/absolute/localhost:{port}/",
    ]
    paths += [f"atrium/clusters/{port}/dashboard/status", f"dask/dashboard/{port}/status"]
    statuses = {path: fetch(founder.page, "GET", server + path)["status"] for path in paths}
    sockets = [path for path in paths if websocket_opens(founder.page, (server + path).replace("http", "ws", 1))]
    fetch(founder.page, "GET", f"{server}dask/dashboard-check/{server}proxy/{port}/status")
    backend.shutdown()
    backend.server_close()

    assert statuses == {path: 403 if path.startswith("proxy") else 404 for path in paths}
    assert sockets == []
    assert requests == []
