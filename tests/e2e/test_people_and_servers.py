"""JupyterHub's page of people and servers for an admin who may stop servers and not open them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import accessibility_problems, screenshot
from tests.e2e.conftest import Visit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]


def test_what_is_refused_is_not_offered_and_what_ends_work_asks_first(visit: Visit) -> None:
    founder, admin = visit("founder"), visit("admin")
    founder.start_notebook()
    page = admin.page
    page.goto(f"{admin.deployment.public_url}/hub/admin")
    row = page.locator(".user-row", has_text=founder.name)
    stop = row.get_by_role("button", name="Stop Server")
    expect(stop).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Access Server").first).to_be_hidden()
    expect(page.get_by_text("Start All")).to_be_hidden()

    question = page.get_by_role("dialog")
    stop.click()
    expect(question).to_contain_text(f"Stop the notebook {founder.name}?")
    question.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Stop All").click()
    expect(question).to_contain_text("Stop all notebooks on this page of the list?")
    expect(question).to_contain_text(founder.name)
    assert accessibility_problems(page) == []
    screenshot(page, "admin-stop-all")
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    assert founder.deployment.jobs_of(founder.name), "a question that is not confirmed ends nothing"

    page.get_by_role("button", name="Stop All").click()
    question.get_by_role("button", name="Stop all").click()
    founder.wait_until_nothing_runs()


def test_deleting_a_person_asks_first(visit: Visit) -> None:
    admin, learner = visit("admin"), visit("learner01")
    page = admin.page
    page.goto(f"{admin.deployment.public_url}/hub/admin")
    page.locator(".user-row", has_text=learner.name).get_by_role("button", name="Edit User").click()
    page.locator("#delete-user").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Delete this person from JupyterHub?")
    question.get_by_role("button", name="Cancel").click()
    learner.page.goto(learner.home)
    expect(learner.page.get_by_role("heading", level=1)).to_be_visible()
