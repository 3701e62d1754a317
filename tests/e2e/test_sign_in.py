"""Guesses at a password on the whole deployment: the form, the Hub's API, and the owner of the account meanwhile."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import screenshot, sign_in
from tests.deployment import Deployment
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]

TOO_MANY = re.compile(r"Too many attempts\. Try again in \d+ seconds?\.")
FREE_FAILURES = 5


def submit(page: Page, name: str, password: str) -> int:
    """Send the form; returns the status of the answer."""
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(password)
    with page.expect_response(lambda response: "/hub/login" in response.url) as answer:
        page.locator("input[name=password]").press("Enter")
    page.wait_for_load_state()
    return answer.value.status


def api_answer(deployment: Deployment, name: str, password: str) -> httpx2.Response:
    """Answer to a request for a token with a password."""
    return httpx2.post(
        f"{deployment.public_url}/hub/api/users/{name}/tokens",
        json={"auth": {"username": name, "password": password}, "expires_in": 60},
        trust_env=False,
        timeout=30,
    )


def form_status(deployment: Deployment, name: str, password: str) -> int:
    """Status of the answer to the form, sent by a new browser."""
    address = f"{deployment.public_url}/hub/login"
    with httpx2.Client(trust_env=False, timeout=60) as browser:
        browser.get(address)
        form = {"username": name, "password": password, "_xsrf": browser.cookies["_xsrf"]}
        return browser.post(address, data=form).status_code


def test_guesses_have_to_wait_and_the_owner_gets_in(deployment: Deployment, browser: Browser) -> None:
    name = deployment.person("analyst")
    owner = browser.new_context()
    sign_in(owner, deployment, name)
    elsewhere = browser.new_context()
    page = elsewhere.new_page()
    page.goto(f"{deployment.public_url}/hub/login")

    statuses = [submit(page, name, f"guess {number}") for number in range(FREE_FAILURES)]
    assert statuses == [403] * FREE_FAILURES
    while 429 not in statuses and len(statuses) < 2 * FREE_FAILURES:  # an answer may take longer than the first delays
        statuses.append(submit(page, name, "guess"))
    expect(page.get_by_role("alert")).to_have_text(TOO_MANY)
    expect(page.locator("input[name=username]")).to_have_value(name)
    screenshot(page, "sign-in-too-many")

    while statuses[-1] == 429 or statuses.count(403) < FREE_FAILURES + 3:  # then the delay outlasts the next answers
        statuses.append(submit(page, name, "guess"))
    assert submit(page, name, deployment.login(name)) == 429
    refused = api_answer(deployment, name, deployment.login(name))
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert TOO_MANY.fullmatch(refused.json()["message"])

    for cookie in owner.cookies():
        if not cookie.get("name", "").startswith("atrium-device-"):
            owner.clear_cookies(name=cookie.get("name"))
    sign_in(owner, deployment, name)

    eventually(
        lambda: submit(page, name, deployment.login(name)) == 302, within=60, every=1, what="the end of the delay"
    )
    assert api_answer(deployment, name, deployment.login(name)).status_code == 201
    owner.close()
    elsewhere.close()


def test_a_class_that_signs_in_at_once_is_not_delayed(deployment: Deployment) -> None:
    names = list(deployment.logins) * 5
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda name: form_status(deployment, name, deployment.login(name)), names))
    assert set(statuses) == {302} and len(statuses) >= 30
