"""Without a mail server, people read on a page of their own what is addressed to them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from hub.projects.models import MemberRole
from tests.browser import accessibility_problems, api_token, screenshot
from tests.e2e.conftest import Visit
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]


def test_an_invitation_is_read_and_opened_by_the_person_it_belongs_to(visit: Visit) -> None:
    founder, colleague = visit("founder"), visit("colleague")
    deployment = founder.deployment
    lead, invited = (
        deployment.api(api_token(visitor.page, deployment, visitor.name)) for visitor in (founder, colleague)
    )
    invitation = lead.projects.invite("demo", invited.mailbox(colleague.name).address, MemberRole.MEMBER)
    try:

        def has_come() -> bool:
            mails = invited.mailbox(colleague.name).mails
            return any(mail.subject == "Invitation to the project demo" for mail in mails)

        eventually(has_come, within=60, what="the mail is there")
        page = colleague.page
        page.goto(colleague.home)
        page.locator(".frame-person summary").click()
        page.get_by_role("link", name="Mail to you").click()
        letter = page.locator("details", has_text="Invitation to the project demo").first
        expect(letter.locator("pre")).to_be_visible()
        assert accessibility_problems(page) == []
        screenshot(page, "mailbox")
        letter.get_by_role("link", name="#/invitation/").click()
        expect(page.get_by_role("button", name="Join the project")).to_be_visible(timeout=60_000)

        founder.page.goto(f"{deployment.public_url}/hub/atrium/mail")
        expect(founder.page.locator("summary", has_text="Invitation to the project demo")).to_have_count(0)
    finally:
        lead.projects.take_back_invitation("demo", invitation.id)
