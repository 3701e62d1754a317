"""``dashboard_first_visit`` and ``dashboard_repeat_visit``: click to first personal widget, against stock Voila.

Both show the same page of widgets with the same answers of the API: stock Voila has no sign-in, so its kernel is given
a person's token by its environment.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, BrowserContext, Locator, Page

from hub import api_token as token_file
from hub import tls
from tests.bench.registry import Pair, scenario
from tests.browser import api_token, chromium, dashboard_link, personal_widget, sign_in
from tests.deployment import Deployment
from tests.polling import eventually
from tests.web import free_port

NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [
        {
            "id": "onboarding",
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": (
                "from hub.client import Api\n"
                "from widgets.onboarding import Onboarding\n\n"
                "page = Onboarding()\n"
                "await page.state.load(Api.from_environment())\n"  # before it is shown: what changes then may get lost
                "page"
            ),
        }
    ],
}
READY_SECONDS = 60


@scenario("dashboard_first_visit", metric="click to first personal widget, new browser profile", unit="s", runs=5)
@contextmanager
def first_visit(deployment: Deployment) -> Iterator[Pair]:
    """Every run is somebody's first: sign-in to the dashboards service and cold browser caches included."""
    names = [name for name in deployment.logins if "learner" in name]
    learners = itertools.cycle(names)
    with chromium() as browser, stock_voila(browser, deployment, names[0]) as voila:

        def ours() -> float:
            name = next(learners)
            with profile(browser) as context:
                return visit_onboarding(sign_in(context, deployment, name), deployment, "learner")

        def reference() -> float:
            with profile(browser) as context:
                return visit_stock(context.new_page(), voila, "learner")

        yield Pair(ours, reference)


@scenario("dashboard_repeat_visit", metric="click to first personal widget, seen before", unit="s", runs=10)
@contextmanager
def repeat_visit(deployment: Deployment) -> Iterator[Pair]:
    """The same person in the same browser again: signed in to both, caches warm."""
    role = "founder"
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        name = deployment.person(role)
        voila = stack.enter_context(stock_voila(browser, deployment, name))
        here, there = stack.enter_context(profile(browser)), stack.enter_context(profile(browser))
        page, stock = sign_in(here, deployment, name), there.new_page()
        visit_onboarding(page, deployment, role)
        visit_stock(stock, voila, role)
        yield Pair(lambda: visit_onboarding(page, deployment, role), lambda: visit_stock(stock, voila, role))


@contextmanager
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile; its pages are left, not torn away, so that servers learn that the tab is gone."""
    context = browser.new_context()
    try:
        yield context
    finally:
        for page in context.pages:
            page.goto("about:blank")
        context.close()


def visit_onboarding(page: Page, deployment: Deployment, role: str) -> float:
    """From the click on the landing page's link to the first widget that says who is there, by their ``role``."""
    page.goto(f"{deployment.public_url}/hub/home")
    return _click(page, dashboard_link(page, "onboarding"), role)


def visit_stock(page: Page, voila: str, role: str) -> float:
    """The same click to a stock Voila's page."""
    page.goto("about:blank")
    page.set_content(f"<a href='{voila}'>open</a>")
    return _click(page, page.locator("a"), role)


def _click(page: Page, link: Locator, name: str) -> float:
    link.wait_for()
    start = time.perf_counter()
    link.click(no_wait_after=True)
    personal_widget(page, name).wait_for(timeout=READY_SECONDS * 1000)
    return time.perf_counter() - start


@contextmanager
def stock_voila(browser: Browser, deployment: Deployment, name: str) -> Iterator[str]:
    """Address of a stand-alone Voila as its manual starts it, with the onboarding page as ``name`` sees it."""
    with profile(browser) as context:
        token = api_token(sign_in(context, deployment, name), deployment, name)
    with TemporaryDirectory() as folder:
        notebook = Path(folder) / "onboarding.ipynb"
        notebook.write_text(json.dumps(NOTEBOOK))
        token_file.write(Path(folder), token)
        port = free_port()
        command = [str(deployment.user_python), "-m", "voila", str(notebook), "--no-browser", f"--port={port}"]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "ATRIUM_API_URL": deployment.settings.api_url,
            "JUPYTER_RUNTIME_DIR": folder,
        }
        if (authority := tls.authority_of_api(deployment.settings)) is not None:
            environment[token_file.AUTHORITY_VARIABLE] = str(authority)
        voila = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            eventually(lambda: _listens(port), within=READY_SECONDS, what=f"stock Voila listens on {port}")
            yield f"http://localhost:{port}/"
        finally:
            voila.terminate()
            voila.wait(timeout=READY_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
