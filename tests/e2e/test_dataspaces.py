"""From a catalogue to a notebook on its data: harvested, found, read, brought into the project, and opened."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from hub.client import Api
from hub.dataspace.client import Dataspace
from hub.dataspace.sources.models import SourceForm
from hub.dataspace.transfers.models import Transfer, TransferForm, TransferState
from hub.errors import HubUnavailable, InvalidInput, NotFound
from tests.browser import ARTIFACTS, accessibility_problems, api_token, screenshot
from tests.deployment import Deployment
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.visitor import Visitor
from tests.polling import eventually
from tests.temporary_deployment import changed_settings

pytestmark = pytest.mark.e2e

CATALOGUE = Path(__file__).parents[1] / "data/dataspace/browser/catalogue.ttl"
ROWS = b"station,day,no2\n" + b"".join(b"B%03d,2026-01-%02d,%d\n" % (at, at % 28 + 1, at % 60) for at in range(2000))
SERIES = ROWS * 100
SECONDS = 120_000


class Publisher:
    """A web server of files in a folder, which hands out parts; one that is held stops in the middle of its answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        """Paths and Range headers of the requests."""
        self.held: set[str] = set()
        self.go_on = threading.Event()


@dataclass(frozen=True)
class Shop:
    """The data-space page's surroundings: a publisher's web server, and its catalogue in the index."""

    deployment: Deployment
    api: Api
    publisher: Publisher


@contextmanager
def published(folder: Path) -> Iterator[Publisher]:
    publisher = Publisher(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, part = self.path.partition("?")[0], self.headers.get("Range", "")
            publisher.requests.append((path, part))
            file = folder / path[1:]
            if not file.is_file():
                self.send_error(404)
                return
            body = file.read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()}"'
            start = int(part[len("bytes=") : -1]) if part and self.headers.get("If-Range") == tag else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("ETag", tag)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            middle = (start + len(body)) // 2
            with suppress(OSError):
                self.wfile.write(body[start:middle])
                if path in publisher.held:
                    publisher.go_on.wait(120)
                self.wfile.write(body[middle:])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    publisher.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        publisher.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module", autouse=True)
def allowed_to_ask_this_machine(deployment: Deployment) -> Iterator[None]:
    """Settings that name 127.0.0.1, and the programs that read them."""
    lines = '[dataspace]\nallowed_hosts = ["127.0.0.1"]\nharvest_seconds = 1\n'
    with changed_settings(deployment, {"[dataspace]\n": lines}, apply=restart_readers):
        yield


def restart_readers(deployment: Deployment) -> None:
    deployment.supervisorctl("restart", "api", "worker")


@pytest.fixture(scope="module")
def opened_shop(
    deployment: Deployment, signed_in: Callable[[str], Page], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """Its catalogue is harvested once for all tests."""
    admin = deployment.person("admin")
    page = signed_in(admin)
    token = api_token(page, deployment, admin)
    page.context.close()
    folder = tmp_path_factory.mktemp("publisher")
    with published(folder) as publisher:
        url = publisher.url
        (folder / "no2.csv").write_bytes(ROWS)
        (folder / "series.csv").write_bytes(SERIES)
        text = CATALOGUE.read_text().replace("SITE", url)
        text = text.replace("SERIES256", hashlib.sha256(SERIES).hexdigest())
        text = text.replace("SHA256", hashlib.sha256(ROWS).hexdigest())
        (folder / "catalogue.ttl").write_text(text)
        api = deployment.api(token)
        form = SourceForm(name="browser", title="Test", space="Mobility", address=f"{url}/catalogue.ttl")
        eventually(lambda: _source_saved(api, form), within=60, what="the API is back, and an earlier source gone")
        try:
            api.dataspace.run_source("browser")
            eventually(lambda: _indexed(api, url), within=90, what="the catalogue is indexed")
            yield Shop(deployment, api, publisher)
        finally:
            api.dataspace.remove_source("browser")


@pytest.fixture
def shop(opened_shop: Shop) -> Iterator[Shop]:
    """The same with a publisher that holds nothing back, and of whom nothing has been asked."""
    publisher = opened_shop.publisher
    publisher.requests.clear()
    publisher.held.clear()
    publisher.go_on = threading.Event()
    yield opened_shop
    publisher.go_on.set()


def _source_saved(api: Api, form: SourceForm) -> bool:
    try:
        return bool(api.dataspace.put_source(form))
    except (InvalidInput, HubUnavailable):
        return False


def _indexed(api: Api, url: str) -> bool:
    hits = api.dataspace.search("nitrogen").hits
    return len(hits) == 1 and api.dataspace.record(hits[0].id).record.distributions[0].download_url.startswith(url)


def open_page(visitor: Visitor, fragment: str = "") -> Page:
    visitor.page.goto(
        visitor.deployment.settings.service_url("dashboards") + f"voila/render/dataspaces.ipynb{fragment}"
    )
    visitor.wait_for_greeting()
    return visitor.page


def test_from_a_search_to_a_notebook(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    founder = visit("founder")
    page = open_page(founder)
    page.get_by_label("Find data").fill("nitrog")
    expect(page.locator(".ds-count")).to_have_text("1 record", timeout=SECONDS)
    assert "q=nitrog" in page.url
    screenshot(page, "dataspaces-search")
    assert accessibility_problems(page) == []

    page.get_by_role("link", name="Nitrogen dioxide in the air").press("Enter")
    expect(page.get_by_role("heading", name="Can I use it?")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_text("Usable now")).to_be_visible()
    expect(page.get_by_role("heading", name="Nitrogen dioxide in the air")).to_be_focused()
    page.get_by_role("button", name=re.compile("Show first rows")).first.click()
    expect(page.get_by_role("columnheader", name="no2")).to_be_visible(timeout=SECONDS)
    screenshot(page, "dataspaces-record")
    assert accessibility_problems(page) == []

    page.get_by_role("button", name="Bring to my project").first.click()
    page.get_by_role("link", name="Transfers").click()
    here = page.locator(".card", has_text="Nitrogen dioxide").first
    expect(here.get_by_text("arrived")).to_be_visible(timeout=3 * SECONDS)
    expect(here.get_by_text("matches the publisher's checksum")).to_be_visible()
    screenshot(page, "dataspaces-transfers")
    assert accessibility_problems(page) == []
    file = Path(here.locator("dd code").first.inner_text())
    assert file.is_relative_to(shop.deployment.settings.paths.projects)
    assert file.read_bytes() == ROWS
    assert file.owner() == founder.name

    link = here.get_by_role("link", name="Open in notebook").get_attribute("href") or ""
    founder.start_notebook()
    founder.page.goto(link)
    opened = founder.page.locator(".jp-Notebook", has_text="duckdb.read_csv")
    expect(opened).to_have_count(1, timeout=2 * SECONDS)
    screenshot(founder.page, "dataspaces-notebook")

    new_notebook(founder.page)
    code = "from widgets import DataSpace\nspace = DataSpace()\nfound = space.search('nitrogen')\nfound.total"
    assert run_cell(founder.page, code) == "1"
    fetched = run_cell(founder.page, "print(space.fetch(found.hits[0], project='demo'))", within=120)
    assert fetched == str(file), "the same content is the same file"
    run_cell(founder.page, "space")
    shown = founder.page.locator(".jp-OutputArea .ds")
    shown.get_by_label("Find data").fill("nitrogen", timeout=SECONDS)
    expect(shown.get_by_role("link", name="Nitrogen dioxide in the air")).to_be_visible(timeout=SECONDS)
    screenshot(founder.page, "dataspaces-in-lab")


def test_a_killed_transfer_resumes_where_it_stopped(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    founder = visit("founder")
    mine = as_(shop, founder)
    wish = TransferForm(record_id=mine.search("series").hits[0].id, project="demo")
    shop.publisher.held.add("/series.csv")
    data = shop.deployment.settings.paths.projects / "demo" / "data"

    transfer = mine.bring(wish)
    eventually(lambda: _partial_bytes(data) > len(SERIES) // 4, within=120, what="half of it is there")
    assert not list(data.glob("*/series*.csv")), "what is not whole is no data"
    [job] = shop.deployment.squeue(f"--user={founder.name}", "--format=%i", "--states=running")
    shop.deployment.run("scancel", "--signal=KILL", "--full", job)
    over = eventually(lambda: _over(mine, transfer.id), within=120, what="its end is seen")
    assert (over.state, "Try the transfer again" in over.reason) == (TransferState.FAILED, True)

    shop.publisher.held.clear()
    shop.publisher.go_on.set()
    again = mine.bring(wish)
    over = eventually(lambda: _over(mine, again.id), within=120, what="it arrives")
    assert over.state is TransferState.DONE, over.reason
    parts = [part for path, part in shop.publisher.requests if path == "/series.csv"]
    assert parts[0] == ""
    assert int(parts[-1].removeprefix("bytes=").removesuffix("-")) > len(SERIES) // 4, "only the rest was asked for"
    assert over.progress is not None
    assert over.progress.verified
    file = Path(over.directory) / over.progress.path
    assert file.read_bytes() == SERIES
    assert file.owner() == founder.name
    assert file.group() == data.group(), "it is the project's"
    assert json.loads(Path(f"{file}.manifest.json").read_text())["licence"].endswith("/by/4.0/")
    accounting = shop.deployment.run("sacct", "-nPX", "-o", "account,partition", "-j", job).stdout
    account = shop.deployment.run("sacctmgr", "-nP", "show", "account", "demo", "format=account").stdout.strip()
    assert accounting.split() == [f"{account}|transfer"], "and counts as the project's"
    for series in data.glob("*/series.csv*"):
        series.unlink()


def _partial_bytes(data: Path) -> int:
    """Bytes of the series copied so far."""
    return sum(part.stat().st_size for part in data.glob("*/.series.csv.*.part"))


def test_a_transfer_is_cancelled_in_the_middle_of_it(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    founder = visit("founder")
    mine = as_(shop, founder)
    shop.publisher.held.add("/series.csv")
    data = shop.deployment.settings.paths.projects / "demo" / "data"
    transfer = mine.bring(TransferForm(record_id=mine.search("series").hits[0].id, project="demo"))
    eventually(lambda: _partial_bytes(data) > len(SERIES) // 4, within=120, what="half of it is there")
    page = open_page(founder, "#view=transfers")
    page.get_by_role("button", name="Cancel Long series").first.press("Enter")
    here = page.locator(".card", has_text="Long series").first
    expect(here.get_by_text("cancelled", exact=True)).to_be_visible(timeout=2 * SECONDS)
    expect(page.get_by_role("heading", name="Transfers")).to_be_focused()
    assert mine.transfer(transfer.id).state is TransferState.CANCELLED
    founder.wait_until_nothing_runs()
    assert not list(data.glob("*/series*.csv"))
    for path in data.glob("*/.series.csv.*.part*"):
        path.unlink()


def test_a_file_that_does_not_fit_is_not_requested(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    mine = as_(shop, visit("founder"))
    transfer = mine.bring(TransferForm(record_id=mine.search("satellite").hits[0].id, project="demo"))
    over = eventually(lambda: _over(mine, transfer.id), within=120, what="the transfer is refused")
    assert over.state is TransferState.FAILED
    assert "It needs 1 PB" in over.reason
    assert not [path for path, _ in shop.publisher.requests if path == "/archive.csv"]


def as_(shop: Shop, visitor: Visitor) -> Dataspace:
    """The API as the visitor's notebook asks it."""
    return shop.deployment.api(api_token(visitor.page, shop.deployment, visitor.name)).dataspace


def test_a_wrong_checksum_and_a_person_who_changes_their_mind(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    founder = visit("founder")
    mine = as_(shop, founder)
    record = mine.search("nitrogen").hits[0].id
    wish = TransferForm(record_id=record, project="demo")
    file = shop.publisher.folder / "no2.csv"
    file.write_bytes(ROWS[:-1] + b"!")
    try:
        transfer = mine.bring(wish)
        over = eventually(lambda: _over(mine, transfer.id), within=120, what="the transfer is over")
    finally:
        file.write_bytes(ROWS)
    assert over.state is TransferState.QUARANTINED
    assert over.progress is not None
    aside = Path(over.directory) / over.progress.path
    assert aside.parent.name == "quarantine"
    assert aside.owner() == founder.name
    aside.unlink()

    transfer = mine.bring(wish)
    mine.cancel_transfer(transfer.id)
    over = eventually(lambda: _over(mine, transfer.id), within=120, what="the transfer is cancelled")
    assert over.state is TransferState.CANCELLED
    founder.wait_until_nothing_runs()


def _over(mine: Dataspace, number: int) -> Transfer | None:
    transfer = mine.transfer(number)
    return transfer if transfer.ended else None


def test_facets_are_in_the_address_and_the_address_is_the_search(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    page = open_page(visit("founder"), "#q=air&chip=access%3Apublic&sort=date")
    expect(page.get_by_label("Find data")).to_have_value("air", timeout=SECONDS)
    expect(page.get_by_role("button", name="Remove filter")).to_have_count(1)
    expect(page.locator(".ds-hits > li").first).to_be_visible()
    expect(page.locator("[aria-pressed=true]")).to_have_text(re.compile("Public"))
    page.get_by_label("Find data").press("Control+a")
    page.keyboard.type("zzzz")
    expect(page.get_by_role("heading", name="No data sets match your search")).to_be_visible(timeout=SECONDS)
    assert "q=zzzz" in page.url
    page.get_by_label("Find data").press("Control+a")
    page.keyboard.type("nitrogen zzzz")
    relax = page.get_by_role("button", name=re.compile("Without the word “zzzz”"))
    expect(relax).to_be_visible(timeout=SECONDS)
    screenshot(page, "dataspaces-nothing")
    assert accessibility_problems(page) == []
    relax.press("Enter")
    expect(page.locator(".ds-count")).to_have_text("1 record", timeout=SECONDS)
    expect(page.get_by_label("Find data")).to_have_value("nitrogen")


@pytest.mark.parametrize("width", [1280, 360])
def test_days_publishers_and_keywords_narrow_a_search_by_keyboard(
    shop: Shop, visit: Callable[[str], Visitor], width: int
) -> None:
    page = open_page(visit("founder"))
    page.set_viewport_size({"width": width, "height": 740})
    page.reload()
    expect(page.locator(".ds-count")).to_have_text(re.compile("records"), timeout=SECONDS)
    if width < 768:
        page.locator("summary", has_text="Filters").press("Enter")
    count = page.locator(".ds-count")
    finder = page.get_by_label("Find a publisher")
    finder.press_sequentially("ENVIRONMENT ag")
    expect(page.get_by_role("button", name="Environment Agency")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_role("button", name="svg onload")).to_have_count(0)
    expect(finder).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(count).to_have_text("4 records", timeout=SECONDS)
    assert "chip=publisher%3AEnvironment+Agency" in page.url

    page.locator("summary", has_text="Updated between").press("Enter")
    page.get_by_label("First day").fill("2026-09-30")
    expect(count).to_have_text("1 record", timeout=SECONDS)
    assert "from=2026-09-30" in page.url
    screenshot(page, f"dataspaces-days-{width}")
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.reload()
    expect(count).to_have_text("1 record", timeout=SECONDS)
    expect(page.get_by_label("Sort by")).to_have_value("relevance")
    page.get_by_label("Sort by").select_option("oldest")
    expect(page).to_have_url(re.compile("sort=oldest"), timeout=SECONDS)
    page.get_by_role("button", name="Updated: ").press("Enter")
    expect(count).to_have_text("4 records", timeout=SECONDS)

    page.locator(".ds-hits h3 a", has_text="Nitrogen").press("Enter")
    page.get_by_role("button", name="Find records with the keyword air quality").press("Enter")
    expect(count).to_have_text("1 record", timeout=SECONDS)
    assert "chip=keyword%3Aair+quality" in page.url


def test_text_of_a_record_is_escaped(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    page = open_page(visit("founder"), "#q=hostile")
    page.evaluate("window.hit = 0")
    link = page.locator(".ds-hits h3 a").first
    expect(link).to_contain_text("<img src=x onerror", timeout=SECONDS)
    link.click()
    expect(page.get_by_text("Not recognised, so not allowed")).to_be_visible(timeout=SECONDS)
    expect(page.locator(".ds-main")).to_contain_text("<script>window.hit=1</script>")
    screenshot(page, "dataspaces-hostile")
    assert page.evaluate("window.hit") == 0
    assert page.locator(".ds a[href^='javascript:'], .ds a[href^='data:'], .ds img, .ds script").count() == 0
    assert accessibility_problems(page) == []


def test_an_admin_sees_sources_and_others_do_not(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    page = open_page(visit("admin"), "#view=sources")
    expect(page.get_by_role("button", name="Harvest now: Test")).to_be_visible(timeout=SECONDS)
    screenshot(page, "dataspaces-sources")
    assert accessibility_problems(page) == []
    page = open_page(visit("founder"), "#view=publish")
    expect(page.get_by_role("button", name="Publish record")).to_be_visible(timeout=SECONDS)
    assert page.get_by_role("link", name="Sources").count() == 0
    screenshot(page, "dataspaces-publish")
    assert accessibility_problems(page) == []


def test_an_admin_adds_a_source_sees_refused_records_and_changes_it(
    shop: Shop, visit: Callable[[str], Visitor]
) -> None:
    good = (
        '<https://data.example/{0}> a <http://www.w3.org/ns/dcat#Dataset> ; <http://purl.org/dc/terms/title> "{0}" .\n'
    )
    (shop.publisher.folder / "broken.ttl").write_text(
        good.format("one") + "this is <not a statement .\n" + good.format("two")
    )
    page = open_page(visit("admin"), "#view=sources")
    try:
        page.get_by_label("Short name").fill("extra", timeout=SECONDS)
        page.get_by_label("Title").fill("Extra <b>source</b>")
        page.get_by_label("Data space").fill("Test")
        page.get_by_label("Address").fill("ftp://data.example/")
        page.get_by_role("button", name="Add source").press("Enter")
        expect(page.locator(".field-error")).to_contain_text("It begins with http", timeout=SECONDS)
        expect(page.get_by_label("Address")).to_be_focused()
        page.get_by_label("Address").fill(f"{shop.publisher.url}/broken.ttl")
        page.get_by_role("button", name="Add source").press("Enter")
        expect(page.locator(".ds-message")).to_contain_text("saved.", timeout=SECONDS)
        page.get_by_role("button", name="Close this message").press("Enter")
        page.get_by_label("Data space").focus()
        here = page.locator(".card", has_text="Extra <b>source</b>")
        expect(here.get_by_text("incomplete", exact=True)).to_be_visible(timeout=2 * SECONDS)
        expect(here).to_contain_text("2 records")
        expect(page.get_by_label("Data space")).to_be_focused()  # news do not take the keyboard away
        here.get_by_text("Refused (1)").press("Enter")
        expect(here.locator("details li")).to_contain_text("line 2")
        screenshot(page, "dataspaces-refused")
        assert accessibility_problems(page) == []

        here.get_by_role("button", name="Change Extra").press("Enter")
        form = page.locator("form[data-draft]")
        expect(form.get_by_label("Title")).to_be_focused()
        expect(form.get_by_label("Title")).to_have_value("Extra <b>source</b>")
        form.get_by_label("Title").fill("Other")
        form.get_by_role("button", name="Save changes").press("Enter")
        expect(page.get_by_role("heading", name="Other", exact=True)).to_be_visible(timeout=SECONDS)
        expect(page.get_by_role("heading", name="Add a source")).to_be_visible()
        page.get_by_role("button", name="Remove").last.press("Enter")
        page.get_by_role("button", name="Yes, remove").press("Enter")
        expect(page.get_by_role("heading", name="Other", exact=True)).to_have_count(0, timeout=SECONDS)
    finally:
        with suppress(NotFound):
            shop.api.dataspace.remove_source("extra")


@pytest.mark.parametrize("place", ["#q=air", "#q=zzzz", "#view=saved", "#view=transfers", "#view=publish"])
def test_on_a_phone_nothing_scrolls_sideways(shop: Shop, visit: Callable[[str], Visitor], place: str) -> None:
    founder = visit("founder")
    founder.page.set_viewport_size({"width": 360, "height": 740})
    page = open_page(founder, place)
    expect(page.locator(".ds-main h2").first).to_be_attached(timeout=SECONDS)
    if place == "#q=air":
        page.get_by_role("link", name="Nitrogen dioxide in the air").click()
        expect(page.get_by_role("heading", name="Can I use it?")).to_be_visible(timeout=SECONDS)
        page.get_by_role("button", name=re.compile("Show first rows")).first.click()
        expect(page.get_by_role("columnheader", name="no2")).to_be_visible(timeout=SECONDS)
    page.screenshot(path=ARTIFACTS / f"dataspaces-phone{re.sub('[^a-z]', '-', place)}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert accessibility_problems(page) == []


def test_a_project_publishes_its_results(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    founder = visit("founder")
    page = open_page(founder, "#view=publish")
    page.get_by_label("Title").fill("Cleaned nitrogen", timeout=SECONDS)
    page.get_by_label("Description").fill("short")
    page.get_by_role("button", name="Publish record").click()
    assert page.locator("textarea:invalid").count() == 1, "the browser says what is missing"
    page.get_by_label("Description").fill("The measurements without their gaps.")
    page.get_by_label("Publisher").fill("Demo")
    page.get_by_label("Contact").fill("demo@agency.example")
    page.get_by_label("Sector").select_option("ENVI")
    page.get_by_role("button", name="Publish record").click()
    expect(page.get_by_text("its description is")).to_be_visible(timeout=2 * SECONDS)
    card = page.locator(".card", has_text="Cleaned nitrogen")
    expect(card).to_contain_text("seen by the project")
    card.get_by_role("button", name="Change Cleaned nitrogen").press("Enter")
    form = page.locator("form[data-draft]")
    expect(form.get_by_label("Description")).to_have_value("The measurements without their gaps.")
    expect(form.get_by_label("Sector")).to_have_value("ENVI")
    form.get_by_label("Who may find it").select_option("factory")
    form.get_by_role("button", name="Save changes").press("Enter")
    expect(card).to_contain_text("seen by the factory", timeout=2 * SECONDS)
    expect(page.get_by_role("button", name="Publish record")).to_be_visible()
    card.get_by_role("button", name="Withdraw").click()
    card.get_by_role("button", name="Yes, withdraw").click()
    expect(card).to_have_count(0, timeout=SECONDS)


def test_a_search_is_saved_and_deleted(shop: Shop, visit: Callable[[str], Visitor]) -> None:
    page = open_page(visit("founder"), "#q=air")
    page.get_by_text("Save this search").click(timeout=SECONDS)
    page.get_by_label("Name", exact=True).fill("Air for me")
    page.get_by_role("button", name="Save search").click()
    expect(page.get_by_text("Saved as “Air for me”.")).to_be_visible(timeout=SECONDS)
    page.get_by_role("link", name="Saved searches").click()
    page.get_by_role("link", name="Air for me").click()
    expect(page.get_by_label("Find data")).to_have_value("air")
    page.get_by_role("link", name="Saved searches").click()
    page.get_by_role("button", name="Stop mail about Air for me").press("Enter")
    expect(page.get_by_role("button", name="Write me mail about Air for me")).to_be_focused(timeout=SECONDS)
    expect(page.get_by_text("no mail")).to_be_visible()
    screenshot(page, "dataspaces-saved")
    assert accessibility_problems(page) == []
    page.get_by_role("button", name="Delete Air for me").click()
    expect(page.get_by_role("heading", name="No saved searches yet")).to_be_visible(timeout=SECONDS)
