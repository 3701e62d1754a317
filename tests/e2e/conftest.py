"""One deployment and one browser for all tests of this folder, and a browser profile for each person in a test.

Package scope and not session scope: Playwright keeps an event loop running that asynchronous tests of other
folders could not bear beside theirs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.browser import ARTIFACTS, chromium, sign_in
from tests.deployment import Deployment
from tests.e2e.visitor import Visitor
from tests.temporary_deployment import running_copy

Visit = Callable[[str], Visitor]

PAGE_SECONDS = 180
"""How long a page may load: the first one of a new version waits until its modules have been compiled."""
expect.set_options(timeout=30_000)  # a limit, not a pause: Playwright's 5 s are too few on a machine that is busy

_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="package")
def deployment() -> Iterator[Deployment]:
    with running_copy() as copy:
        yield copy


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def signed_in(browser: Browser, deployment: Deployment) -> Callable[[str], Page]:
    """``signed_in("t-founder")``: a page of their own. People sign in once; their later pages share that session."""
    sessions: dict[str, StorageState] = {}

    def arrive(name: str) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, storage_state=sessions.get(name))
        context.set_default_timeout(PAGE_SECONDS * 1000)
        page = sign_in(context, deployment, name)
        sessions[name] = context.storage_state()
        return page

    return arrive


@pytest.fixture
def visit(deployment: Deployment, signed_in: Callable[[str], Page], request: pytest.FixtureRequest) -> Iterator[Visit]:
    """``visit("founder")``: that demo person, signed in. What they started is ended after the test."""
    with ExitStack() as departures:

        def arrive(role: str) -> Visitor:
            page = signed_in(deployment.person(role))
            departures.callback(page.context.close)
            visitor = Visitor(deployment, role, page)
            departures.callback(visitor.stop_everything)
            departures.callback(_keep_what_a_failed_test_saw, visitor, request.node)
            return visitor

        yield arrive


def _keep_what_a_failed_test_saw(visitor: Visitor, test: pytest.Item) -> None:
    if test.stash.get(_FAILED, False):
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        visitor.page.screenshot(path=ARTIFACTS / f"failed-{test.name}-{visitor.role}.png")
        server_log = Path(f"~{visitor.name}/.atrium-notebook.log").expanduser()
        if server_log.exists():
            shutil.copy(server_log, ARTIFACTS / f"failed-{test.name}-{visitor.role}.log")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report
