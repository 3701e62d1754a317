"""Debian's Chromium under Playwright: one way to start it, to sign in, to look at a page and to keep what was seen."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from tests.deployment import Deployment

CHECKOUT = Path(__file__).parent.parent
ARTIFACTS = CHECKOUT / "tests/artifacts" / os.environ.get("PYTEST_XDIST_WORKER", "main")
"""What this process keeps of a run to look at afterwards; each worker of pytest-xdist has a folder of its own."""

AXE = CHECKOUT / ".venv/axe/node_modules/axe-core/axe.min.js"
SIZES = {"desktop": (1280, 900), "phone": (360, 740)}
DASHBOARD_LINKS = {"onboarding": "Open onboarding", "dataspaces": "Find data", "scaling": "Scale with Dask"}
PUBLIC_NAME = "atrium.test"
"""A name like a site's, which leads to this machine in Chromium, with all names below it."""

WCAG_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
CHROMIUM = [Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium")]
"""The first that is installed; Debian's headless shell takes half the processor time of the whole browser."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium that sends requests only to the pages it opens."""
    executable = next((path for path in CHROMIUM if path.exists()), CHROMIUM[0])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
                f"--host-resolver-rules=MAP {PUBLIC_NAME} 127.0.0.1, MAP *.{PUBLIC_NAME} 127.0.0.1",
            ],
        )
        try:
            yield browser
        finally:
            browser.close()


def sign_in(context: BrowserContext, deployment: Deployment, name: str) -> Page:
    """A page of ``context`` on which ``name`` is signed in: by the Hub's form, unless the context's cookies do."""
    page = context.new_page()
    page.goto(f"{deployment.public_url}/hub/home")
    if "/hub/login" not in page.url:
        return page
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(deployment.login(name))
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(re.compile(r"/hub/(?!login)"))
    return page


def fetch(page: Page, method: str, url: str, body: str | None = None) -> dict[str, Any]:
    """``{"status", "text"}`` of a request sent by the page itself: its origin, its cookies, its XSRF token."""
    cookies = {cookie.get("name"): cookie.get("value", "") for cookie in page.context.cookies(url)}
    headers = {"X-XSRFToken": cookies.get("_xsrf", ""), "Content-Type": "application/json"}
    script = """async ([url, options]) => {
        const answer = await fetch(url, options);
        return {status: answer.status, text: await answer.text()};
    }"""
    answer = page.evaluate(script, [url, {"method": method, "headers": headers, "body": body}])
    return cast(dict[str, Any], answer)


def api_token(page: Page, deployment: Deployment, name: str) -> str:
    """A token of ``name`` that lives for an hour, asked for on a page of the Hub."""
    body = json.dumps({"note": "tests", "expires_in": 3600})
    answer = fetch(page, "POST", f"{deployment.public_url}/hub/api/users/{name}/tokens", body)
    if answer["status"] not in (200, 201):
        raise AssertionError(f"no token for {name}: {answer}")
    return str(json.loads(answer["text"])["token"])


def dashboard_link(page: Page, name: str) -> Locator:
    """The landing page's card for a dashboard."""
    return page.get_by_role("main").get_by_role("link", name=DASHBOARD_LINKS[name])


def personal_widget(page: Page, name: str) -> Locator:
    """The first widget that says ``name``: it can only come from a kernel that knows who is visiting."""
    return page.locator(".jupyter-widgets", has_text=name).first


def websocket_opens(page: Page, url: str) -> bool:
    """Whether the page, with its own cookies, gets a WebSocket at ``url``."""
    script = """url => new Promise(resolve => {
        const socket = new WebSocket(url);
        socket.onopen = () => { socket.close(); resolve(true); };
        socket.onerror = () => resolve(false);
    })"""
    return bool(page.evaluate(script, url))


def screenshot(page: Page, name: str) -> None:
    """Keep the whole page, wide and narrow, as ``tests/artifacts/NAME-{desktop,phone}.png``."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    before = page.viewport_size
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=ARTIFACTS / f"{name}-{size}.png", full_page=True, animations="disabled")
    if before:
        page.set_viewport_size(before)


def accessibility_problems(page: Page) -> list[str]:
    """WCAG 2.2 A and AA rules that axe-core finds broken, each with the elements that break it."""
    page.evaluate(AXE.read_text())
    violations = page.evaluate("tags => axe.run(document, {runOnly: tags})", WCAG_AA)
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in violations["violations"]]
