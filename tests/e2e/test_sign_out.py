"""Signing out in one browser: every other page and socket of the person ends, their kernels and jobs go on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import accessibility_problems, screenshot, sign_in
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell, wait_for_kernel
from tests.e2e.visitor import Visitor
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

NOTICE_SECONDS = 20
"""15 that are promised, and some for a busy machine."""
ENDED = "You have signed out"
RENEWED = "You are signed in again"
EXECUTE = """code => {
    const sender = {session: "s", username: "", version: "5.3"};
    const header = {msg_id: crypto.randomUUID(), msg_type: "execute_request", ...sender};
    const content = {code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false};
    window.line.send(JSON.stringify({channel: "shell", header, parent_header: {}, metadata: {}, content}));
}"""


@pytest.fixture
def founder(visit: Visit) -> Visitor:
    """Somebody with a running notebook whose kernel remembers a number."""
    visitor = visit("founder")
    visitor.start_notebook()
    new_notebook(visitor.page)
    assert run_cell(visitor.page, "answer = 6 * 7; answer") == "42"
    return visitor


@pytest.fixture
def elsewhere(browser: Browser, deployment: Deployment, founder: Visitor) -> Iterator[Page]:
    """The same person in another browser."""
    context = browser.new_context()
    yield sign_in(context, deployment, founder.name)
    context.close()


def test_signing_out_ends_every_session_and_no_job(
    deployment: Deployment, browser: Browser, founder: Visitor, elsewhere: Page
) -> None:
    lab, jobs = founder.page, deployment.jobs_of(founder.name)
    start_page = lab.context.new_page()
    start_page.goto(founder.home)
    dashboard = Visitor(deployment, founder.role, lab.context.new_page())
    dashboard.open_dashboard("onboarding")
    session = lab.context.storage_state()
    open_line(lab)
    assert runs_code(lab, founder, "before", within=30)

    leave(elsewhere, lab)

    deadline = time.monotonic() + NOTICE_SECONDS
    for page in (lab, start_page, dashboard.page):
        expect(notice(page, ENDED)).to_be_visible(timeout=1000 * max(1, deadline - time.monotonic()))
    screenshot(start_page, "signed-out-notice")
    assert accessibility_problems(start_page) == []
    eventually(lambda: lab.evaluate("line.code") == 4401, within=NOTICE_SECONDS, what="the kernel's socket is closed")
    assert not runs_code(lab, founder, "after", within=5)
    assert_nobody_is_signed_in(deployment, browser.new_context(storage_state=session).new_page(), founder)
    assert deployment.jobs_of(founder.name) == jobs

    come_back(deployment, lab, founder)
    expect(notice(start_page, RENEWED)).to_be_visible(timeout=1000 * NOTICE_SECONDS)
    notice(lab, RENEWED).get_by_role("button", name="Save and reload").click()
    wait_for_kernel(lab)
    assert run_cell(lab, "answer") == "42", "the kernel is the same"
    assert deployment.jobs_of(founder.name) == jobs


def notice(page: Page, title: str) -> Locator:
    return page.get_by_role("dialog").filter(has_text=title)


def leave(page: Page, lab: Page) -> None:
    """By the link in the frame; the page that it leads to has not ended anything yet."""
    page.locator(".frame-person summary").click()
    page.get_by_role("link", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign out")).to_be_visible()
    screenshot(page, "sign-out")
    assert accessibility_problems(page) == []
    assert lab.evaluate("line.code") is None
    with page.expect_response(lambda response: response.request.method == "POST") as response:
        page.get_by_role("button", name="Sign out everywhere").click()
    assert response.value.status == 200
    expect(page.get_by_role("heading", name=ENDED)).to_be_visible()
    assert accessibility_problems(page) == []


def open_line(lab: Page) -> None:
    """A socket of the page itself to the kernel of its notebook, with the page's own cookies."""
    lab.evaluate("""async () => {
        const base = JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl;
        const token = /(?:^|; )_xsrf=([^;]+)/.exec(document.cookie)[1];
        const kernels = await (await fetch(`${base}api/kernels`, {headers: {"X-XSRFToken": token}})).json();
        const url = new URL(`${base}api/kernels/${kernels[0].id}/channels?session_id=s`, location.href);
        url.protocol = url.protocol.replace("http", "ws");
        const socket = window.line = new WebSocket(url);
        socket.code = null;
        socket.onclose = (event) => { socket.code = event.code; };
        await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
    }""")


def runs_code(lab: Page, person: Visitor, name: str, within: float) -> bool:
    """Whether a message on the page's line makes the kernel write a file."""
    mark = Path(f"~{person.name}/mark-{name}").expanduser()
    lab.evaluate(EXECUTE, f"open({str(mark)!r}, 'w').close()")
    try:
        eventually(mark.exists, within=within, what="the kernel has run the code")
    except AssertionError:
        return False
    mark.unlink()
    return True


def assert_nobody_is_signed_in(deployment: Deployment, page: Page, person: Visitor) -> None:
    """Cookies from before lead to the sign-in, at the Hub, at the server and at the dashboards."""
    dashboards = deployment.settings.service_url("dashboards")
    for url in (person.home, f"{deployment.server_url(person.name)}lab", f"{dashboards}voila/render/onboarding.ipynb"):
        page.goto(url)
        assert page.url.startswith(f"{deployment.public_url}/hub/login"), page.url
    page.context.close()


def come_back(deployment: Deployment, lab: Page, person: Visitor) -> None:
    """By the notice's own link, in a tab of its own."""
    with lab.expect_popup() as popup:
        notice(lab, ENDED).get_by_role("button", name="Sign in again").click()
    page = popup.value
    page.locator("input[name=username]").fill(person.name)
    page.locator("input[name=password]").fill(deployment.login(person.name))
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(re.compile(r"/hub/home$"))
    expect(notice(lab, RENEWED)).to_be_visible(timeout=1000 * NOTICE_SECONDS)


def test_signing_out_of_a_server_leads_to_the_page_that_asks(deployment: Deployment, founder: Visitor) -> None:
    page = founder.page
    page.goto(f"{deployment.server_url(founder.name)}logout")
    assert page.url == f"{deployment.public_url}/hub/logout"
    page.get_by_role("link", name="Stay signed in").click()
    page.goto(f"{deployment.server_url(founder.name)}lab")
    founder.wait_for_lab()
