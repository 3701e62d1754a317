"""Programs that use a person's server with a token, and names of second servers that would break the first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.browser import fetch
from tests.deployment import Deployment
from tests.e2e.account import SMALL, Account, signed_in
from tests.e2e.visitor import Visitor
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

READY_MS = 120_000


@pytest.fixture(scope="module")
def colleague(deployment: Deployment, browser: Browser) -> Iterator[Account]:
    with signed_in(deployment, browser, "colleague") as account:
        yield account


def at_hub(account: Account, path: str = "") -> str:
    """An address of the person's server at the Hub's host, as programs build it from what the Hub's API says."""
    return f"{account.deployment.public_url}/user/{account.name}/{path}"


def token_of(account: Account) -> dict[str, str]:
    return {"Authorization": account.http.headers["Authorization"]}


def test_a_program_starts_a_server_runs_code_and_stops_it_at_one_address(colleague: Account) -> None:
    colleague.start()
    colleague.wait_until_ready()
    http = colleague.http
    written = http.put(at_hub(colleague, "api/contents/from-a-program.txt"), json=text_file("hello"))
    assert written.status_code in (200, 201), written.text
    assert "set-cookie" not in written.headers
    assert http.get(at_hub(colleague, "api/contents/from-a-program.txt")).json()["content"] == "hello"
    assert not http.cookies, "the next request would be taken for a browser's"

    kernel = http.post(at_hub(colleague, "api/kernels"), json={"name": "python3"}).raise_for_status().json()["id"]
    address = at_hub(colleague, f"api/kernels/{kernel}/channels").replace("http", "ws", 1)
    with ThreadPoolExecutor(1) as thread:  # the loop of this one is the browser's
        output = thread.submit(lambda: asyncio.run(executed(address, token_of(colleague), "print(6 * 7)"))).result()
    assert output == "42\n"
    assert http.delete(at_hub(colleague, f"api/kernels/{kernel}")).status_code == 204

    colleague.stop()
    colleague.wait_until_gone()
    for url in (at_hub(colleague, "api/status"), colleague.deployment.server_url(colleague.name) + "api/status"):
        for method in ("GET", "POST"):
            stopped = http.request(method, url, follow_redirects=True)
            assert (stopped.status_code, stopped.json()["status"]) == (424, 424), (method, url)
            assert f"/hub/api/users/{colleague.name}/server" in stopped.json()["message"]


def text_file(content: str) -> dict[str, str]:
    return {"type": "file", "format": "text", "content": content}


async def executed(address: str, headers: dict[str, str], code: str) -> str:
    """What ``code`` prints in the kernel behind a web socket."""
    origin = {"Origin": f"http://{urlsplit(address).netloc}"}  # as websocket-client sends it
    connection = await websocket_connect(HTTPRequest(address, headers=headers | origin, connect_timeout=20))
    header = {
        "msg_id": uuid4().hex,
        "msg_type": "execute_request",
        "session": uuid4().hex,
        "username": "",
        "version": "5.4",
    }
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    await connection.write_message(json.dumps(request))
    while True:
        message = await asyncio.wait_for(connection.read_message(), 60)
        assert message is not None, "the server closed the connection"
        reply: dict[str, Any] = json.loads(message)
        if reply["msg_type"] == "stream":
            connection.close()
            return str(reply["content"]["text"])


def test_without_a_valid_token_nobody_gets_a_sign_in_page_as_an_answer(
    deployment: Deployment, colleague: Account
) -> None:
    name = colleague.name
    colleague.stop()
    colleague.wait_until_gone()
    with client("wrong") as http:
        for path in (f"user/{name}/api/status", f"user/{name}/lab", f"user/nobody-{uuid4().hex[:6]}/api"):
            answers = [
                http.get(f"{deployment.public_url}/{prefix}{path}", follow_redirects=True) for prefix in ("", "hub/")
            ]
            assert [answer.status_code for answer in answers] == [424, 403], path
            assert all("json" in answer.headers["content-type"] for answer in answers)


def test_a_browser_at_the_hubs_host_is_sent_to_the_persons_host_and_takes_no_cookie_there(
    deployment: Deployment, visit: Callable[[str], Visitor]
) -> None:
    founder = visit("founder")
    founder.start_notebook()
    page, name = founder.page, founder.name
    server = deployment.server_url(name)
    script = "document.cookie = 'planted=1; domain=' + location.hostname; document.title = 'ran'"
    body = json.dumps(text_file(f"<script>{script}</script>"))
    assert fetch(page, "PUT", f"{server}api/contents/planted.html", body)["status"] in (200, 201)

    page.goto(f"{deployment.public_url}/user/{name}/files/planted.html")
    assert page.url == f"{server}files/planted.html"
    assert "planted" not in {cookie["name"] for cookie in page.context.cookies(deployment.public_url)}

    hub_cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies(f"{deployment.public_url}/hub/")}
    address = f"{deployment.public_url}/user/{name}/api/status"
    with client() as http:
        statuses = {
            what: http.get(address, headers=headers).status_code
            for what, headers in {
                "cookies": {"Cookie": as_header(hub_cookies)},
                "cookies and a token": {"Cookie": as_header(hub_cookies), "Authorization": "token x"},
                "a password": {"Authorization": "Basic YTpi"},
                "a page": {"Authorization": "token x", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"},
                "a page of the server": {"Authorization": "token x", "Origin": server.partition("/user/")[0]},
            }.items()
        }
        shown = http.get(address, headers={"Authorization": "token x"})
    assert statuses == dict.fromkeys(statuses, 307)
    assert shown.status_code == 403
    assert shown.headers["content-security-policy"] == "sandbox"
    assert fetched_with_a_token(page, deployment.public_url, address) == "refused"


def as_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def fetched_with_a_token(page: Page, origin: str, address: str) -> str:
    """What a script of the Hub's own origin gets if it asks for a server's address with a token."""
    page.goto(f"{origin}/hub/home")
    script = """async (address) => {
        try {
            const answer = await fetch(address, { headers: { Authorization: "token x" } });
            return `${answer.status} of ${answer.url}`;
        } catch { return "refused"; }
    }"""
    return str(page.evaluate(script, address))


# -- names ------------------------------------------------------------------------------------------------------------


def test_a_second_notebook_cannot_take_the_firsts_addresses(
    deployment: Deployment, visit: Callable[[str], Visitor]
) -> None:
    founder = visit("founder")
    founder.start_notebook()
    page, server = founder.page, deployment.server_url(founder.name)
    page.goto(f"{deployment.public_url}/hub/home")
    page.get_by_text("Start a second notebook").click()
    page.locator("#another-name").fill("API")
    page.get_by_role("button", name="Choose size").click()
    expect(page.locator("main")).to_contain_text("A notebook cannot be called “api”")
    page.get_by_role("link", name="api-notebook").click()
    expect(page.get_by_role("button", name="Start notebook")).to_be_visible()
    assert "/spawn/" in page.url and "api-notebook" in page.url

    page.goto(f"{server}lab")
    answer = fetch(page, "GET", f"{server}api/status")
    assert answer["status"] == 200, "the first one works"


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_neither_can_a_program(colleague: Account, method: str) -> None:
    answer = colleague.http.request(method, colleague.url("lab"), json={"user_options": SMALL})

    assert answer.status_code == 422
    assert "for example “lab-notebook”" in answer.json()["message"]
    user: httpx2.Response = colleague.http.get(f"{colleague.deployment.public_url}/hub/api/users/{colleague.name}")
    assert "lab" not in user.json()["servers"]


# -- a notebook as a page ---------------------------------------------------------------------------------------------


def test_a_page_takes_an_upload_of_100_mb_refuses_more_and_fetches_nothing_elsewhere(
    deployment: Deployment, visit: Callable[[str], Visitor], tmp_path: Path
) -> None:
    founder = visit("founder")
    founder.start_notebook()
    page, server = founder.page, deployment.server_url(founder.name)
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    write_page(page, server)
    page.goto(f"{server}voila/render/upload.ipynb")
    page.get_by_role("button", name="Run notebook").click()
    button = page.get_by_role("button", name="Upload")
    expect(button).to_be_visible(timeout=READY_MS)
    expect(page.get_by_text("Up to 100 MB at once")).to_be_visible()

    large, small = tmp_path / "large.bin", tmp_path / "small.bin"
    for path, size in ((large, 100_000_001), (small, 100_000_000)):
        with path.open("wb") as file:
            file.truncate(size)
    choose(page, large)
    expect(page.get_by_role("alert")).to_contain_text("Not sent: “large.bin” (101 MB). This page sends up to 100 MB")
    choose(page, small)
    expect(page.get_by_text("received 100000000 bytes of small.bin")).to_be_visible(timeout=READY_MS)
    expect(page.get_by_role("alert")).to_have_count(0)

    ours = urlsplit(deployment.public_url).netloc
    assert {host for host in hosts if host and not host.endswith(ours)} == set()  # blob: and data: have none


def choose(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload").click()
    chooser.value.set_files(path)


def write_page(page: Page, server: str) -> None:
    source = (
        "import ipywidgets as widgets\nupload, label = widgets.FileUpload(), widgets.Label()\n"
        "def show(change):\n    file = change['new'][0]\n"
        "    label.value = f\"received {len(file['content'])} bytes of {file['name']}\"\n"
        "upload.observe(show, 'value')\nwidgets.VBox([upload, label])"
    )
    plot = (
        "from bokeh.plotting import figure, output_notebook, show\noutput_notebook()\n"
        "p = figure(height=100)\np.line([1, 2], [1, 2])\nshow(p)"
    )
    cells: list[dict[str, object]] = [{"cell_type": "markdown", "id": "m", "metadata": {}, "source": "$x^2$"}]
    cells += [
        {"cell_type": "code", "id": cell_id, "source": code, "metadata": {}, "outputs": [], "execution_count": None}
        for cell_id, code in (("a", source), ("b", plot))
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    body = json.dumps({"type": "notebook", "format": "json", "content": notebook})
    answer = fetch(page, "PUT", f"{server}api/contents/upload.ipynb", body)
    assert answer["status"] in (200, 201), answer
