"""What somebody types survives a reload, the menu, Back, a closed tab and a session's end; drafts and their tabs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.onboarding import WAIT, Dashboards, start_a_path
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

TEXT = "Typed and never saved"


def at_the_purpose(founder: Dashboards) -> Locator:
    """The use case of a draft that is new; nothing in it is saved."""
    start_a_path(founder)
    founder.press("Save and continue")
    founder.arrives("Sector and use case")
    return founder.field("Use case")


def wait_until_kept(page: Page) -> None:
    expect(page.get_by_text("Until then it stays in this browser.")).to_be_visible(timeout=WAIT)
    page.wait_for_function("Object.keys(localStorage).some((name) => name.startsWith('atrium-typed '))")


def reload(founder: Dashboards) -> None:
    founder.page.reload()


def follow_the_menu_and_come_back(founder: Dashboards) -> None:
    founder.page.get_by_role("navigation", name="Main").get_by_role("link", name="Data", exact=True).click()
    founder.page.wait_for_url("**/dataspaces.ipynb*")
    founder.page.go_back()


def open_again(founder: Dashboards) -> None:
    founder.open("onboarding")


@pytest.mark.parametrize("leave", [reload, follow_the_menu_and_come_back, open_again])
def test_typed_text_survives(visit: Visit, leave: Callable[[Dashboards], None]) -> None:
    founder = Dashboards(visit("founder"))
    text = f"{TEXT} {time.time_ns()}"
    at_the_purpose(founder).fill(text)
    wait_until_kept(founder.page)
    leave(founder)
    founder.visitor.wait_for_greeting()

    expect(founder.field("Use case")).to_have_value(text, timeout=WAIT)
    expect(founder.page.locator("#typed-text")).to_contain_text("did not save it: Use case.")
    founder.press("Save")
    expect(founder.page.get_by_text("✓ Saved").first).to_be_visible(timeout=WAIT)
    expect(founder.page.locator("#typed-text")).to_have_count(0)
    assert founder.page.evaluate("Object.keys(localStorage).filter((n) => n.startsWith('atrium-typed '))") == []


def test_typed_text_survives_a_closed_tab_and_the_end_of_the_session(deployment: Deployment, visit: Visit) -> None:
    founder = Dashboards(visit("founder"))
    text = f"{TEXT} {time.time_ns()}"
    at_the_purpose(founder).fill(text)
    wait_until_kept(founder.page)
    context = founder.page.context
    page = context.new_page()
    founder.page.close()
    context.clear_cookies()  # what the end of a session leaves
    page.goto(f"{deployment.settings.service_url('dashboards')}voila/render/onboarding.ipynb")
    page.locator("input[name=username]").fill(founder.visitor.name)
    page.locator("input[name=password]").fill(deployment.login(founder.visitor.name))
    page.locator("input[name=password]").press("Enter")

    expect(page.locator(".field").get_by_label("Use case", exact=True)).to_have_value(text, timeout=WAIT)


def test_after_a_sign_out_nobody_finds_it(deployment: Deployment, visit: Visit) -> None:
    founder = Dashboards(visit("founder"))
    text = f"{TEXT} {time.time_ns()}"
    at_the_purpose(founder).fill(text)
    wait_until_kept(founder.page)
    page = founder.page
    page.goto(f"{deployment.public_url}/hub/logout")
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("heading", name="You have signed out")).to_be_visible()
    colleague = deployment.person("colleague")
    address = f"{deployment.settings.service_url('dashboards')}voila/render/onboarding.ipynb"

    def asks_for_a_sign_in() -> bool:
        page.goto(address)
        return page.locator("input[name=username]").count() > 0

    eventually(
        asks_for_a_sign_in, within=60, what="the end of the session at the dashboards, which take seconds", every=1
    )
    page.locator("input[name=username]").fill(colleague)
    page.locator("input[name=password]").fill(deployment.login(colleague))
    page.locator("input[name=password]").press("Enter")
    expect(page.get_by_text("Step 1 of 6.").or_(page.get_by_text("Reference")).first).to_be_visible(timeout=WAIT)
    page.wait_for_function("!Object.keys(localStorage).some((name) => name.startsWith('atrium-typed '))")

    expect(page.get_by_text(text)).to_have_count(0)
    assert text not in page.evaluate("JSON.stringify(localStorage)")


def test_a_first_save_in_two_tabs_makes_one_draft(visit: Visit) -> None:
    first = Dashboards(visit("founder"))
    second = Dashboards(visit("founder"))
    for tab in (first, second):
        start_a_path(tab)
    first.press("Save and continue")
    first.arrives("Sector and use case")
    second.press("Save and continue")

    second.expect_text("You began an application in another tab or on another device.")
    second.press("Use the other version")
    expect(second.page.get_by_text("You began an application in another tab")).to_have_count(0, timeout=WAIT)


def test_a_draft_is_deleted_after_it_was_confirmed(visit: Visit) -> None:
    founder = Dashboards(visit("founder"))
    title = f"To be deleted {time.time_ns()}"
    at_the_purpose(founder)
    founder.field("Title of the project").fill(title)
    founder.press("Save")
    expect(founder.page.get_by_text("✓ Saved").first).to_be_visible(timeout=WAIT)
    founder.press("Delete this draft")
    founder.expect_text(f"{title} will be deleted with everything in it.")
    founder.press("Delete it for good")

    founder.expect_text("was deleted.")
    founder.open("onboarding")
    expect(founder.page.get_by_text(title)).to_have_count(0)
