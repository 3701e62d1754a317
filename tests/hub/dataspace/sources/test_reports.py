"""Reports of harvests account for everything that was met; deletions, changed settings and removals arrive."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from hub.dataspace.jobs import Jobs
from hub.dataspace.models import Record
from hub.dataspace.search import indexing
from hub.dataspace.sources import scoring
from hub.dataspace.sources import service as sources
from hub.dataspace.sources.models import RunState, SourceForm
from hub.dataspace.sources.page_reader import PageReader
from hub.dataspace.sources.staging import Staging
from hub.dataspace.sources.tables import SourceRow
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from tests.hub.dataspace.conftest import DATA, Reply
from tests.hub.dataspace.metadata.test_dcat import PREFIXES
from tests.hub.dataspace.sources.test_harvester import dataset, names, page
from tests.hub.dataspace.test_wild import ckan, content, package, serve

pytestmark = pytest.mark.process

TREE = "https://w3id.org/tree#"
ACTIVITIES = "https://www.w3.org/ns/activitystreams#"
HYDRA_NEXT = "<http://www.w3.org/ns/hydra/core#next>"


def outcomes(run):
    return run.new, run.changed, run.same, run.refused, run.listed_only


def adds_up(run):
    return run.read == sum(outcomes(run))


def notes(run):
    return [refusal.reason for refusal in run.refusals if refusal.note]


# -- everything is accounted for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "records"), [("data.gov.be", 200), ("dcat-ap", 6), ("mldcat-ap", 5), ("browser", 5), ("dsp", 1)]
)
def test_what_was_met_is_the_sum_of_what_became_of_it(shop, site, name, records):
    def harvest():
        if name != "dsp":
            return shop.harvest(str(DATA / name))
        serve(site, "/catalog/request", (DATA / "dsp/catalog.json").read_bytes(), "application/json")
        return shop.harvest(site.url, protocol="dsp")

    first, again = harvest(), harvest()
    assert len(shop.rows()) == records
    assert adds_up(first), outcomes(first)
    assert adds_up(again), outcomes(again)
    assert (first.new, again.same) == (records, records)
    assert (first.read, first.listed_only, first.refused) == (again.read, again.listed_only, again.refused)


def test_every_outcome_is_counted_once(shop, site):
    listing = PREFIXES + "x:c a dcat:Catalog ; dcat:dataset x:a, x:b, x:nowhere, [] ."
    next_page = f"</1> {HYDRA_NEXT} </2>, </3> ."
    serve(site, "/1", listing + dataset("a") + dataset("b") + dataset("c") + next_page)
    serve(site, "/2", PREFIXES + dataset("d") + "@@@ a dcat:Dataset .\n")
    first = shop.harvest(f"{site.url}/1")
    assert (outcomes(first), first.read) == ((4, 0, 0, 2, 2), 8)
    serve(site, "/1", listing + dataset("a", "Other") + dataset("b") + dataset("c") + dataset("e") + next_page)
    second = shop.harvest(f"{site.url}/1")
    assert (outcomes(second), second.read) == ((1, 1, 3, 2, 2), 9)
    assert [refusal.page for refusal in second.refusals if not refusal.note] == [f"{site.url}/2", f"{site.url}/3"]


def test_an_interrupted_harvest_counts_nothing_twice(shop, site, monkeypatch):
    from hub.dataspace.sources import assembly

    class Killed(BaseException):
        pass

    monkeypatch.setattr(assembly, "BATCH", 2)
    store = assembly.Assembly._store

    def killed_at_the_second_batch(self, records):
        if self._run.new:
            raise Killed
        store(self, records)

    monkeypatch.setattr(assembly.Assembly, "_store", killed_at_the_second_batch)
    serve(site, "/", page(*"abcde"))
    with pytest.raises(Killed):
        shop.harvest(site.url + "/")
    monkeypatch.setattr(assembly.Assembly, "_store", store)
    shop.harvester.run_due()
    with shop.sessions() as session:
        [run] = sources.runs(session, "cat")
    assert (outcomes(run), run.read) == ((5, 0, 0, 0, 0), 5)


def test_listed_datasets_without_a_description_are_counted(shop, site):
    catalogue = 'x:c a dcat:Catalog ; dct:title "C" ; dcat:dataset x:d, <http://ex.example/e>, <http://ex.example/f> .'
    serve(site, "/", PREFIXES + catalogue + dataset("d"))
    for _ in range(2):
        run = shop.harvest(site.url + "/")
        assert (run.state, run.listed_only, run.read) == (RunState.COMPLETE, 2, 3)
        [note] = notes(run)
        assert note.startswith("2 of 3 listed datasets are described nowhere, such as http://ex.example/")


def test_files_beyond_the_first_200_are_said_in_record_and_report(shop, site):
    several = " , ".join(f"[ dcat:downloadURL <https://files.example/{number}.tif> ]" for number in range(420))
    serve(site, "/", PREFIXES + f'x:d a dcat:Dataset ; dct:title "Scans" ; dcat:distribution {several} .', ETag='"1"')
    for _ in range(2):  # also when nothing has changed
        run = shop.harvest(site.url + "/")
        assert notes(run) == ["it has 420 files, of which the first 200 are kept"]
        assert (run.state, run.refused, run.read) == (RunState.COMPLETE, 0, 1)
    record = content(shop, "http://x.example/d")
    assert (len(record.distributions), record.distributions_stated) == (200, 420)


def test_a_page_with_a_refusal_is_read_again_and_refused_again(shop, site):
    def answer(site_request):
        if site_request.headers.get("If-None-Match") == '"1"':
            return Reply(status=304)
        result = {"count": 1, "results": [package(1), {"no": "id"}]}
        headers = {"Content-Type": "application/json", "ETag": '"1"'}
        return Reply(json.dumps({"result": result}).encode(), headers=headers)

    site.pages["/api/3/action/package_search?sort=id+asc&start=0&rows=100"] = answer
    for _ in range(2):
        run = shop.harvest(site.url, protocol="ckan")
        assert (run.state, run.refused, adds_up(run)) == (RunState.INCOMPLETE, 1, True)


def test_pages_are_read_again_when_they_are_read_in_another_way(shop, site, monkeypatch):
    serve(site, "/", page("a"), ETag='"1"')
    shop.harvest(site.url + "/")
    monkeypatch.setattr("hub.dataspace.metadata.dcat.READING", 1000)
    shop.harvest(site.url + "/")
    shop.harvest(site.url + "/")
    assert [site_request.headers.get("If-None-Match") for site_request in site.requests] == [None, None, '"1"']


# -- streams -----------------------------------------------------------------------------------------------------------


def member(number, kind, name, title=""):
    statements = f"</m{number}> a <{ACTIVITIES}{kind}> ; <{ACTIVITIES}object> <http://x.example/{name}> ;"
    statements += f' <{ACTIVITIES}published> "2024-0{number}-01T00:00:00Z" .\n'
    return statements + (f"</m{number}> {{ {dataset(name, title)} }}\n" if title else "")


def stream(site, *members, gone=410):
    relations = ", ".join(f"[ <{TREE}node> </{name}> ]" for name in ("gone", "f1"))
    serve(site, "/v", f"<> a <{TREE}Node> ; <{TREE}relation> {relations} .")
    serve(site, "/f1", PREFIXES + "".join(members), "application/trig")
    site.pages["/gone"] = Reply(status=gone)


@pytest.mark.parametrize(("gone", "state"), [(410, RunState.COMPLETE), (404, RunState.INCOMPLETE)])
def test_a_deletion_is_applied_also_when_another_fragment_cannot_be_read(shop, site, gone, state):
    first = member(1, "Create", "a", "A") + member(2, "Create", "b", "B")
    stream(site, first, gone=gone)
    run = shop.harvest(f"{site.url}/v")
    assert (run.state, names(shop)) == (state, ["a", "b"])
    stream(site, first, member(3, "Delete", "a"), gone=gone)
    run = shop.harvest(f"{site.url}/v")
    assert (run.state, run.removed, names(shop), adds_up(run)) == (state, 1, ["b"], True)
    assert any("410" in note for note in notes(run)) is (gone == 410)


def test_a_fragment_that_is_gone_keeps_what_it_had(shop, site):
    stream(site, member(1, "Create", "a", "A"))
    serve(site, "/gone", PREFIXES + member(2, "Create", "b", "B"), "application/trig")
    shop.harvest(f"{site.url}/v")
    site.pages["/gone"] = Reply(status=410)
    run = shop.harvest(f"{site.url}/v")
    assert (run.state, names(shop)) == (RunState.COMPLETE, ["a", "b"])


def test_a_page_that_is_gone_elsewhere_makes_the_harvest_incomplete(shop, site):
    serve(site, "/1", page("a", more=f"</1> {HYDRA_NEXT} </2> ."))
    site.pages["/2"] = Reply(status=410)
    assert shop.harvest(f"{site.url}/1").state == RunState.INCOMPLETE


def test_the_description_of_a_stream_is_no_dataset_of_it(shop, site):
    about = f'<> a <https://w3id.org/ldes#EventStream>, dcat:Dataset ; dct:title "Feed" ; <{TREE}view> </> .\n'
    serve(site, "/", PREFIXES + about + dataset("a"))
    run = shop.harvest(site.url + "/")
    assert (names(shop), run.read) == (["a"], 1)
    listed = about.replace("<>", "<http://x.example/feed>")
    serve(site, "/", PREFIXES + listed + "x:c dcat:dataset x:feed ." + dataset("a"))
    shop.harvest(site.url + "/")
    assert names(shop) == ["a", "feed"]  # a catalogue that lists a stream means it as a dataset


# -- catalogues of documents -------------------------------------------------------------------------------------------


def test_documents_of_listed_datasets_are_followed(shop, site):
    def listing(*datasets):
        listed = ", ".join(f"<{site.url}/{name}>" for name in datasets)
        return PREFIXES + f'<{site.url}/> a dcat:Catalog ; dct:title "C" ; dcat:dataset {listed} .'

    def document(name, title="T"):
        serve(site, f"/{name}", PREFIXES + f'<{site.url}/{name}> a dcat:Dataset ; dct:title "{title}" .')

    def stored():
        return sorted(uri.removeprefix(site.url) for uri in shop.rows())

    serve(site, "/", listing("a", "b", "datov%C3%A9-sady/c#d"), ETag='"1"')
    for name in ("a", "b"):
        document(name)
    serve(site, "/datov%C3%A9-sady/c", PREFIXES + f"<{site.url}/datov%C3%A9-sady/c#d> a dcat:Dataset .")
    run = shop.harvest(site.url + "/")
    assert (run.state, run.pages, run.read, run.new) == (RunState.COMPLETE, 4, 3, 3)
    assert stored() == ["/a", "/b", "/datov%C3%A9-sady/c#d"]

    document("a", "Changed")
    site.pages["/b"] = Reply(status=404)
    run = shop.harvest(site.url + "/")
    assert (run.state, outcomes(run), run.removed) == (RunState.INCOMPLETE, (0, 1, 2, 1, 0), 0)

    serve(site, "/", listing("a", "new"))
    document("new")
    run = shop.harvest(site.url + "/")
    assert (run.state, outcomes(run), run.removed) == (RunState.COMPLETE, (1, 0, 1, 0, 0), 2)
    assert stored() == ["/a", "/new"]


def test_a_document_that_describes_nothing_is_only_listed(shop, site):
    serve(site, "/", PREFIXES + f"x:c dcat:dataset <{site.url}/a>, <{site.url}/b>, <urn:c> .")
    serve(site, "/a", PREFIXES + dataset("a"))
    serve(site, "/b", PREFIXES)
    run = shop.harvest(site.url + "/")
    assert (run.state, run.new, run.listed_only, adds_up(run)) == (RunState.COMPLETE, 1, 2, True)


def test_documents_are_not_followed_where_a_page_describes_a_listed_dataset(shop, site):
    serve(site, "/", PREFIXES + f"x:c dcat:dataset <{site.url}/a>, x:b ." + dataset("b"))
    assert shop.harvest(site.url + "/").pages == 1


def test_a_document_inside_a_private_network_is_not_fetched(shop, site):
    serve(site, "/", PREFIXES + "x:c dcat:dataset <http://169.254.169.254/latest> .")
    run = shop.harvest(site.url + "/")
    assert "private network" in run.refusals[0].reason


# -- values through the whole harvest ----------------------------------------------------------------------------------


def test_the_format_of_a_connector_is_read_as_it_writes_it(shop, site):
    file = {"@type": "Distribution", "format": "HttpData-PULL", "accessService": "urn:s"}
    offer = {"@id": "urn:o", "@type": "Offer", "permission": [{"action": "use"}]}
    data = {"@id": "http://x.example/d", "@type": "Dataset", "hasPolicy": [offer], "distribution": [file]}
    service = {"@id": "urn:s", "@type": "DataService", "endpointURL": "https://provider.example/dsp"}
    catalogue = {"@id": "urn:c", "@type": "Catalog", "participantId": "urn:p", "dataset": [data], "service": [service]}
    context = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"]}
    serve(site, "/catalog/request", context | catalogue, "application/json")
    shop.harvest(site.url, protocol="dsp")
    record = content(shop, "http://x.example/d")
    assert record.distributions[0].format == "HttpData-PULL"
    assert "unexplained" not in record.distributions[0].model_dump_json()


def test_a_nameless_dataset_has_no_inner_name_for_a_title(shop, site):
    serve(site, "/", PREFIXES + "[] a dcat:Dataset ; dcat:identifier <https://files.example/dump.nt.gz> .")
    shop.harvest(site.url + "/")
    [row] = shop.rows().values()
    assert Record.model_validate_json(row.content).title == {"en": "Without a title"}


def test_an_address_without_a_scheme_is_no_file_of_the_catalogue(shop, site):
    address = "dcat:landingPage <www.city.example/page> ; dcat:distribution [ dcat:downloadURL <air.csv> ]"
    serve(site, "/data/", PREFIXES + f'x:d a dcat:Dataset ; dct:title "T" ; {address} .')
    shop.harvest(site.url + "/data/")
    record = content(shop, "http://x.example/d")
    assert record.landing_page == "https://www.city.example/page"
    assert record.distributions[0].download_url == f"{site.url}/data/air.csv"


@pytest.mark.parametrize("url_type", ["upload", ""])
def test_a_link_of_a_ckan_to_a_file_can_be_brought(shop, site, url_type):
    resource = {"id": "r", "url": "https://x.example/air quality.csv", "url_type": url_type}
    whole = package(1) | {"resources": [resource]}
    ckan(site, "/api/3/action/package_search?sort=id+asc&start=0&rows=100", {"count": 1, "results": [whole]})
    shop.harvest(site.url, protocol="ckan")
    [file] = content(shop, next(iter(shop.rows()))).distributions
    assert file.download_url == "https://x.example/air%20quality.csv"


# -- defects of harvests -----------------------------------------------------------------------------------------------


def test_a_source_removed_during_its_harvest_leaves_no_records(shop, site, monkeypatch):
    serve(site, "/1", page("a", more=f"</1> {HYDRA_NEXT} </2> ."))
    serve(site, "/2", page("b"))
    shop.harvest(f"{site.url}/1")
    shop.refresh()
    read_page = PageReader._read_page

    def removed_at_the_second_page(self, queued):
        if queued.url.endswith("/2"):
            with shop.sessions() as session:
                sources.remove(session, "cat")
        return read_page(self, queued)

    monkeypatch.setattr(PageReader, "_read_page", removed_at_the_second_page)
    with shop.sessions() as session:
        sources.run_now(session, "cat")
    shop.harvester.run_due()
    assert shop.rows() == {}
    with shop.sessions() as session:
        assert sources.delete_removed(session) == []
        assert len(session.scalars(select(RecordRow)).all()) == 2
    shop.refresh()
    with shop.sessions() as session:
        assert sources.delete_removed(session) == ["cat"]
        assert session.scalar(select(RecordRow)) is None


def test_a_source_removed_while_its_records_are_stored_leaves_none(shop, site, monkeypatch):
    from hub.dataspace.sources import assembly

    serve(site, "/", page("a"))
    store = assembly.Assembly._store

    def removed_before(self, records):
        with shop.sessions() as session:
            sources.remove(session, "cat")
        store(self, records)

    monkeypatch.setattr(assembly.Assembly, "_store", removed_before)
    shop.harvest_unreported(site.url + "/")
    assert shop.rows() == {}


def test_records_that_came_after_the_removal_are_cleared_away_too(shop, site):
    serve(site, "/", page("a"))
    shop.harvest(site.url + "/")
    shop.refresh()
    with shop.sessions() as session:
        sources.remove(session, "cat")
        session.execute(update(RecordRow).values(removed=None, indexed=True))
        session.commit()
        assert sources.delete_removed(session) == []
    shop.refresh()
    with shop.sessions() as session:
        assert sources.delete_removed(session) == ["cat"]


def test_the_id_of_a_deleted_record_is_not_used_again(shop, site):
    serve(site, "/", page("a", "b"))
    shop.harvest(site.url + "/")
    highest = max(row.id for row in shop.rows().values())
    with shop.sessions() as session:
        sources.remove(session, "cat")
    shop.refresh()
    with shop.sessions() as session:
        sources.delete_removed(session)
    shop.harvest(site.url + "/")
    assert min(row.id for row in shop.rows().values()) > highest


def test_withdrawn_datasets_are_removed_by_the_next_whole_harvest(shop, site):
    more = f"</1> {HYDRA_NEXT} </2> ."
    serve(site, "/1", page("a", "b", more=more))
    serve(site, "/2", page("c"), ETag='"2"')
    shop.harvest(f"{site.url}/1")
    serve(site, "/1", page("a", more=more), ETag='"1"')
    site.pages["/2"] = Reply(status=500)
    assert shop.harvest(f"{site.url}/1").state == RunState.INCOMPLETE
    for path in ("/1", "/2"):
        site.pages[path] = Reply(status=304)
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, run.removed, names(shop), adds_up(run)) == (RunState.COMPLETE, 1, ["a", "c"], True)


def test_a_changed_space_arrives_although_no_page_has_changed(shop, site):
    answers = [Reply(page("a").encode(), headers={"Content-Type": "text/turtle", "ETag": '"1"'})]
    site.pages["/"] = lambda _request: answers.pop() if answers else Reply(status=304)
    shop.harvest(site.url + "/")
    with shop.sessions() as session:
        form = SourceForm(name="cat", title="cat", space="New", address=site.url + "/", visibility="everybody")
        sources.put(session, form)
    shop.harvester.run_due()
    [row] = shop.rows().values()
    assert (row.space, row.visibility, row.indexed) == ("New", "everybody", False)
    with shop.sessions() as session:
        run = sources.runs(session, "cat")[0]
    assert (outcomes(run), run.read) == ((0, 1, 0, 0, 0), 1)


@pytest.mark.parametrize("change", ["run", "address", "nothing"])
def test_what_is_wanted_during_a_harvest_is_harvested_after_it(shop, site, monkeypatch, change):
    serve(site, "/", page("a"))
    serve(site, "/new", page("b"))
    read_page = PageReader._read_page

    def changed_meanwhile(self, queued):
        with shop.sessions() as session:
            if change == "run":
                sources.run_now(session, "cat")
            elif change == "address" and queued.url.endswith("/"):
                form = SourceForm(name="cat", title="cat", space="Test", address=f"{site.url}/new")
                sources.put(session, form)
        return read_page(self, queued)

    monkeypatch.setattr(PageReader, "_read_page", changed_meanwhile)
    shop.harvest(site.url + "/")
    with shop.sessions() as session:
        due = session.scalar(select(SourceRow.due))
    assert (due <= now()) is (change != "nothing")
    if change == "nothing":
        assert due - now() > timedelta(hours=23)
    shop.harvester.run_due()
    assert names(shop) == (["b"] if change == "address" else ["a"])


def test_a_package_that_moves_between_the_pages_of_a_ckan_is_not_declared_gone(shop, site):
    search = "/api/3/action/package_search?sort=id+asc&start={}&rows=100"
    ckan(site, search.format(0), {"count": 3, "results": [package(1), package(2)]})
    ckan(site, search.format(2), {"count": 3, "results": [package(3)]})
    assert shop.harvest(site.url, protocol="ckan").state == RunState.COMPLETE
    ckan(site, search.format(2), {"count": 3, "results": [package(2)]})
    run = shop.harvest(site.url, protocol="ckan")
    assert (run.state, run.removed, len(shop.rows())) == (RunState.INCOMPLETE, 0, 3)
    assert run.reason == "The catalogue counts 3 packages, of which 1 were on none of its pages."


def test_withdrawn_packages_of_a_ckan_are_not_missing(shop, site):
    search = "/api/3/action/package_search?sort=id+asc&start=0&rows=100"
    ckan(site, search, {"count": 2, "results": [package(1), package(2) | {"state": "deleted"}]})
    assert shop.harvest(site.url, protocol="ckan").state == RunState.COMPLETE


def test_a_record_is_not_scored_while_it_is_put_together(shop, site):
    serve(site, "/", PREFIXES + '[] a dcat:Dataset ; dct:title "T"@en ; dct:description "D"@en . ' + dataset("named"))
    shop.harvest(site.url + "/")
    staging = Staging(shop.folder / "sources/cat.sqlite")
    try:
        staging.start_assembly()  # a harvest is killed here, or is slow
        assert scoring.score_records(shop.sessions, shop.folder / "sources", seconds=60) == 2
        assert all(json.loads(row.quality)["score"] > 0 for row in shop.rows().values())
        with shop.sessions() as session:
            session.execute(update(RecordRow).values(checked=False, quality=None))
            session.commit()
        staging._delete_nodes(1)
        staging._db.commit()
        assert scoring.score_records(shop.sessions, shop.folder / "sources", seconds=60) == 0
    finally:
        staging.close()
    assert {(row.quality, row.checked) for row in shop.rows().values()} == {(None, False)}


def test_an_index_that_is_empty_by_right_stays_as_it_is(shop, site):
    serve(site, "/", page("a"))
    shop.harvest(site.url + "/")
    shop.refresh()
    with shop.sessions() as session:
        session.execute(update(RecordRow).values(removed=now(), indexed=False))
        session.commit()
    shop.refresh()
    generation = shop.index.generation()
    indexing.reset_if_empty(shop.sessions, shop.index)
    assert (shop.refresh(), shop.index.generation()) == (0, generation)


def test_a_record_that_cannot_be_read_leaves_the_index_and_stops_no_other(shop, site):
    serve(site, "/", page("a", "b", "c"))
    shop.harvest(site.url + "/")
    shop.refresh()
    with shop.sessions() as session:
        first = session.scalars(select(RecordRow).order_by(RecordRow.id)).first()
        session.execute(update(RecordRow).values(indexed=False, changed=now()))
        first.content = "{}"
        session.commit()
    assert shop.refresh() == 3
    assert shop.index.size() == 2
    assert shop.refresh() == 0, "it is not tried at every look"


def test_a_source_whose_pages_cannot_be_read_stops_no_quality_of_others(shop, site):
    serve(site, "/", page("a"))
    shop.harvest(site.url + "/", "first")
    serve(site, "/2", page("b"))
    shop.harvest(site.url + "/2", "second")
    for file in (shop.folder / "sources").glob("first.sqlite*"):
        file.write_bytes(b"no database" * 1000)
    assert scoring.score_records(shop.sessions, shop.folder / "sources", seconds=60) == 1


def test_a_source_of_the_settings_that_is_still_being_removed_stops_no_other(shop):
    forms = [SourceForm(name=name, title=name, space="s", address="https://x.example/") for name in ("first", "second")]
    with shop.sessions() as session:
        sources.put(session, forms[0])
        sources.remove(session, "first")
        sources.follow_settings(session, forms)
        assert [source.form.name for source in sources.listed(session)] == ["second"]


def test_pages_of_a_source_that_is_gone_are_deleted_also_after_a_restart(shop, site, settings):
    serve(site, "/", page("a"))
    shop.harvest(site.url + "/")
    worker = Jobs(settings, shop.sessions)
    folder = settings.paths.state / "dataspace" / "sources"
    folder.mkdir(parents=True)
    for name in ("cat.sqlite", "gone.sqlite", "gone.sqlite-wal"):
        (folder / name).touch()
    worker.index()
    assert {path.name for path in folder.iterdir()} == {"cat.sqlite"}
