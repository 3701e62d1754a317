"""A newcomer finds data in the catalogues that come with Atrium, and opens it, without a network."""

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
from tests.browser import api_token, screenshot
from tests.deployment import Deployment
from tests.e2e.lab import open_empty_lab, wait_for_kernel
from tests.e2e.visitor import Visitor
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]

SECONDS = 60_000
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
