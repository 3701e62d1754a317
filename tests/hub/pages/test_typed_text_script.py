"""What somebody types on a dashboard stays in their browser until the API has it: typed_text.js, in Chromium."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Route, expect

from hub.pages import frame
from tests.browser import chromium

pytestmark = pytest.mark.process

SITE = "https://dashboards.example/services/dashboards/"
PAGE = f"{SITE}voila/render/onboarding.ipynb"
HTML = """<!doctype html><body data-voila="voila"><main id="main"><div id="dashboard">
  <div class="step-form">
    <div class="field"><label for="title">Title</label><input id="title" type="text"></div>
    <div class="field"><label for="text">Use case</label><textarea id="text">SAVED</textarea></div>
    <div class="field"><label for="sector">Sector</label><select id="sector"><option>Choose</option>
      <option>Energy</option></select></div>
    <div class="field"><label><input id="sure" type="checkbox"><span>It is true</span></label></div>
    <div class="field unkept"><label for="code">Code</label><input id="code" type="text"></div>
    <div id="rows"></div><button class="adds-row" id="add">Add</button>
    <span id="mark" hidden data-person="PERSON"
          data-typed-form="FORM" data-stored="0" data-filled="1" data-title="A-00001: Purpose"
          data-place="application/1/purpose" data-whole></span>
  </div>
  <div class="form-card"><div class="field"><label for="message">Message</label><input id="message"></div>
    <button id="send">Send</button>
    <span id="mark-of-message" hidden data-person="PERSON"
          data-typed-form="message 1" data-stored="0" data-filled="0" data-title="Message"
          data-place=""></span></div>
  <button id="save">Save</button><p id="kernel"></p>
</div></main>
<script>
  const changes = [];
  document.addEventListener("change", (event) => changes.push([event.target.id, event.target.value]));
  const mark = (name, value) => {
    for (const id of ["mark", "mark-of-message"]) {
      const old = document.getElementById(id);
      const fresh = old.cloneNode();
      if (name === "stored" || id === "mark") fresh.dataset[name] = value;
      old.replaceWith(fresh);
    }
  };
  document.getElementById("add").addEventListener("click", () => {
    const number = document.querySelectorAll(".repeated").length;
    document.getElementById("rows").insertAdjacentHTML("beforeend", `<div class="repeated"><div class="field">
      <label for="set-${number}">Data set</label><input id="set-${number}"></div></div>`);
  });
</script>
<script src="SITExsrf.js"></script><script src="SITEtyped_text.js"></script></body>"""


class Site:
    """The dashboards service as the script sees it: a page, and the key of whoever is signed in."""

    def __init__(self) -> None:
        self.person = "maria"
        self.form = "onboarding 1 purpose"
        self.saved = "saved"
        self.has_key = True
        self.signed_in = ""

    def answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(SITE)
        if path == "atrium/text-key":
            person = self.signed_in or self.person
            key = b64encode(person.ljust(32, ".").encode()).decode()
            is_own = route.request.headers.get("x-xsrftoken") == "token"  # else the cookie counts for nothing
            route.fulfill(status=200 if self.has_key and is_own else 403, json={"person": person, "key": key})
        elif path in ("typed_text.js", "xsrf.js"):
            route.fulfill(content_type="text/javascript", body=(frame.STATIC / path).read_text())
        else:
            html = HTML.replace("PERSON", self.person).replace("FORM", self.form).replace("SAVED", self.saved)
            route.fulfill(content_type="text/html", body=html.replace("SITE", SITE))

    def open(self, context: BrowserContext) -> Page:
        page = context.new_page()
        page.goto(PAGE)
        touch(page)
        return page

    def reload(self, page: Page) -> None:
        page.reload()
        touch(page)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def context(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    context = browser.new_context()
    context.set_default_timeout(10_000)
    context.route(f"{SITE}**", site.answer)
    context.add_cookies([{"name": "_xsrf", "value": "token", "url": SITE}])
    yield context
    context.close()


def touch(page: Page) -> None:
    """As the kernel does: something on the page changes."""
    page.evaluate("document.getElementById('kernel').textContent = String(Math.random())")
    page.wait_for_function("['yes', 'no'].includes(document.getElementById('main').dataset.typedKept)")


def items(page: Page) -> list[str]:
    """Names of the forms of which the browser keeps text."""
    names = page.evaluate("Object.keys(localStorage)")
    return sorted(name.removeprefix("atrium-typed ").split(" ", 1)[1] for name in names)


def wait_until_kept(page: Page, *forms: str) -> None:
    names = "Object.keys(localStorage).map((name) => name.split(' ').slice(2).join(' ')).sort().join()"
    page.wait_for_function(f"names => {names} === names", arg=",".join(sorted(forms)))


def wait_for_key(page: Page) -> None:
    page.wait_for_function("document.getElementById('main').dataset.typedKept === 'yes'")


def test_text_is_there_again_after_a_reload_and_the_kernel_gets_it(context: BrowserContext, site: Site) -> None:
    page = site.open(context)
    page.fill("#title", "Green steel")
    page.select_option("#sector", label="Energy")
    page.check("#sure")
    wait_until_kept(page, "onboarding 1 purpose")

    site.reload(page)

    expect(page.locator("#title")).to_have_value("Green steel")
    expect(page.locator("#sector")).to_have_value("Energy")
    expect(page.locator("#sure")).to_be_checked()
    assert ["title", "Green steel"] in page.evaluate("changes")
    expect(page.locator("#typed-text")).to_contain_text("did not save it: Title, Sector, It is true")


def test_text_of_a_closed_tab_is_taken_over_and_that_of_an_open_one_is_not(context: BrowserContext, site: Site) -> None:
    first = site.open(context)
    first.fill("#title", "Of the first tab")
    wait_until_kept(first, "onboarding 1 purpose")

    second = site.open(context)
    wait_for_key(second)
    expect(second.locator("#title")).to_have_value("")
    first.close()
    third = site.open(context)

    expect(third.locator("#title")).to_have_value("Of the first tab")
    assert len(items(third)) == 1


def test_nobody_else_sees_it_and_nobody_at_all_after_a_sign_out(context: BrowserContext, site: Site) -> None:
    page = site.open(context)
    page.fill("#title", "Secret plans")
    wait_until_kept(page, "onboarding 1 purpose")
    assert "Secret" not in page.evaluate("JSON.stringify(localStorage)")

    site.person = "jan"  # another person's key, as after a sign-out Maria's own new one
    site.reload(page)
    wait_until_kept(page)

    expect(page.locator("#title")).to_have_value("")
    expect(page.locator("#typed-text")).to_have_count(0)


def test_what_the_api_has_is_removed_and_what_was_typed_since_is_not(context: BrowserContext, site: Site) -> None:
    page = site.open(context)
    page.fill("#title", "Green steel")
    page.fill("#text", "Furnaces")
    wait_until_kept(page, "onboarding 1 purpose")
    expect(page.locator("main")).to_have_attribute("data-typed-unsaved", "")
    page.click("#save")
    page.fill("#text", "Furnaces and more")
    page.evaluate("mark('stored', 1)")
    wait_until_kept(page, "onboarding 1 purpose")

    site.saved = "Furnaces"
    site.reload(page)

    expect(page.locator("#text")).to_have_value("Furnaces and more")
    expect(page.locator("#typed-text")).not_to_contain_text("has changed since")
    expect(page.locator("#title")).to_have_value("")
    page.click("#save")
    page.evaluate("mark('stored', 1)")
    wait_until_kept(page)
    expect(page.locator("main")).not_to_have_attribute("data-typed-unsaved", "")
    expect(page.locator("#typed-text")).to_have_count(0)


def test_what_a_press_sends_that_waits_is_not_stored_by_the_one_before(context: BrowserContext, site: Site) -> None:
    page = site.open(context)
    page.fill("#title", "Green steel")
    wait_until_kept(page, "onboarding 1 purpose")
    page.click("#save")
    page.evaluate("document.getElementById('kernel').innerHTML = '<i data-busy></i>'")
    page.fill("#text", "Furnaces")
    page.click("#save")
    page.evaluate("mark('stored', 1)")
    expect(page.locator("main")).to_have_attribute("data-typed-unsaved", "")
    wait_until_kept(page, "onboarding 1 purpose")
    site.reload(page)

    expect(page.locator("#text")).to_have_value("Furnaces")
    expect(page.locator("#title")).to_have_value("")


def test_a_press_that_failed_removes_nothing(context: BrowserContext, site: Site) -> None:
    page = site.open(context)
    page.fill("#title", "Green steel")
    page.click("#save")
    touch(page)
    site.reload(page)

    expect(page.locator("#title")).to_have_value("Green steel")


def test_a_button_of_one_part_removes_the_text_of_that_part_only(context: BrowserContext, site: Site) -> None:
    page = site.open(context)
    page.fill("#title", "Green steel")
    page.fill("#message", "Hello")
    wait_until_kept(page, "message 1", "onboarding 1 purpose")
    page.click("#send")
    page.evaluate("mark('stored', 1)")

    wait_until_kept(page, "onboarding 1 purpose")


def test_codes_are_not_kept(context: BrowserContext, site: Site) -> None:
    page = site.open(context)
    page.fill("#code", "join-1")
    page.fill("#title", "x")
    wait_until_kept(page, "onboarding 1 purpose")
    site.reload(page)
    expect(page.locator("#title")).to_have_value("x")
    expect(page.locator("#code")).to_have_value("")


def test_rows_are_there_again(context: BrowserContext, site: Site) -> None:
    page = site.open(context)
    for number, name in enumerate(("Ore", "Coal")):
        page.click("#add")
        page.fill(f"#set-{number}", name)
    wait_until_kept(page, "onboarding 1 purpose")
    site.reload(page)

    expect(page.locator("#set-0")).to_have_value("Ore")
    expect(page.locator("#set-1")).to_have_value("Coal")
    assert page.locator(".repeated").count() == 2


def test_a_draft_that_was_changed_meanwhile_is_said_and_typed_text_can_be_discarded(
    context: BrowserContext, site: Site
) -> None:
    page = site.open(context)
    page.fill("#text", "Mine")
    wait_until_kept(page, "onboarding 1 purpose")
    site.saved = "Of another device"
    site.reload(page)

    expect(page.locator("#typed-text")).to_contain_text("What is saved has changed since then: Use case.")
    expect(page.locator("#text")).to_have_value("Mine")
    page.get_by_role("button", name="Discard what I typed").click()
    expect(page.locator("#text")).to_have_value("Of another device")
    assert items(page) == []


def test_text_of_another_form_is_named_with_a_link(context: BrowserContext, site: Site) -> None:
    page = site.open(context)
    page.fill("#title", "Green steel")
    wait_until_kept(page, "onboarding 1 purpose")
    site.form = "onboarding 2 purpose"
    site.reload(page)

    link = page.locator("#typed-text").get_by_role("link", name="A-00001: Purpose")
    expect(link).to_have_attribute("href", "#/application/1/purpose")
    expect(page.locator("#title")).to_have_value("")


def test_the_first_save_moves_what_was_typed_meanwhile_to_the_draft(context: BrowserContext, site: Site) -> None:
    site.form = "onboarding new purpose"
    page = site.open(context)
    page.fill("#title", "Green steel")
    wait_until_kept(page, "onboarding new purpose")
    page.click("#save")
    page.fill("#text", "Typed while it was saved")
    page.evaluate("mark('typedForm', 'onboarding 7 purpose'); mark('stored', 1)")

    wait_until_kept(page, "onboarding 7 purpose")


def test_the_key_of_somebody_who_has_signed_in_meanwhile_is_not_used(context: BrowserContext, site: Site) -> None:
    site.signed_in = "jan"
    page = site.open(context)
    page.fill("#title", "Of Maria")
    page.wait_for_timeout(500)

    expect(page.locator("main")).to_have_attribute("data-typed-kept", "no")
    assert items(page) == []


def test_without_a_key_nothing_is_kept_and_the_page_says_so_before_it_goes(context: BrowserContext, site: Site) -> None:
    site.has_key = False
    page = site.open(context)
    page.click("#title")  # browsers ask only on pages that somebody has used
    page.fill("#title", "Green steel")
    dialogs: list[str] = []

    def leave(dialog: Dialog) -> None:
        dialogs.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.reload()

    assert dialogs == ["beforeunload"]
    assert items(page) == []
