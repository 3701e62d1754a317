"""From an application to used-up hours: a founder, a reviewer, a colleague and an admin, each with a browser."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import Browser, Dialog, expect

from tests.browser import accessibility_problems, fetch, screenshot
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.onboarding import (
    WAIT,
    Dashboards,
    apply,
    approve,
    ask_for_changes,
    describe_themselves,
    open_case,
    start_a_path,
    submit,
)
from tests.e2e.visitor import Visitor
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200, func_only=True)]

CORE_HOURS = 1
MINUTES = 20
"""Of a notebook: two of them at once are within the hours, and one is not once most are used."""
PROVISIONED_SECONDS = 120
COUNTED_SECONDS = 300


def test_from_an_application_to_the_last_hour(deployment: Deployment, visit: Visit) -> None:
    founder, reviewer = Dashboards(visit("founder")), Dashboards(visit("reviewer"))
    title = f"Less CO2 in steel {time.time_ns() % 10**6}"
    apply(founder, title, pictures=True)
    open_case(reviewer, title)
    screenshot(reviewer.page, "review-case")
    ask_for_changes(reviewer, "How many <i>cards</i> at once?")
    amend(founder, "How many <i>cards</i> at once?")
    open_case(reviewer, title)
    approve(reviewer, gpu_hours=10, cpu_hours=CORE_HOURS, reason="Sound; start smaller.")
    slug = read_the_decision(founder, title)
    assert limits(deployment, slug) == {"cpu": CORE_HOURS * 60, "gres/gpu": 600}
    colleague = visit("colleague")
    invite(founder, Dashboards(visit("admin")), Dashboards(colleague), slug)
    both_compute(deployment, [founder.visitor, colleague], slug)
    use_up(deployment, founder, colleague, slug)
    is_refused(founder.visitor, slug)


def amend(founder: Dashboards, words: str) -> None:
    """The page shows by itself what reviewers ask; the founder answers and submits again."""
    founder.expect_text("The reviewers request changes.")
    founder.expect_text(words)
    screenshot(founder.page, "onboarding-changes")
    founder.page.get_by_role("navigation", name="Steps of the application").get_by_role(
        "link", name="Resources"
    ).click()
    founder.arrives("Resources")
    founder.field("Justification").fill("Eight cards, for twelve hours.")
    founder.page.get_by_role("link", name="Review and submit").click()
    founder.arrives("Review and submit")
    expect(founder.page.locator(".facts").get_by_text("Eight cards, for twelve hours.")).to_be_visible()
    submit(founder)


def read_the_decision(founder: Dashboards, title: str) -> str:
    """The decision with its reason, then a project that is ready; its slug."""
    founder.expect_text("Sound; start smaller.")
    founder.expect_text("10 of 100 requested")
    expect(founder.page.get_by_role("link", name="Start your first notebook")).to_be_visible(
        timeout=PROVISIONED_SECONDS * 1000
    )
    screenshot(founder.page, "onboarding-approved")
    slug = founder.page.locator("p[role=status] code").inner_text()
    assert re.fullmatch(r"less-co-in-steel[a-z0-9-]*|less-[a-z0-9-]+", slug)
    return slug


def limits(deployment: Deployment, account: str) -> dict[str, int]:
    """What Slurm enforces for the account, in minutes."""
    argv = ("sacctmgr", "-nP", "show", "assoc", f"account={account}", "format=User,GrpTRESMins")
    lines = [line.split("|") for line in deployment.run(*argv).stdout.splitlines()]
    [words] = [minutes for user, minutes in lines if not user]
    return {name: int(minutes) for name, _, minutes in (word.partition("=") for word in words.split(","))}


def invite(founder: Dashboards, admin: Dashboards, colleague: Dashboards, slug: str) -> None:
    """By mail; the admin reads it in the demo's mailbox, the colleague opens its link, which works once."""
    founder.open("projects", f"project/{slug}/members")
    founder.field("Mail address of a colleague").fill("colleague@example.org")
    founder.press("Send invitation")
    founder.expect_text("Invitation sent to")
    screenshot(founder.page, "projects-members")
    admin.open("admin")
    admin.page.get_by_role("link", name="Mail", exact=True).click()
    letter = admin.page.locator("details", has_text=f"Invitation to the project {slug}").first
    letter.locator("summary").click(timeout=WAIT)
    link = re.search(r"http\S+#/invitation/(\S+)", letter.inner_text())
    assert link, letter.inner_text()
    colleague.page.goto("about:blank")
    colleague.page.goto(link[0])
    colleague.press("Join the project")
    colleague.expect_text("You have joined the project.")
    assert link[1] not in colleague.page.url
    logs = deployment_logs(colleague.visitor.deployment)
    assert [name for name, text in logs.items() if link[1] in text] == []
    colleague.page.goto("about:blank")
    colleague.page.goto(link[0])
    colleague.expect_text("This invitation is used, expired or invalid.")


def deployment_logs(deployment: Deployment) -> dict[str, str]:
    return {path.name: path.read_text(errors="replace") for path in (deployment.settings.paths.log).glob("*.log")}


def both_compute(deployment: Deployment, people: list[Visitor], slug: str) -> None:
    """A notebook of each under the project's account, at the same time."""
    members = [person.name for person in people]
    argv = ("sacctmgr", "-nP", "show", "assoc", f"account={slug}", "format=User")
    eventually(
        lambda: set(members) <= set(deployment.run(*argv).stdout.split()),
        within=PROVISIONED_SECONDS,
        what=f"Slurm knows {members} in {slug}",
    )
    for person in people:
        start(person, slug)
        person.wait_for_lab()
    running = [line.split() for line in deployment.squeue(f"--account={slug}", "--format=%u %T")]
    assert sorted(running) == sorted([name, "RUNNING"] for name in members)


def start(person: Visitor, slug: str) -> None:
    hub = f"{person.deployment.public_url}/hub"
    person.page.goto(f"{hub}/home")
    options = {"account": slug, "cpus": 1, "memory_gb": 1, "minutes": MINUTES}
    answer = fetch(person.page, "POST", f"{hub}/api/users/{person.name}/server", json.dumps({"user_options": options}))
    assert answer["status"] in (201, 202), answer
    person.page.goto(f"{hub}/spawn-pending/{person.name}")


def use_up(deployment: Deployment, founder: Dashboards, colleague: Visitor, slug: str) -> None:
    """Jobs that take most of what is left, on every core of the partition; the hours on the page go down."""
    people = [founder.visitor.name, colleague.name]
    for person in people:
        deployment.run("scancel", f"--user={person}")
    eventually(lambda: not deployment.squeue(f"--account={slug}"), within=90, what="the notebooks have ended")
    job = ["sbatch", f"--account={slug}", "--partition=batch", "--cpus-per-task=16", "--time=1", "--output=/dev/null"]
    for person in (*people, founder.visitor.name):  # 32 cores are the most one person gets at a time
        deployment.run("runuser", "-u", person, "--", *job, "--chdir=/", "--wrap=sleep 55")
    eventually(lambda: not deployment.squeue(f"--account={slug}"), within=180, what="the jobs have ended")

    def counted() -> str:
        founder.open("projects", f"project/{slug}/usage")
        founder.expect_text("CPU hours")
        return re.sub(r"\s", " ", founder.page.locator("main").inner_text())

    eventually(
        lambda: re.search(r"\b0\.\d+ h of 1 h CPU left", counted()),
        within=COUNTED_SECONDS,
        every=1,
        what="the page shows that most hours are used",
    )
    screenshot(founder.page, "projects-usage")
    assert accessibility_problems(founder.page) == []


def is_refused(founder: Visitor, slug: str) -> None:
    """The next start says why it cannot be: by the form's check or, if that knew less, while Slurm holds the job."""
    hub = f"{founder.deployment.public_url}/hub"
    founder.page.goto(f"{hub}/home")
    options = {"account": slug, "cpus": 1, "memory_gb": 1, "minutes": MINUTES}
    answer = fetch(
        founder.page, "POST", f"{hub}/api/users/{founder.name}/server", json.dumps({"user_options": options})
    )
    if answer["status"] == 422:
        assert re.search("hours of .* are used up|time left, and this would take", answer["text"]), answer
        return
    founder.page.goto(f"{hub}/spawn-pending/{founder.name}")
    expect(founder.page.locator("main")).to_contain_text(
        re.compile("CPU hours are used up, or too few are left"), timeout=120_000
    )


# -- two devices, hostile words, the keyboard, who may see what --------------------------------------------------------


def test_a_second_device_shows_a_notice_and_keeps_the_draft(visit: Visit) -> None:
    here, there = Dashboards(visit("founder")), Dashboards(visit("founder"))
    start_a_path(here)
    here.press("Save and continue")
    here.arrives("Sector and use case")
    there.open("onboarding")
    expect(there.field("Title of the project")).to_be_visible(timeout=WAIT)

    here.field("Title of the project").fill("Written here")
    here.press("Save")
    here.expect_text("✓ Saved")
    there.field("Use case").fill("Written there")
    there.press("Save")

    there.expect_text("This application was changed in another tab or on another device")
    screenshot(there.page, "onboarding-two-devices")
    assert there.field("Use case").input_value() == "Written there"
    there.press("Keep my changes")
    expect(there.page.get_by_text("This application was changed in another tab or on another device")).to_have_count(
        0, timeout=WAIT
    )
    there.open("onboarding")
    expect(there.field("Use case")).to_have_value("Written there", timeout=WAIT)
    expect(there.field("Title of the project")).to_have_value("Written here")


def test_an_invitation_survives_the_sign_in(deployment: Deployment, browser: Browser) -> None:
    """Its code stands behind ``#``, which no server sees and which a form would drop."""
    context = browser.new_context()
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{deployment.settings.service_url('dashboards')}voila/render/onboarding.ipynb#/invitation/{'x' * 40}")
    name = deployment.person("colleague")
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(deployment.login(name))
    page.locator("input[name=password]").press("Enter")

    expect(page.get_by_role("alert")).to_contain_text("This invitation is used, expired or invalid.", timeout=WAIT)
    assert "#" not in page.url
    assert [url for url in requests if "x" * 40 in url.partition("#")[0]] == []
    context.close()


def test_a_page_is_there_after_few_requests(visit: Visit) -> None:
    """Each script by itself would be about a hundred (``widgets/service/bundle.py``)."""
    learner = Dashboards(visit("learner01"))
    scripts: list[str] = []
    learner.page.on(
        "request", lambda request: scripts.append(request.url) if request.resource_type == "script" else None
    )
    learner.open("onboarding")
    learner.expect_text("Step 1 of 6")

    assert len([url for url in scripts if "/voila/static/" in url]) == 1, scripts
    assert len([url for url in scripts if "/voila/labextensions/" in url]) == 3, scripts


def test_user_input_is_escaped(visit: Visit) -> None:
    founder = Dashboards(visit("founder"))
    requests: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        requests.append(dialog.message)
        dialog.dismiss()

    founder.page.on("dialog", dismiss)
    hostile = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202e\U0001f600 {{7*7}}'
    start_a_path(founder)
    describe_themselves(founder, "Green Steel <b>GmbH</b>")  # without an organisation there is no summary
    founder.press("Save and continue")
    founder.arrives("Sector and use case")
    founder.field("Title of the project").fill(hostile)
    founder.field("Use case").fill(hostile * 20)
    founder.press("Save and continue")
    founder.arrives("Access mode")
    founder.page.get_by_role("link", name="Review and submit").first.click()
    founder.arrives("Review and submit")

    founder.expect_text("Still to do")
    assert hostile in founder.page.locator(".facts").first.locator("xpath=ancestor::main").inner_text()
    assert founder.page.locator("main img").count() == 0
    assert requests == []


def test_the_first_step_by_keyboard_alone(visit: Visit) -> None:
    founder = Dashboards(visit("founder"))
    start_a_path(founder)
    expect(founder.field("Your full name")).to_be_visible(timeout=WAIT)  # it comes after the heading
    founder.page.locator("h2[data-arrived]").focus()
    founder.page.keyboard.press("Tab")
    expect(founder.field("Your full name")).to_be_focused()
    founder.page.keyboard.press("ControlOrMeta+A")
    founder.page.keyboard.type("Maria by keyboard")
    for _ in range(60):
        founder.page.keyboard.press("Tab")
        if founder.page.evaluate("document.activeElement.textContent").strip() == "Save and continue":
            break
    founder.page.keyboard.press("Enter")

    founder.arrives("Sector and use case")


def test_a_wrong_field_is_marked_and_gets_the_focus(visit: Visit) -> None:
    founder = Dashboards(visit("founder"))
    start_a_path(founder)
    orcid = founder.field("ORCID (optional)")
    orcid.fill("nonsense")
    founder.press("Save and continue")

    expect(orcid).to_be_focused(timeout=WAIT)
    expect(orcid).to_have_attribute("aria-invalid", "true")
    words = founder.page.locator(f"#{(orcid.get_attribute('aria-describedby') or '').split()[0]}")
    expect(words).to_contain_text("Enter an ORCID iD such as 0000-0002-1825-0097.")
    screenshot(founder.page, "onboarding-wrong")


@pytest.mark.parametrize("name", ["review", "admin"])
def test_desk_and_admin_page_are_for_those_who_may(name: str, visit: Visit) -> None:
    founder = visit("founder")
    address = f"{founder.deployment.settings.service_url('dashboards')}voila/render/{name}.ipynb"
    founder.page.goto(address)

    expect(
        founder.page.get_by_role("alert").filter(has_text=re.compile("only|may", re.IGNORECASE)).first
    ).to_be_visible(timeout=WAIT)
    founder.page.goto(founder.home)
    for entry in ("Review", "Admin"):
        expect(founder.page.get_by_role("navigation").get_by_role("link", name=entry, exact=True)).to_have_count(0)


def test_pages_keep_to_wcag_2_2_aa(visit: Visit) -> None:
    founder, reviewer, admin = (Dashboards(visit(role)) for role in ("founder", "reviewer", "admin"))
    problems: dict[str, list[str]] = {}
    start_a_path(founder)
    for step in ("people", "purpose", "mode", "resources", "declarations", "submit"):
        problems[step] = accessibility_problems(founder.page)
        if step != "submit":
            here = founder.page.locator("h2[data-arrived]").get_attribute("data-arrived")
            founder.press("Save and continue")
            expect(founder.page.locator(f"h2[data-arrived]:not([data-arrived='{here}'])")).to_be_visible(timeout=WAIT)
    for part in ("members", "extension", "report"):
        founder.open("projects", f"project/demo/{part}")
        expect(founder.page.locator(f"h2[data-arrived='demo {part}']")).to_be_visible(timeout=WAIT)
        screenshot(founder.page, f"projects-{part}")
        problems[f"projects {part}"] = accessibility_problems(founder.page)
    reviewer.open("review")
    reviewer.expect_text("Review queue")
    screenshot(reviewer.page, "review")
    problems["review"] = accessibility_problems(reviewer.page)
    for part in ("calls", "projects", "mail", "audit", "programme"):
        admin.open("admin")
        admin.page.locator(f"a[href='#/{part}']").click()
        expect(admin.page.locator(f"h2[data-arrived='{part}']")).to_be_visible(timeout=WAIT)
        screenshot(admin.page, f"admin-{part}")
        problems[f"admin {part}"] = accessibility_problems(admin.page)

    assert {name: violations for name, violations in problems.items() if violations} == {}
