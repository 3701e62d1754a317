"""Actions on the pages of applications: onboarding, review desk, projects and mailbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from tests.browser import screenshot
from tests.e2e.visitor import DASHBOARD_SECONDS, Visitor

WAIT = DASHBOARD_SECONDS * 1000
USE_CASE = "We predict the quality of steel from sensor data, with a small transformer, for people at the furnace."


@dataclass(frozen=True)
class Dashboards:
    """A visitor at the dashboards service."""

    visitor: Visitor

    @property
    def page(self) -> Page:
        return self.visitor.page

    def open(self, name: str, place: str = "") -> None:
        """One of them, until it has greeted its visitor."""
        address = f"{self.visitor.deployment.settings.service_url('dashboards')}voila/render/{name}.ipynb"
        self.page.goto("about:blank")  # else only the place behind "#" might change, and the page would stay
        self.page.goto(f"{address}#/{place}" if place else address)
        self.visitor.wait_for_greeting()

    def field(self, label: str) -> Locator:
        """By its whole label."""
        return self.page.locator(".field").get_by_label(label, exact=True)

    def press(self, words: str) -> None:
        self.page.get_by_role("button", name=words, exact=True).click()

    def arrives(self, heading: str) -> None:
        """The heading of a step, and the keyboard's focus on it."""
        title = self.page.locator("h2[data-arrived]", has_text=heading)
        expect(title).to_be_focused(timeout=WAIT)

    def expect_text(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=WAIT)


def start_a_path(founder: Dashboards) -> None:
    """The first step of a new application, whatever an earlier test left."""
    founder.open("onboarding")
    expect(founder.page.get_by_role("heading", name="About you").or_(another(founder)).first).to_be_visible(
        timeout=WAIT
    )
    if another(founder).count():
        another(founder).click()
    expect(founder.page.get_by_text("Step 1 of 6.")).to_be_visible(timeout=WAIT)


def another(founder: Dashboards) -> Locator:
    return founder.page.get_by_role("button", name="Start another application")


def describe_themselves(founder: Dashboards, organisation: str) -> None:
    founder.field("Your full name").fill("Maria Founder")
    founder.field("Name of the organisation").fill(organisation)
    founder.field("Kind").select_option(label="Company or start-up")
    founder.field("Country").select_option(label="Germany")
    for label, number in (("Staff", "12"), ("Turnover (€ per year)", "900000"), ("Balance sheet (€)", "400000")):
        founder.field(label).fill(number)
    founder.press("Check whether it is an SME")
    founder.expect_text("It is a small enterprise, and an SME.")


def say_what_for(founder: Dashboards, title: str) -> None:
    founder.field("Title of the project").fill(title)
    founder.field("Sector").select_option(label="Robotics and manufacturing")
    founder.field("What you want to do").select_option(label="Try something out")
    founder.field("Use case").fill(USE_CASE)
    founder.expect_text("AI-MATTERS")


def take_advice(founder: Dashboards) -> None:
    founder.field("GPU hours (estimate)").fill("100")
    founder.field("Core hours (estimate)").fill("10")
    founder.field("When you want to start").select_option(label="Within a week")
    founder.press("Compare access modes")
    expect(founder.page.locator(".card.chosen")).to_contain_text("Playground", timeout=WAIT)
    expect(founder.page.locator(".card.chosen")).to_contain_text("Free of charge for you")
    expect(founder.page.locator(".card.chosen")).to_contain_text("Source: EuroHPC JU")
    founder.expect_text("Why it does not fit:")
    expect(founder.field("Call to apply to")).to_have_value(re.compile("."))


def ask_for_hours(founder: Dashboards) -> None:
    founder.press("Calculate GPU hours")
    founder.expect_text("GPU hours = 6 ×")
    founder.field("CPU partition").check()
    founder.field("GPU partition").check()
    founder.field("GPU hours").fill("100")


def declare(founder: Dashboards) -> None:
    founder.field("Does the project use personal data?").select_option(label="No")
    questions = founder.page.locator(".field", has=founder.page.locator(".hint", has_text=", AI Act")).locator("select")
    for place in range(questions.count()):
        questions.nth(place).select_option(label="No")
    questions.nth(questions.count() - 2).select_option(label="Yes")
    founder.press("Check my answers")
    founder.expect_text("Transparency duties apply.")
    founder.field("The use is for civilian purposes only.").check()
    founder.field("The information in this application is true.").check()


def apply(founder: Dashboards, title: str, *, pictures: bool = False) -> None:
    """From the first step to a submitted application."""
    start_a_path(founder)
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("You and your organisation", lambda: describe_themselves(founder, "Green Steel <b>GmbH</b>")),
        ("Sector and use case", lambda: say_what_for(founder, title)),
        ("Access mode", lambda: take_advice(founder)),
        ("Resources", lambda: ask_for_hours(founder)),
        ("Data and declarations", lambda: declare(founder)),
    )
    for number, (heading, fill) in enumerate(steps, 1):
        if number > 1:
            founder.arrives(heading)
        fill()
        if pictures:
            screenshot(founder.page, f"onboarding-{number}")
        founder.press("Save and continue")
    founder.arrives("Review and submit")
    founder.expect_text("Nothing is missing.")
    if pictures:
        screenshot(founder.page, "onboarding-6")
    submit(founder)


def submit(founder: Dashboards) -> None:
    founder.press("Submit the application")
    founder.expect_text("Under review")


def open_case(reviewer: Dashboards, title: str) -> None:
    """The newest application on the desk; a declaration is asked for before anything of it is shown."""
    reviewer.open("review")
    reviewer.expect_text("Review queue")
    reviewer.page.locator(".records a").last.click()
    none = reviewer.page.get_by_role("button", name="No conflict", exact=True)
    content = reviewer.page.get_by_role("heading", name="Applicant", exact=True)
    expect(none.or_(content).first).to_be_visible(timeout=WAIT)
    expect(reviewer.page.get_by_text(title).first).to_be_visible(timeout=WAIT)
    if none.is_visible():
        expect(content).to_have_count(0)
        none.click()
    expect(content).to_be_visible(timeout=WAIT)


def ask_for_changes(reviewer: Dashboards, words: str) -> None:
    reviewer.field("Changes you request").fill(words)
    reviewer.press("Request changes")
    reviewer.expect_text("Changes requested. The applicant gets a mail.")


def approve(reviewer: Dashboards, *, gpu_hours: int, cpu_hours: int, reason: str) -> None:
    for criterion in ("Excellence", "Innovation and impact", "Implementation"):
        reviewer.page.locator(".field").get_by_label(re.compile(f"^{criterion}")).select_option(label="4")
    reviewer.field("Recommendation").select_option(label="Approve")
    reviewer.press("Save my review")
    reviewer.expect_text("Review saved.")
    reviewer.field("Decision").select_option(label="Approve")
    reviewer.field("GPU hours granted").fill(str(gpu_hours))
    reviewer.field("Core hours granted").fill(str(cpu_hours))
    reviewer.field("Reason").fill(reason)
    reviewer.press("Save decision")
    reviewer.expect_text("The decision cannot be changed.")
    reviewer.press("Approve for good")
    reviewer.expect_text("Application approved. The project is being set up.")
