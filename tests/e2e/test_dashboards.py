"""Dashboards that do not come up at once, that end, and that are left and opened again."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.onboarding import WAIT, Dashboards, start_a_path
from tests.e2e.visitor import Visitor
from tests.polling import eventually
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]

MODEL = re.compile(r'("model_id":\s*")[0-9a-f]{32}"')
KERNEL = re.compile(r"/api/kernels/[-0-9a-f]+(\?.*)?$")
LOAD_SECONDS = 30
BACK_SECONDS = 60


def test_a_page_whose_widgets_its_kernel_does_not_know_loads_itself_again(visit: Visit) -> None:
    founder = visit("founder")
    founder.open_dashboard("onboarding")
    changed: list[str] = []

    def name_another_model(route: Route) -> None:
        if changed:
            route.continue_()
            return
        headers = {**route.request.all_headers(), "accept-encoding": "identity"}
        with client() as http:  # Playwright itself does not know names below localhost
            answer = http.get(route.request.url, headers=headers)
        text, count = MODEL.subn(rf'\g<1>{"0" * 32}"', answer.text)
        changed.extend(["page"] * count)
        route.fulfill(status=answer.status_code, content_type="text/html", body=text)

    founder.page.route("**/voila/render/onboarding.ipynb", name_another_model)
    founder.page.goto(founder.page.url.partition("#")[0])
    founder.wait_for_greeting()
    assert changed, "the first page had a widget that its kernel did not know"


def test_a_page_with_a_kernel_that_is_gone_loads_itself_again(visit: Visit) -> None:
    founder = visit("founder")
    founder.open_dashboard("onboarding")
    address = founder.page.url.partition("#")[0]
    ended: list[str] = []

    def end_its_kernel(route: Route) -> None:
        if ended:
            route.continue_()
            return
        kernel = route.request.url.partition("?")[0].rsplit("/", 1)[-1]
        os.kill(kernel_process(kernel), signal.SIGKILL)
        ended.append(kernel)
        route.continue_()

    founder.page.route(KERNEL, end_its_kernel)
    with founder.page.expect_response(KERNEL):
        founder.page.goto(address)
    founder.wait_for_greeting(within=LOAD_SECONDS)


# -- pages that end ---------------------------------------------------------------------------------------------------


def test_a_page_whose_kernel_is_killed_says_so_and_keeps_what_was_typed(visit: Visit) -> None:
    founder = Dashboards(visit("founder"))
    start_a_path(founder)
    typed = founder.field("Your full name")
    typed.fill("Maria with a long story")
    os.kill(kernel_process(kernel_of(founder.page)), signal.SIGKILL)

    expect_end(founder.page)
    assert typed.input_value() == "Maria with a long story"
    typed.select_text()
    assert founder.page.evaluate("document.activeElement.selectionEnd") == len("Maria with a long story")
    founder.page.get_by_role("button", name="Load it again").click()
    founder.visitor.wait_for_greeting()
    expect(ended(founder.page)).to_be_hidden()


def test_a_page_whose_kernel_hangs_says_so_and_goes_on_afterwards(visit: Visit) -> None:
    founder = Dashboards(visit("founder"))
    start_a_path(founder)
    button = founder.page.get_by_role("button", name="Save and continue", exact=True)
    expect(button).to_be_enabled(timeout=WAIT)
    with stopped(kernel_process(kernel_of(founder.page))):
        expect(ended(founder.page)).to_contain_text("This page gets no answer at the moment.")
        expect(button).to_be_disabled()

    expect(ended(founder.page)).to_be_hidden()
    expect(button).to_be_enabled()


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_a_page_whose_service_ends_says_so(how: str, visit: Visit, deployment: Deployment) -> None:
    founder = visit("founder")
    founder.open_dashboard("onboarding")
    before = deployment.processes()["dashboards"]
    if how == "kill":
        os.kill(before, signal.SIGKILL)
    else:
        deployment.supervisorctl("signal", "TERM", "dashboards")

    expect_end(founder.page)
    eventually(
        lambda: deployment.processes().get("dashboards", before) != before,
        within=BACK_SECONDS,
        what="the dashboards run again",
    )
    founder.page.get_by_role("button", name="Load it again").click()
    eventually(lambda: comes_up(founder), within=BACK_SECONDS, what="the page is there again")


def kernel_of(page: Page) -> str:
    return str(page.evaluate("window.jupyterapp.widgetManager.kernel.id"))


def kernel_process(kernel: str) -> int:
    """Process id of a kernel."""
    file = f"kernel-{kernel}.json".encode()
    pids = (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())
    return next(pid for pid in pids if file in command(pid))


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def ended(page: Page) -> Locator:
    return page.locator("#dashboard-ended")


def expect_end(page: Page) -> None:
    """Whatever the page said in between, in time it says that it has ended, and its buttons are locked."""
    expect(ended(page)).to_contain_text("This page has ended.")
    assert page.locator("#dashboard button:enabled").count() == 0


def comes_up(visitor: Visitor) -> bool:
    """Whether the page shows its visitor; one that the service did not answer is loaded again."""
    if visitor.page.locator("#dashboard").count() == 0:
        visitor.page.reload()
    return visitor.page.locator(".jupyter-widgets", has_text=visitor.role).count() > 0


# -- pages that are left and opened again -----------------------------------------------------------------------------


@pytest.mark.timeout(900, func_only=True)
def test_thirty_pages_by_back_forward_and_in_restored_tabs_all_come_up(visit: Visit) -> None:
    founder = visit("founder")
    page = founder.page
    founder.open_dashboard("onboarding")
    address = page.url.partition("#")[0]
    data = address.replace("onboarding", "dataspaces")
    for turn in range(6):
        page.goto(data, wait_until="commit")  # some are left before they are there
        if turn % 2:
            founder.wait_for_greeting(LOAD_SECONDS)
        page.go_back(wait_until="commit")
        founder.wait_for_greeting(LOAD_SECONDS)
        page.go_forward(wait_until="commit")
        founder.wait_for_greeting(LOAD_SECONDS)
        page.go_back(wait_until="commit")
        page.reload(wait_until="commit")
        founder.wait_for_greeting(LOAD_SECONDS)
        tab = page.context.new_page()  # as a browser restores one: its address, and nothing from before
        tab.goto(address, wait_until="commit")
        Visitor(founder.deployment, founder.role, tab).wait_for_greeting(LOAD_SECONDS)
        tab.close()
        assert "Loading widget" not in page.locator("#dashboard").inner_text()
        expect(ended(page)).to_be_hidden()


def test_a_page_that_many_open_at_once_comes_for_each(visit: Visit) -> None:
    founder, learner = visit("founder"), visit("learner01")
    founder.open_dashboard("onboarding")
    address = founder.page.url.partition("#")[0]
    tabs = [
        Visitor(person.deployment, person.role, person.page.context.new_page()) for person in 3 * [founder, learner]
    ]
    for tab in tabs:
        tab.page.goto(address, wait_until="commit")
    for tab in tabs:
        tab.wait_for_greeting()
