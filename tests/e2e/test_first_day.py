"""A newcomer finds data in the catalogues that come with Atrium, opens it and publishes a result, without a network."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from hub.client import Api
from hub.dataspace.models import Card, Query, Verdict
from hub.dataspace.sources.models import SourceForm
from tests.browser import accessibility_problems, api_token, screenshot
from tests.deployment import Deployment
from tests.e2e.lab import new_notebook, open_empty_lab, run_cell, wait_for_kernel
from tests.e2e.visitor import Visitor
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]

SECONDS = 120_000
WATER = "Annual flow of the Nile at Aswan"


@pytest.fixture(scope="module")
def catalogue(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Api]:
    """The sources of the settings, harvested; a copy that was started without them gets them for these tests."""
    admin = deployment.person("admin")
    page = signed_in(admin)
    api = deployment.api(api_token(page, deployment, admin))
    page.context.close()
    tables = tomllib.loads((deployment.etc / "atrium.toml").read_text())
    forms = [SourceForm.model_validate(source) for source in tables["dataspace"]["sources"]]
    missing = [form for form in forms if form.name not in {source.form.name for source in api.dataspace.sources()}]
    try:
        for form in missing:
            api.dataspace.put_source(form)
        eventually(lambda: len(verdicts(api)) == 3, within=240, what="records of each verdict are in the index")
        yield api
    finally:
        for form in missing:
            api.dataspace.remove_source(form.name)


def verdicts(api: Api) -> dict[Verdict, Card]:
    """A record of each verdict: of the shipped files, of the Belgian records, and of those without an address."""
    cards = [*api.dataspace.search("water").hits]
    for page in range(1, 20):
        query = Query(chips=("space:Belgium",), page=page, per_page=100)
        cards += api.dataspace.search(query).hits
    return {card.usable: card for card in reversed(cards)}


def only_this_machine(route: Route) -> None:
    """Refuse every request to another machine."""
    host = urlsplit(route.request.url).hostname or ""
    if host == "localhost" or host.endswith(".localhost") or host.startswith("127."):
        route.continue_()
    else:
        route.abort()


def test_a_newcomer_finds_water_and_runs_its_notebook(catalogue: Api, visit: Callable[[str], Visitor]) -> None:
    founder = visit("founder")
    founder.page.context.route("**/*", only_this_machine)
    page = founder.page
    page.goto(founder.deployment.settings.service_url("dashboards") + "voila/render/dataspaces.ipynb")
    founder.wait_for_greeting()

    for verdict, words in ((Verdict.NO, "Not usable"), (Verdict.ASK, "Usable on request")):
        page.goto(f"{page.url.partition('#')[0]}#view=record&record={verdicts(catalogue)[verdict].id}")
        page.reload()
        expect(page.get_by_role("heading", name="Can I use it?")).to_be_visible(timeout=SECONDS)
        expect(page.get_by_text(words).first).to_be_visible()

    page.goto(f"{page.url.partition('#')[0]}#q=water")
    page.reload()
    expect(page.get_by_label("Find data")).to_have_value("water", timeout=SECONDS)
    page.locator("button[data-key='space:Atrium demo']").click()
    page.get_by_role("link", name=WATER).click()
    expect(page.get_by_role("heading", name="Can I use it?")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_text("Usable now")).to_be_visible()
    expect(page.get_by_text("On this machine: ")).to_be_visible()
    page.get_by_role("button", name="Show first rows").first.click()
    expect(page.get_by_role("columnheader", name="volume")).to_be_visible(timeout=SECONDS)
    screenshot(page, "first-day-record")

    page.get_by_role("button", name="Bring to my project").first.click()
    page.get_by_role("link", name="Transfers").click()
    here = page.locator(".card", has_text=WATER).first
    expect(here.get_by_text("arrived")).to_be_visible(timeout=3 * SECONDS)
    expect(here.get_by_text("matches the publisher's checksum")).to_be_visible()
    file = Path(here.locator("dd code").first.inner_text())
    assert file.owner() == founder.name
    manifest = json.loads(Path(f"{file}.manifest.json").read_text())
    assert manifest["licence"] == "https://creativecommons.org/publicdomain/mark/1.0/"

    link = here.get_by_role("link", name="Open in notebook").get_attribute("href") or ""
    founder.start_notebook()
    open_empty_lab(page, founder.deployment.server_url(founder.name))
    page.locator(".jp-LauncherCard").first.wait_for(timeout=SECONDS)
    page.goto(link)
    expect(page.locator(".jp-Notebook", has_text="duckdb.read_csv")).to_have_count(1, timeout=2 * SECONDS)
    wait_for_kernel(page)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text("1871", timeout=2 * SECONDS)
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text("volume")


RESULT = "Mean flow of the Nile"
WRITE = """
from pathlib import Path
folder = Path.home() / "projects/demo/results"
folder.mkdir(exist_ok=True)
(folder / "mean flow.csv").write_text("decade,flow\\n1870,1132\\n1880,1045\\n")
(folder / "peaks.csv").write_text("year,flow\\n1879,1370\\n")
(folder / "passwd.csv").unlink(missing_ok=True)
(folder / "passwd.csv").symlink_to("/etc/passwd")
print("written")
"""
PUBLISH = """
from widgets import DataSpace
publication = DataSpace().publish_file("results/peaks.csv", project="demo", title="Peaks of the Nile",
    description="Years with the highest flow.", publisher="Demo", contact="demo@agency.example",
    licence="https://creativecommons.org/licenses/by/4.0/", visibility="factory")
print(publication.slug, publication.form.files[0].bytes)
"""


def open_data(visitor: Visitor, fragment: str) -> Page:
    """The data-space page, which reaches no other machine."""
    visitor.page.context.route("**/*", only_this_machine)
    visitor.page.goto("about:blank")
    address = visitor.deployment.settings.service_url("dashboards") + "voila/render/dataspaces.ipynb"
    visitor.page.goto(address + fragment)
    visitor.wait_for_greeting()
    return visitor.page


def withdraw_all(mine: Api) -> None:
    """Take back what these tests have published."""
    for publication in mine.dataspace.publications():
        if publication.form.title in (RESULT, "Peaks of the Nile"):
            mine.dataspace.withdraw(publication.slug)


def upload(page: Page, path: str, state: str) -> None:
    """Have a job upload a file of the project, and wait for the words that its card ends with."""
    page.get_by_label("Path of the file").fill(path, timeout=SECONDS)
    page.get_by_role("button", name="Upload file").click()
    card = page.get_by_role("list", name="Uploads").get_by_role("listitem").first
    expect(card).to_contain_text(path.rpartition("/")[2], timeout=SECONDS)
    expect(card.get_by_text(state, exact=True)).to_be_visible(timeout=3 * SECONDS)


def test_a_result_is_published_and_found_and_brought_by_a_colleague(visit: Callable[[str], Visitor]) -> None:
    founder, colleague = visit("founder"), visit("colleague")
    mine = founder.deployment.api(api_token(founder.page, founder.deployment, founder.name))
    withdraw_all(mine)
    founder.start_notebook()
    new_notebook(founder.page)
    assert run_cell(founder.page, WRITE) == "written"
    assert run_cell(founder.page, PUBLISH, within=180).endswith(" 20")

    page = open_data(founder, "#view=publish")
    upload(page, "results/passwd.csv", "was not uploaded")
    expect(page.get_by_role("list", name="Uploads")).to_contain_text("without links")
    upload(page, "results/mean flow.csv", "uploaded")
    screenshot(page, "first-day-upload")
    assert accessibility_problems(page) == []
    choice = page.get_by_label("Uploaded file")
    choice.select_option(label=next(text for text in choice.locator("option").all_inner_texts() if "mean flow" in text))
    page.get_by_label("Title").fill(RESULT)
    page.get_by_label("Description").fill("Mean of the annual flow at Aswan in each decade.")
    page.get_by_label("Publisher").fill("Demo")
    page.get_by_label("Contact").fill("demo@agency.example")
    page.get_by_label("Who may find it").select_option("factory")
    page.get_by_role("button", name="Publish record").click()
    expect(page.get_by_text("its description is good")).to_be_visible(timeout=2 * SECONDS)

    eventually(lambda: mine.dataspace.search(RESULT).total, within=60, what="the publication is in the index")
    page = open_data(colleague, "#q=Mean+flow+of+the+Nile")
    page.get_by_role("link", name=RESULT).click(timeout=SECONDS)
    expect(page.get_by_text("Usable now")).to_be_visible(timeout=SECONDS)
    page.get_by_role("button", name="Show first rows").first.click()
    expect(page.get_by_role("columnheader", name="decade")).to_be_visible(timeout=SECONDS)
    screenshot(page, "first-day-published")
    page.get_by_role("button", name="Bring to my project").first.click()
    page.get_by_role("link", name="Transfers").click()
    here = page.locator(".card", has_text=RESULT).or_(page.locator(".card", has_text="mean flow")).first
    expect(here.get_by_text("arrived")).to_be_visible(timeout=3 * SECONDS)
    expect(here.get_by_text("matches the publisher's checksum")).to_be_visible()
    file = Path(here.locator("dd code").first.inner_text())
    assert file.owner() == colleague.name
    assert file.read_text() == "decade,flow\n1870,1132\n1880,1045\n"
    withdraw_all(mine)
