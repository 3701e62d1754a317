"""The waiting page, failed starts, and messages afterwards, in a browser."""

from __future__ import annotations

import json
import pwd
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import accessibility_problems, fetch, screenshot
from tests.deployment import Deployment
from tests.e2e.account import ledger
from tests.e2e.conftest import Visit
from tests.e2e.nodes import full
from tests.e2e.test_ledger import kill_hub, silent
from tests.e2e.visitor import START_SECONDS, Visitor
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

SECONDS = 120_000
WORDS = "#waiting-words"


@pytest.fixture(name="full")
def every_node_taken(deployment: Deployment) -> Iterator[Callable[[], None]]:
    with full(deployment) as free:
        yield free


@pytest.fixture
def founder(visit: Visit) -> Visitor:
    visitor = visit("founder")
    visitor.stop_everything()
    return visitor


def ask_for_a_notebook(visitor: Visitor) -> Page:
    page = visitor.page
    page.goto(f"{visitor.deployment.public_url}/hub/spawn?opt-profile=small")
    page.get_by_role("button", name="Start notebook").click()
    page.wait_for_url(re.compile("/hub/spawn-pending/|/lab"), timeout=SECONDS)
    return page


def history(visitor: Visitor) -> str:
    return f"{visitor.deployment.public_url}/hub/atrium/history/{visitor.name}/"


def letters(deployment: Deployment, name: str) -> list[str]:
    with ledger(deployment) as database:
        rows = database.execute('SELECT subject FROM letters WHERE "to" LIKE ? ORDER BY id', (f"{name}@%",))
        return [row["subject"] for row in rows]


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_a_mail_is_sent_to_people_who_leave_the_page(
    deployment: Deployment, founder: Visitor, full: Callable[[], None]
) -> None:
    mails_before = len(letters(deployment, founder.name))
    page = ask_for_a_notebook(founder)
    expect(page.locator(WORDS)).to_have_text(
        re.compile(r"Waiting for a free node in notebooks\. .*You are next in line"), timeout=SECONDS
    )
    expect(page.locator("#waiting-steps [aria-current]")).to_contain_text("Waiting for a free node")
    screenshot(page, "waiting")
    assert accessibility_problems(page) == []

    leave = page.get_by_role("button", name="Leave this page")
    leave.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(founder.home)
    expect(page.locator("#servers")).to_contain_text("you get a mail when it is ready")
    screenshot(page, "home-waiting")

    full()
    eventually(lambda: len(letters(deployment, founder.name)) > mails_before, within=START_SECONDS, what="a mail")
    assert letters(deployment, founder.name)[mails_before:] == ["Your notebook is ready"]
    expect(page.locator("#servers")).to_contain_text("left", timeout=SECONDS)


def test_the_page_goes_on_over_a_hub_that_dies(
    deployment: Deployment, founder: Visitor, full: Callable[[], None]
) -> None:
    page = ask_for_a_notebook(founder)
    expect(page.locator(WORDS)).to_contain_text("Waiting for a free node", timeout=SECONDS)
    [job] = deployment.jobs_of(founder.name)

    kill_hub(deployment)

    expect(page.locator("#waiting-steps [aria-current]")).to_contain_text("Waiting for a free node", timeout=SECONDS)
    expect(page.locator(WORDS)).to_contain_text("Waiting for a free node in notebooks", timeout=SECONDS)
    full()
    founder.wait_for_lab()
    assert deployment.jobs_of(founder.name) == [job]


def test_a_stream_that_is_refused_is_replaced_by_looking(
    deployment: Deployment, founder: Visitor, full: Callable[[], None]
) -> None:
    page = ask_for_a_notebook(founder)
    expect(page.locator(WORDS)).to_contain_text("Waiting for a free node", timeout=SECONDS)
    page.route("**/progress?*", lambda route: route.abort())
    page.reload()
    full()
    founder.wait_for_lab()


def test_cancel_on_the_page(founder: Visitor, full: Callable[[], None]) -> None:
    page = ask_for_a_notebook(founder)
    step = page.locator("#waiting-steps [data-step=waiting][aria-current]")
    expect(step).to_be_visible(timeout=SECONDS)
    page.get_by_role("button", name="Cancel start").press("Enter")
    page.wait_for_url(founder.home, timeout=SECONDS)
    founder.wait_until_nothing_runs()

    page.goto(history(founder))
    newest = page.locator("tbody tr").first
    expect(newest).to_contain_text("stopped as asked")


def test_a_smaller_choice_instead(deployment: Deployment, founder: Visitor, full: Callable[[], None]) -> None:
    page = founder.page
    page.goto(f"{deployment.public_url}/hub/spawn?opt-profile=large-memory")
    page.get_by_role("button", name="Start notebook").click()
    page.get_by_role("button", name="Use “Small” instead").click(timeout=SECONDS)
    page.wait_for_url(re.compile(r"/hub/spawn/.*opt-profile=small"), timeout=SECONDS)
    expect(page.get_by_role("button", name="Start notebook")).to_be_visible()
    assert deployment.jobs_of(founder.name) == []


# -- failing ----------------------------------------------------------------------------------------------------------


def test_a_start_that_fails_says_why_and_how_to_go_on(deployment: Deployment, founder: Visitor) -> None:
    with closed_home(founder.name):
        page = ask_for_a_notebook(founder)
        expect(page.get_by_role("alert")).to_contain_text("home directory", timeout=SECONDS)
        expect(page.get_by_role("alert")).to_contain_text("Ask an administrator")
        expect(page.locator("main")).to_contain_text("2 cores, 4\u202fGB, 4\u202fh in notebooks")
        page.get_by_text("Slurm details").click()
        expect(page.locator(".facts")).to_contain_text("FAILED")
        screenshot(page, "failed")
        assert accessibility_problems(page) == []

    page.goto(founder.home)
    notice = page.locator("aside.notice", has_text="did not start")
    expect(notice).to_contain_text("home directory missing")
    screenshot(page, "home-failed")
    assert accessibility_problems(page) == []
    notice.get_by_role("link", name="What happened").click()
    expect(page.locator("tbody tr").first).to_contain_text("home directory missing")
    screenshot(page, "history")
    assert accessibility_problems(page) == []

    page.goto(f"{deployment.public_url}/hub/spawn-pending/{founder.name}")
    page.get_by_role("button", name="Try again").press("Enter")
    founder.wait_for_lab()
    page.goto(history(founder))
    page.get_by_role("link", name="Request again: 2 cores").first.click()
    founder.wait_for_lab()  # it runs already, so the form has nothing to ask


@contextmanager
def closed_home(name: str) -> Iterator[None]:
    """A home that can be read and not written."""
    home = Path(pwd.getpwnam(name).pw_dir)
    mode = home.stat().st_mode & 0o7777
    home.chmod(0o500)
    try:
        yield
    finally:
        home.chmod(mode)


def test_a_refusal_by_slurm_is_shown_on_the_form(founder: Visitor) -> None:
    page, deployment = founder.page, founder.deployment
    page.goto(f"{deployment.public_url}/hub/spawn")
    body = "account=demo&partition=notebooks&cpus=2&memory_gb=999&minutes=60"
    cookies = {cookie.get("name"): cookie.get("value", "") for cookie in page.context.cookies(page.url)}
    answer = page.request.post(
        f"{deployment.public_url}/hub/spawn",
        data=f"{body}&_xsrf={cookies['_xsrf']}",
        headers={"Content-Type": "application/x-www-form-urlencoded", "Referer": page.url},
    )
    text = answer.text()
    assert "memory" in text and "sbatch" not in text


def test_an_unexpected_end_is_shown_once(deployment: Deployment, founder: Visitor) -> None:
    founder.start_notebook()
    deployment.run("scancel", f"--user={founder.name}")
    founder.wait_until_nothing_runs()
    page = founder.page
    page.goto(founder.home)
    notice = page.locator("aside.notice", has_text="Your notebook ended at")

    def ended_notice_shown() -> bool:
        page.reload()
        return bool(notice.count())

    eventually(ended_notice_shown, within=60, what="the start page tells of the end", every=1)
    expect(notice).to_contain_text("An administrator cancelled this job")
    notice.get_by_role("button", name="Dismiss").click()
    page.reload()
    expect(notice).to_have_count(0)

    page.goto(deployment.server_url(founder.name))
    expect(page.locator("main")).to_contain_text("It ended at")
    screenshot(page, "not-running")
    assert accessibility_problems(page) == []


# -- a silent Slurm ---------------------------------------------------------------------------------------------------


def test_every_page_says_that_slurm_is_silent(deployment: Deployment, founder: Visitor) -> None:
    founder.start_notebook()
    page = founder.page
    banner = page.locator(".notice", has_text="Slurm has not answered for")
    with silent(deployment, "slurmctld"):

        def banner_shown() -> bool:
            page.goto(founder.home)
            return bool(banner.count())

        eventually(banner_shown, within=90, what="the banner", every=2)
        expect(banner).to_contain_text("your notebooks go on running")
        screenshot(page, "slurm-silent")
        assert accessibility_problems(page) == []

    def banner_hidden() -> bool:
        page.goto(founder.home)
        return not banner.count()

    eventually(banner_hidden, within=90, what="no banner any more", every=2)


# -- who may ----------------------------------------------------------------------------------------------------------


def test_history_and_mail_are_ones_own(deployment: Deployment, visit: Visit) -> None:
    founder, colleague = visit("founder"), visit("colleague")
    answer = colleague.page.goto(history(founder))
    assert answer is not None and answer.status in (403, 404)

    tell = f"{deployment.public_url}/hub/atrium/tell-me/"
    without_token = founder.page.request.post(tell, form={"wanted": "1"})
    assert without_token.status == 403
    assert fetch(founder.page, "POST", f"{tell}no-such-server", "wanted=1")["status"] == 404
    assert json.loads(fetch(founder.page, "GET", f"{deployment.public_url}/hub/api/users/{founder.name}")["text"])
