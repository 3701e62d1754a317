"""Harvests of real servers and files: every way of paging, what breaks, what disappears, and being killed in it."""

import gzip
import json
import re
import shutil
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from hub.dataspace.models import Record
from hub.dataspace.sources import service as sources
from hub.dataspace.sources.models import RunState
from hub.dataspace.sources.page_reader import PageReader
from hub.dataspace.sources.tables import RunRow
from hub.dataspace.tables import RecordRow
from hub.errors import InvalidInput
from tests.hub.dataspace.conftest import DATA, Reply
from tests.hub.dataspace.metadata.test_dcat import PREFIXES

pytestmark = pytest.mark.process


def dataset(name, title="T"):
    return f'<http://x.example/{name}> a dcat:Dataset ; dct:title "{title}"@en .\n'


def page(*names, more=""):
    return PREFIXES + "".join(dataset(name) for name in names) + more


def names(shop):
    return sorted(uri.removeprefix("http://x.example/") for uri in shop.rows())


def counts(run):
    return run.read, run.new, run.changed, run.removed


def test_nothing_of_real_fragments_is_lost(shop):
    """Against a count that knows nothing of our parsers: a dataset is an object of an activity with that type."""
    expected = set()
    for fragment in (DATA / "data.gov.be").glob("*.trig"):
        expected |= set(re.findall(r"^<([^>]+)> a <http://www\.w3\.org/ns/dcat#Dataset>", fragment.read_text(), re.M))
    assert len(expected) == 200

    run = shop.harvest(str(DATA / "data.gov.be"))

    assert run.state == RunState.COMPLETE
    assert set(shop.rows()) == expected
    assert counts(run) == (len(expected), len(expected), 0, 0)
    assert shop.refresh() == len(expected)


def test_a_second_harvest_without_a_change_changes_nothing(shop):
    first = shop.harvest(str(DATA / "data.gov.be"))
    again = shop.harvest(str(DATA / "data.gov.be"))
    assert counts(again) == (first.read, 0, 0, 0)


@pytest.mark.parametrize("how", ["hydra", "ldes", "link"])
def test_paging(shop, site, how):
    for number, members in enumerate((("a", "b"), ("c",), ("d",)), 1):
        onward, headers = "", {}
        if number < 3 and how == "link":
            headers = {"Link": f'</{number + 1}>; rel="next"'}
        elif number < 3 and how == "hydra":
            onward = f"</{number}> <http://www.w3.org/ns/hydra/core#next> </{number + 1}> ."
        elif number < 3:
            onward = f"</{number}> <https://w3id.org/tree#relation> [ <https://w3id.org/tree#node> </{number + 1}> ] ."
        site.turtle(f"/{number}", page(*members, more=onward), **headers)

    run = shop.harvest(f"{site.url}/1")

    assert (run.state, run.pages) == (RunState.COMPLETE, 3)
    assert names(shop) == ["a", "b", "c", "d"]


def test_pages_in_a_circle_are_read_once(shop, site):
    onward = "<{}> <http://www.w3.org/ns/hydra/core#next> <{}> ."
    site.turtle("/1", page("a", more=onward.format("/1", "/2")))
    site.turtle("/2", page("b", more=onward.format("/2", "/1")))
    assert shop.harvest(f"{site.url}/1").pages == 2


def test_an_event_stream_updates_and_deletes_records(shop, site):
    def member(number, kind, at, name, title):
        return (
            f"<#m{number}> a <https://www.w3.org/ns/activitystreams#{kind}> ;"
            f" <https://www.w3.org/ns/activitystreams#object> <http://x.example/{name}> ;"
            f' <https://www.w3.org/ns/activitystreams#published> "{at}" .\n'
            + (f"<#m{number}> {{ {dataset(name, title)} }}\n" if title else "")
        )

    stream = PREFIXES + member(1, "Create", "2024-01-01", "a", "Old") + member(2, "Create", "2024-01-01", "b", "B")
    stream += member(3, "Update", "2024-02-01", "a", "New") + member(4, "Delete", "2024-03-01", "b", "")
    site.pages["/s"] = Reply(stream.encode(), headers={"Content-Type": "application/trig"})
    shop.harvest(f"{site.url}/s")

    assert names(shop) == ["a"]
    assert Record.model_validate_json(shop.rows()["http://x.example/a"].content).title == {"en": "New"}


def test_changes_tombstones_and_coming_back(shop, site):
    site.turtle("/", page("a", "b", "c"))
    assert counts(shop.harvest(site.url + "/")) == (3, 3, 0, 0)
    site.turtle("/", PREFIXES + dataset("a") + dataset("b", "Other"))
    assert counts(shop.harvest(site.url + "/")) == (2, 0, 1, 1)
    assert names(shop) == ["a", "b"]
    with shop.sessions() as session:  # the last good version stays under the tombstone
        buried = session.scalar(select(RecordRow).where(RecordRow.removed.is_not(None)))
        assert (buried.uri, "T" in buried.content) == ("http://x.example/c", True)
    site.turtle("/", page("a", "c"))
    shop.harvest(site.url + "/")
    assert names(shop) == ["a", "c"]


@pytest.mark.parametrize(
    "broken", [Reply(status=500), Reply(b"<<< no turtle", headers={"Content-Type": "text/turtle"})]
)
def test_a_page_that_breaks_keeps_its_last_records_and_none_is_removed(shop, site, broken):
    onward = "</1> <http://www.w3.org/ns/hydra/core#next> </2> ."
    site.turtle("/1", page("a", "gone", more=onward))
    site.turtle("/2", page("b", more="</2> <http://www.w3.org/ns/hydra/core#next> </3> ."))
    site.turtle("/3", page("c"))
    shop.harvest(f"{site.url}/1")

    site.turtle("/1", page("a", "new", more=onward))
    site.pages["/2"] = broken
    run = shop.harvest(f"{site.url}/1")

    assert run.state == RunState.INCOMPLETE
    assert run.refused == 1
    assert run.refusals[0].page == f"{site.url}/2"
    assert names(shop) == ["a", "b", "c", "gone", "new"]  # page 3 was still reached, from what page 2 said last

    site.turtle("/2", page("b"))
    run = shop.harvest(f"{site.url}/1")
    assert run.state == RunState.COMPLETE
    assert names(shop) == ["a", "b", "new"]


def test_a_server_that_is_down_changes_nothing(shop, site):
    site.turtle("/", page("a"))
    shop.harvest(site.url + "/")
    site.pages["/"] = Reply(status=503)
    run = shop.harvest(site.url + "/")
    assert (run.state, names(shop)) == (RunState.INCOMPLETE, ["a"])
    assert "503" in run.refusals[0].reason


def test_an_empty_answer_fails_the_harvest_and_removes_no_record(shop, site):
    site.turtle("/", page("a"))
    shop.harvest(site.url + "/")
    site.turtle("/", "")
    run = shop.harvest(site.url + "/")
    assert (run.state, names(shop)) == (RunState.FAILED, ["a"])
    assert "empty" in run.reason


@pytest.mark.parametrize(("sent", "name"), [("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")])
def test_conditional_requests(shop, site, sent, name):
    stamp = '"v1"' if sent == "ETag" else "Mon, 01 Jan 2024 00:00:00 GMT"

    def answer(site_request):
        if site_request.headers.get(name) == stamp:
            return Reply(status=304)
        return Reply(page("a").encode(), headers={"Content-Type": "text/turtle", sent: stamp})

    site.pages["/"] = answer
    shop.harvest(site.url + "/")
    run = shop.harvest(site.url + "/")
    assert [site_request.headers.get(name) for site_request in site.requests] == [None, stamp]
    assert (run.state, counts(run), names(shop)) == (RunState.COMPLETE, (1, 0, 0, 0), ["a"])


def test_pages_and_bytes_of_a_harvest_are_limited(shop, site):
    for number in range(5):
        onward = f"</{number}> <http://www.w3.org/ns/hydra/core#next> </{number + 1}> ."
        site.turtle(f"/{number}", page(f"d{number}", more=onward))
    run = shop.harvest(f"{site.url}/0", max_pages=2)
    assert (run.state, run.pages, "2 pages" in run.reason) == (RunState.INCOMPLETE, 2, True)

    site.turtle("/big", page(*(f"x{n}" for n in range(100))))
    run = shop.harvest(f"{site.url}/big", "big", max_page_bytes=1024)
    assert run.state == RunState.FAILED
    assert "1,024" in run.refusals[0].reason


@pytest.mark.parametrize("how", ["hydra", "ldes", "link", "redirect"])
@pytest.mark.parametrize(
    "onward",
    [
        *("http://169.254.169.254/latest", "http://10.0.0.1/", "http://[::1]:1/", "http://[::ffff:10.0.0.1]/"),
        *("http://[fe80::1]/", "http://[fd00::1]/", "http://2130706434/", "http://100.64.0.1/"),
    ],
)
def test_a_next_page_inside_a_private_network_is_not_fetched(shop, site, onward, how):
    ways = {
        "hydra": f"</> <http://www.w3.org/ns/hydra/core#next> <{onward}> .",
        "ldes": f"</> <https://w3id.org/tree#relation> [ <https://w3id.org/tree#node> <{onward}> ] .",
        "redirect": "</> <http://www.w3.org/ns/hydra/core#next> </2> .",
        "link": "",
    }
    site.turtle("/", page("a", more=ways[how]), **({"Link": f'<{onward}>; rel="next"'} if how == "link" else {}))
    site.pages["/2"] = Reply(status=302, headers={"Location": onward})
    run = shop.harvest(site.url + "/")
    assert (run.state, names(shop)) == (RunState.INCOMPLETE, ["a"])
    assert "private network" in run.refusals[0].reason


@pytest.mark.parametrize(
    "onward", ["file:///etc/passwd", "ftp://x.example/", "gopher://x.example/", "http://a:b@x.example/"]
)
def test_a_next_page_of_another_scheme_is_not_fetched(shop, site, onward):
    site.turtle("/", page("a"), Link=f'<{onward}>; rel="next"')
    run = shop.harvest(site.url + "/")
    assert (run.state, names(shop), run.refused) == (RunState.INCOMPLETE, ["a"], 1)
    assert "root:" not in "".join(row.content for row in shop.rows().values())


@pytest.mark.parametrize("packed", ["gzip encoding", "gzip file"])
def test_a_page_that_unpacks_beyond_the_limit_is_refused_and_the_others_are_read(shop, site, packed):
    bomb = gzip.compress(page("x").encode() + b" " * (64 * 2**20))
    headers = {"Content-Type": "text/turtle"} | ({"Content-Encoding": "gzip"} if packed == "gzip encoding" else {})
    site.turtle("/", page("a", more="</> <http://www.w3.org/ns/hydra/core#next> </bomb>, </b> ."))
    site.pages["/bomb"] = Reply(bomb, headers=headers)
    site.turtle("/b", page("b"))
    run = shop.harvest(site.url + "/", max_page_bytes=2**20)
    assert (run.state, names(shop), run.refused) == (RunState.INCOMPLETE, ["a", "b"], 1)
    assert "1,048,576 bytes" in run.refusals[0].reason


def test_files_are_read_only_below_listed_folders_and_not_through_links(shop, tmp_path):
    run = shop.harvest("/etc/passwd")
    assert run.state == RunState.FAILED
    assert "settings" in run.reason

    folder, outside = tmp_path / "in", tmp_path.parent / f"{tmp_path.name}-outside.ttl"
    folder.mkdir()
    outside.write_text(page("secret"))
    (folder / "a.ttl").write_text(page("a"))
    (folder / "link.ttl").symlink_to(outside)
    shop.harvest(str(folder), "folder")
    assert names(shop) == ["a"]


def test_broken_files_are_refused_and_the_others_are_read(shop, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "1.ttl").write_text(page("a"))
    (folder / "2.rdf").write_text('<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><rdf:RDF/>')
    (folder / "3.jsonld").write_text("[" * 5000)
    (folder / "4.ttl").write_bytes(("\ufeff" + page("bom")).encode())
    (folder / "5.ttl").write_bytes((PREFIXES + dataset("latin", "é")).encode("latin-1"))
    (folder / "6.nt").write_text("not a statement\n")
    run = shop.harvest(str(folder))
    assert names(shop) == ["a", "bom", "latin"]
    assert {urlsplit(refusal.page).path.rpartition("/")[2] for refusal in run.refusals} == {"2.rdf", "3.jsonld", "6.nt"}
    assert (run.state, run.refused) == (RunState.INCOMPLETE, 3)
    assert [refusal.line for refusal in run.refusals if refusal.page.endswith("6.nt")] == [1]


def test_ckan_packages_become_records(shop, site):
    def package(number):
        return {
            "id": f"id{number}",
            "name": f"name-{number}",
            "title": f"Package {number}",
            "notes": "<script>alert(1)</script>",
            "license_url": "https://creativecommons.org/licenses/by/4.0/",
            "organization": {"title": "City"},
            "maintainer_email": "desk@city.example",
            "tags": [{"display_name": "air"}],
            "groups": [{"title": "Environment"}],
            "extras": [{"key": "frequency", "value": "daily"}, {"key": "odd", "value": "kept"}],
            "metadata_modified": "2024-05-06T00:00:00",
            "resources": [
                {"id": "r", "url": "https://city.example/a.csv", "format": "csv", "size": 12, "hash": "0" * 64}
            ],
        }

    def answer(site_request):
        start = int(re.search(r"start=(\d+)", site_request.path)[1])
        listed = [package(n) for n in range(start, min(start + 100, 250))]
        return Reply(json.dumps({"success": True, "result": {"count": 250, "results": listed}}).encode())

    for start in (0, 100, 200):
        site.pages[f"/api/3/action/package_search?sort=id+asc&start={start}&rows=100"] = answer
    run = shop.harvest(site.url, protocol="ckan")

    assert (run.state, run.pages, run.read) == (RunState.COMPLETE, 3, 250)
    record = Record.model_validate_json(shop.rows()[f"{site.url}/dataset/id7"].content)
    assert record.title == {"und": "Package 7"}
    assert record.description == {"und": "<script>alert(1)</script>"}  # text, and shown as text
    assert record.publisher.name == {"und": "City"}
    assert (record.themes, record.licence.kind, record.contact[0].email) == (
        ("ENVI",),
        "attribution",
        "desk@city.example",
    )
    assert record.extra[f"{site.url}/extra/odd"] == ({"@value": "kept"},)
    [file] = record.distributions
    assert (file.format, file.bytes, file.checksum.algorithm) == ("CSV", 12, "sha256")

    site.pages["/api/3/action/package_search?sort=id+asc&start=0&rows=100"] = Reply(b'{"success": false}')
    assert shop.harvest(site.url, protocol="ckan").state == RunState.INCOMPLETE


def test_datasets_of_a_dataspace_protocol_connector_become_records(shop, site):
    def answer(site_request):
        assert site_request.method == "POST"
        assert json.loads(site_request.body)["@type"] == "CatalogRequestMessage"
        headers = {"Content-Type": "application/json"}
        if "token" in site_request.path:
            second = (
                (DATA / "dsp" / "catalog.json")
                .read_text()
                .replace("urn:uuid:3dd1add8-4d2d-569e-d634-8394a8836a88", "urn:2")
            )
            return Reply(second.encode(), headers=headers)
        link = {"Link": f'<{site.url}/dsp/catalog/request?token=x>; rel="next"'}
        return Reply((DATA / "dsp" / "catalog.json").read_bytes(), headers=headers | link)

    site.pages["/dsp/catalog/request"] = site.pages["/dsp/catalog/request?token=x"] = answer
    run = shop.harvest(f"{site.url}/dsp", protocol="dsp")

    assert (run.state, run.pages, run.read) == (RunState.COMPLETE, 2, 2)
    record = Record.model_validate_json(shop.rows()["urn:2"].content)
    assert record.access == "contract"
    assert record.distributions[0].endpoint_url == "https://provider-a.com/connector"
    from hub.dataspace.metadata import odrl

    assert [s.text for s in odrl.sentences(record.policies)] == [
        "You may use it, only if the place is http://example.org/EU."
    ]


def test_a_killed_harvest_resumes_and_reads_no_page_twice(shop, site, monkeypatch):
    for number in range(4):
        onward = f"</{number}> <http://www.w3.org/ns/hydra/core#next> </{number + 1}> ." if number < 3 else ""
        site.turtle(f"/{number}", page(f"d{number}", more=onward))

    class Killed(BaseException):
        pass

    read, calls = PageReader._read_page, []

    def read_two(self, page):
        calls.append(page.url)
        if len(calls) == 3:
            raise Killed
        return read(self, page)

    monkeypatch.setattr(PageReader, "_read_page", read_two)
    with pytest.raises(Killed):
        shop.harvest(f"{site.url}/0")
    monkeypatch.setattr(PageReader, "_read_page", read)
    with shop.sessions() as session:
        assert session.scalar(select(RunRow.state)) == RunState.RUNNING
    shop.harvester.run_due()

    assert [site_request.path for site_request in site.requests] == ["/0", "/1", "/2", "/3"]
    assert names(shop) == ["d0", "d1", "d2", "d3"]
    with shop.sessions() as session:
        [run] = sources.runs(session, "cat")
    assert (run.state, run.pages, run.new) == (RunState.COMPLETE, 4, 4)


def test_one_source_that_breaks_does_not_hold_up_the_others(shop, site, monkeypatch):
    site.turtle("/", page("a"))
    from hub.dataspace.sources.models import SourceForm

    with shop.sessions() as session:
        for name in ("bad", "good"):
            sources.put(session, SourceForm(name=name, title=name, space="s", address=site.url + "/"))
    run = type(shop.harvester).run
    with shop.sessions() as session:
        bad = next(row.id for row in session.scalars(select(sources.SourceRow)) if row.name == "bad")

    def breaks(self, source):
        if source == bad:
            raise RuntimeError
        run(self, source)

    monkeypatch.setattr(type(shop.harvester), "run", breaks)
    shop.harvester.run_due()
    assert names(shop) == ["a"]


def test_a_source_is_removed_with_its_records_after_the_index_has_forgotten_them(shop, site):
    site.turtle("/", page("a"))
    shop.harvest(site.url + "/")
    shop.refresh()
    assert shop.index.size() == 1
    with shop.sessions() as session:
        sources.remove(session, "cat")
        assert sources.listed(session) == ()
        assert sources.delete_removed(session) == []
    shop.refresh()
    assert shop.index.size() == 0
    with shop.sessions() as session:
        assert sources.delete_removed(session) == ["cat"]
        assert session.scalar(select(RecordRow)) is None


def test_a_source_in_the_settings_can_be_changed_only_there(shop, site):
    from hub.dataspace.sources.models import SourceForm

    form = SourceForm(name="cat", title="Cat", space="s", address=site.url)
    with shop.sessions() as session:
        sources.follow_settings(session, [form])
        for forbidden in (lambda: sources.put(session, form), lambda: sources.remove(session, "cat")):
            with pytest.raises(InvalidInput):
                forbidden()
        due = sources.listed(session)[0].due
        sources.follow_settings(session, [form])
        assert sources.listed(session)[0].due == due  # a restart of the worker harvests nothing anew
        sources.follow_settings(session, [])
        assert sources.listed(session) == ()


def test_a_lost_index_is_rebuilt(shop, site, tmp_path):
    from hub.dataspace.search import indexing
    from hub.dataspace.search.index import TantivyIndex, TantivyWriter

    site.turtle("/", page("a", "b"))
    shop.harvest(site.url + "/")
    shop.refresh()
    assert shop.refresh() == 0
    shutil.rmtree(tmp_path / "dataspace")
    shop.index, shop.writer = TantivyIndex(tmp_path / "dataspace"), TantivyWriter(tmp_path / "dataspace")
    indexing.reset_if_empty(shop.sessions, shop.index)
    assert shop.refresh() == 2
    assert shop.index.size() == 2
