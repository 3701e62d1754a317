"""The routes: who may do what, as a table; what somebody may not see is neither found, counted nor fetched."""

import re

import pytest
from sqlalchemy import select

from hub.audit.tables import EventRow
from hub.client import Api
from hub.dataspace.models import Query, ValueQuery, Visibility
from hub.dataspace.publications import service as publications
from hub.dataspace.publications.models import PublicationForm, PublishedFile
from hub.dataspace.saved_searches.models import SavedSearchForm
from hub.dataspace.search.answers import VALUES_SHOWN
from hub.dataspace.search.index import TantivyIndex, TantivyWriter
from hub.dataspace.search.indexing import bring_up_to_date
from hub.dataspace.sources import service as sources
from hub.dataspace.sources.models import RunState, SourceForm
from hub.dataspace.sources.scoring import score_records
from hub.dataspace.sources.tables import RunRow, SourceRow
from hub.dataspace.tables import RecordRow
from hub.dataspace.transfers.models import TransferForm
from hub.errors import AtriumError, Conflict, InvalidInput, NotAllowed, NotFound, TermsNotAccepted
from hub.identity.models import Person
from hub.projects import members
from hub.projects.models import ProjectSpec
from tests.hub.dataspace.conftest import Reply
from tests.hub.dataspace.sources.test_harvester import page
from tests.hub.fakes import provision

pytestmark = pytest.mark.process

SOURCE = {"name": "cat", "title": "Cat", "space": "Test", "address": "https://x.example/"}
FORM = PublicationForm(
    project="demo",
    title="Cleaned sensors",
    description="Sensors of the city, cleaned.",
    keywords=("air",),
    themes=("ENVI",),
    publisher="Demo",
    contact="demo@x.example",
    licence="https://creativecommons.org/licenses/by/4.0/",
    files=(PublishedFile(title="All", access_url="https://x.example/a.csv", format="CSV", bytes=5, sha256="0" * 64),),
)
PUBLISH = FORM.model_dump(mode="json")
SAVED = {"title": "Mine", "query": {"text": "water"}}


@pytest.fixture
async def world(session, slurm, hub, project):
    """Tokens by name."""
    spec = ProjectSpec(slug="other", title="Other", account="other", cpu_hours=1, members={"stranger": "lead"})
    await provision(session, slurm, spec)
    people = {"founder": [], "colleague": [], "stranger": [], "boss": ["admins"]}
    tokens = {name: hub.sign_in(name, groups=groups) for name, groups in people.items()}
    return tokens | {"pages": hub.sign_in("pages", kind="service")}


@pytest.fixture
def as_(api, world):
    """The typed client as somebody."""

    def as_(name):
        client = Api("http://api", world[name])
        client._connection._http = api
        api.headers["Authorization"] = f"token {world[name]}"
        return client.dataspace

    return as_


@pytest.fixture
def reindex(sessions, settings):
    def reindex():
        bring_up_to_date(sessions, TantivyWriter(settings.paths.state / "dataspace"))

    return reindex


EVERYBODY = {"founder", "colleague", "stranger", "boss", "pages"}
PEOPLE = EVERYBODY - {"pages"}
TABLE = [
    ("GET", "/dataspace/search", None, EVERYBODY),
    ("GET", "/dataspace/suggestions", None, EVERYBODY),
    ("GET", "/dataspace/values?facet=publisher&find=x", None, EVERYBODY),
    ("GET", "/dataspace/records/{id}", None, {"founder", "colleague"}),
    ("GET", "/dataspace/records/{id}/preview", None, {"founder", "colleague"}),
    ("POST", "/dataspace/records/{id}/remote-use", {}, {"founder", "colleague"}),
    ("GET", "/dataspace/saved-searches", None, PEOPLE),
    ("PUT", "/dataspace/saved-searches", SAVED, PEOPLE),
    ("DELETE", "/dataspace/saved-searches/999", None, set()),  # another's is as good as none
    ("GET", "/dataspace/transfers", None, PEOPLE),
    ("POST", "/dataspace/transfers", {"record_id": 999, "project": "demo"}, set()),
    ("GET", "/dataspace/transfers/999", None, set()),
    ("POST", "/dataspace/transfers/999/cancel", None, set()),
    ("POST", "/dataspace/transfers/uploads", {"project": "demo", "path": "a.csv"}, {"founder", "colleague"}),
    ("GET", "/dataspace/publications", None, PEOPLE),
    ("POST", "/dataspace/publications", PUBLISH, {"founder", "colleague"}),
    ("POST", "/dataspace/publications", PUBLISH | {"visibility": "factory"}, {"founder"}),
    ("POST", "/dataspace/publications", PUBLISH | {"visibility": "everybody"}, {"founder"}),
    ("PUT", "/dataspace/publications/{slug}", PUBLISH, {"founder"}),
    ("GET", "/dataspace/sources", None, {"boss"}),
    ("PUT", "/dataspace/sources/cat", SOURCE, {"boss"}),
    ("POST", "/dataspace/sources/cat/run", None, {"boss"}),
    ("GET", "/dataspace/sources/cat/runs", None, {"boss"}),
    ("GET", "/dataspace/catalogue", None, EVERYBODY | {""}),
    ("DELETE", "/dataspace/sources/cat", None, {"boss"}),
    ("DELETE", "/dataspace/publications/{slug}", None, {"founder", "boss"}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), TABLE)
async def test_who_may_do_what(api, world, as_, session, site, method, path, body, allowed):
    sources.put(session, SourceForm(**SOURCE))
    site.pages["/a.csv"] = Reply(b"a,b\n1,2\n")
    local = FORM.model_copy(update={"files": (PublishedFile(title="f", access_url=f"{site.url}/a.csv", format="CSV"),)})
    publication = as_("founder").publish(local) if "{" in path else None
    for name in ("", *sorted(EVERYBODY)):
        if publication and method == "DELETE":
            publication = as_("founder").publish(local)
        address = path.format(id=publication.record_id, slug=publication.slug) if publication else path
        headers = {"Authorization": f"token {world[name]}"} if name else {"Authorization": ""}
        answer = api.request(method, address, json=body, headers=headers)
        if not name and name not in allowed:
            assert answer.status_code == 401
        elif name in allowed:
            assert answer.status_code < 300 or re.search("private network|no address", answer.text), (name, answer.text)
        else:
            assert answer.status_code in (403, 404), (name, answer.text)
        if method == "DELETE" and "sources" in path:
            for row in session.scalars(select(sources.SourceRow)):
                row.removed = False
            session.commit()


def test_a_misspelt_word_is_corrected_for_those_who_may_see_the_record(as_, reindex):
    as_("founder").publish(FORM)
    reindex()

    answer = as_("colleague").search(Query(text="Claened sensors"))
    assert (answer.total, answer.corrected, answer.shortened) == (1, "cleaned sensors", False)
    answer = as_("stranger").search(Query(text="Claened sensors"))
    assert (answer.total, answer.corrected) == (0, "")
    assert as_("colleague").search("sensors").corrected == ""
    answer = as_("colleague").search("sensors " * 70)
    assert (answer.total, answer.shortened) == (1, True)


def test_a_projects_record_is_visible_only_to_its_members(as_, reindex):
    publication = as_("founder").publish(FORM)
    reindex()

    assert as_("stranger").search("sensors").total == 0  # an answer that is kept for others, too
    assert as_("colleague").search("sensors").total == 1
    assert as_("colleague").suggestions(Query(text="sensors unheard"))[0].total == 1
    assert as_("colleague").record(publication.record_id).record.title == {"en": "Cleaned sensors"}
    for name in ("stranger", "boss", "pages"):
        result = as_(name).search("sensors")
        assert (result.total, result.hits) == (0, ())
        assert all(values == () for values in result.facets.values())
        for query in (Query(text="sensors unheard"), Query(text="sensors", chips=("format:XML",)), Query(text="sens")):
            assert as_(name).suggestions(query) == (), "what to relax is counted, too"
        with pytest.raises(NotFound):
            as_(name).record(publication.record_id)

    as_("founder").change_publication(publication.slug, FORM.model_copy(update={"visibility": Visibility.FACTORY}))
    reindex()
    assert as_("stranger").search("sensors").total == 1
    as_("founder").withdraw(publication.slug)
    reindex()
    assert as_("colleague").search("sensors").total == 0


@pytest.mark.parametrize(("title", "slug"), [("Πράσινος χάλυβας", "prasinos-khalubas-"), ("😀😀😀", "record-")])
def test_the_address_of_a_published_record_can_be_read(as_, title, slug):
    assert as_("founder").publish(FORM.model_copy(update={"title": title})).slug.startswith(slug)


def test_a_published_record_is_a_whole_record(as_, reindex):
    publication = as_("founder").publish(FORM)
    record_page = as_("founder").record(publication.record_id, language="de")

    assert publication.quality.badge == "good"
    assert record_page.quality == publication.quality
    assert record_page.record.themes == ("ENVI",)
    assert record_page.labels["ENVI"] == "Umwelt"
    assert record_page.record.distributions[0].checksum.value == "0" * 64
    assert record_page.usable.verdict == "yes"
    with pytest.raises(InvalidInput, match="themes"):
        as_("founder").publish(FORM.model_copy(update={"themes": ("NOPE",)}))
    with pytest.raises(NotAllowed):
        as_("colleague").change_publication(publication.slug, FORM)
    with pytest.raises(NotFound):
        as_("stranger").withdraw(publication.slug)


@pytest.mark.parametrize(
    "change",
    [
        {"licence": "javascript:alert(1)"},
        {"files": [{"title": "x", "access_url": "file:///etc/passwd"}]},
        {"files": [{"title": "x", "access_url": 'https://x.example/"><script>'}]},
        {"contact": "a b@c"},
        {"title": ""},
        {"themes": ["x"] * 20},
        {"odd": 1},
    ],
)
def test_forms_are_checked(api, world, change):
    headers = {"Authorization": f"token {world['founder']}"}
    assert api.post("/dataspace/publications", json=PUBLISH | change, headers=headers).status_code == 422


@pytest.mark.parametrize(
    "query_string",
    [
        "page=0",
        "page=101",
        "per_page=1000",
        "chips=secret:x",
        "chips=keyword:",
        "sort=evil",
        "updated_from=2024-13-01",
        "updated_to=x",
        "language=x",
        "odd=1",
        "text=" + "x" * 20_001,
    ],
)
def test_searches_are_checked(api, world, query_string):
    headers = {"Authorization": f"token {world['founder']}"}
    assert api.get(f"/dataspace/search?{query_string}", headers=headers).status_code == 422


@pytest.mark.parametrize("query_string", ["facet=secret&find=x", "facet=publisher", "facet=publisher&find=", "find=x"])
def test_searches_for_values_are_checked(api, world, query_string):
    headers = {"Authorization": f"token {world['founder']}"}
    assert api.get(f"/dataspace/values?{query_string}", headers=headers).status_code == 422


COVERED = """
    x:a dct:spatial <http://publications.europa.eu/resource/authority/country/BEL> ;
        <http://data.europa.eu/r5r/hvdCategory> <http://data.europa.eu/bna/c_ac64a52d> ;
        dcat:keyword "Rivers"@en, "Rivières"@fr ; dct:modified "2020-05-17" .
    x:b dct:spatial <http://data.europa.eu/nuts/code/FR10> ; dct:modified "2021-01-01" .
    x:c a dcat:DatasetSeries ; dct:title "C" .
"""


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"chips": ("country:BEL",)}, "a"),
        ({"chips": ("country:BEL", "country:FRA")}, "ab"),
        ({"text": "Frankreich"}, "b"),
        ({"chips": ("high_value:yes",)}, "a"),
        ({"chips": ("keyword:rivieres",)}, "a"),
        ({"chips": ("kind:series",)}, "c"),
        ({"chips": ("kind:dataset",)}, "ab"),
        ({"chips": ("quality:good",)}, ""),
        ({"updated_from": "2020-05-17", "updated_to": "2020-05-17"}, "a"),
        ({"updated_from": "2020-05-18"}, "b"),
        ({"updated_to": "2022-01-01"}, "ab"),
        ({"sort": "oldest"}, "abc"),
        ({"sort": "date"}, "bac"),
    ],
)
def test_a_search_is_narrowed_and_ordered_by_what_a_harvest_has_read(as_, shop, site, reindex, query, names):
    site.turtle("/", page("a", "b", more=COVERED))
    shop.harvest(site.url + "/")
    reindex()
    answer = as_("founder").search(Query.model_validate(query))
    assert answer.total == len(names)
    by_name = [hit.uri[-1] for hit in answer.hits]
    assert "".join(by_name if "sort" in query else sorted(by_name)) == names
    countries = {value.label for value in as_("founder").search(Query(language="fr")).facets["country"]}
    assert countries == {"Belgique", "France"}


def test_publishers_are_searched_beyond_those_that_are_listed(as_, shop, site, reindex):
    named = "x:r{0} dct:publisher [ foaf:name 'Stadt Köln, Amt {0:02}' ] . "
    prefix = "@prefix foaf: <http://xmlns.com/foaf/0.1/> . "
    site.turtle("/", prefix + page(*(f"r{n}" for n in range(30)), more="".join(map(named.format, range(30)))))
    shop.harvest(site.url + "/")
    reindex()
    founder = as_("founder")
    listed = {value.value for value in founder.search().facets["publisher"]}
    assert len(listed) == VALUES_SHOWN
    assert "Stadt Köln, Amt 29" not in listed

    values = founder.values(ValueQuery(facet="publisher", find="KOLN, amt 29"))
    assert [(value.label, value.count) for value in values] == [("Stadt Köln, Amt 29", 1)]
    assert founder.search("", ["publisher:Stadt Köln, Amt 29"]).total == 1
    assert len(founder.values(ValueQuery(facet="publisher", find="amt"))) == VALUES_SHOWN
    assert founder.values(ValueQuery(facet="publisher", find="amt", text="absent")) == ()
    assert founder.values(ValueQuery(facet="publisher", find="bakery")) == ()


def test_values_of_a_projects_records_are_for_its_members(as_, reindex):
    as_("founder").publish(FORM.model_copy(update={"keywords": ("confidential-topic",)}))
    reindex()
    for facet, text in (("keyword", "confid"), ("publisher", "e"), ("country", "e"), ("kind", "data")):
        assert as_("stranger").values(ValueQuery(facet=facet, find=text)) == (), facet
    assert [value.value for value in as_("colleague").values(ValueQuery(facet="keyword", find="Confid"))] == [
        "confidential-topic"
    ]


def test_an_empty_result_suggests_other_days(as_, shop, site, reindex):
    site.turtle("/", page("a", more='x:a dct:modified "2020-05-17" .'))
    shop.harvest(site.url + "/")
    reindex()
    [suggestion] = as_("founder").suggestions(Query(updated_from="2021-01-01"))
    assert (suggestion.text, suggestion.total, suggestion.query.updated_from) == ("Of any date", 1, None)


def test_the_catalogue_for_others_shows_what_is_for_everybody_and_can_be_harvested(api, as_, shop, site, settings):
    for visibility in ("project", "factory", "everybody"):
        as_("founder").publish(
            FORM.model_copy(update={"visibility": Visibility(visibility), "title": f"For {visibility}"})
        )
    api.headers.pop("Authorization")
    plain = api.get("/dataspace/catalogue")
    assert plain.headers["content-type"].startswith("text/turtle")
    assert "For everybody" in plain.text
    assert "For project" not in plain.text
    assert "For factory" not in plain.text
    assert api.get("/dataspace/catalogue", headers={"If-None-Match": plain.headers["ETag"]}).status_code == 304
    assert api.get("/dataspace/catalogue?page=2").status_code == 404

    for media_type in ("text/turtle", "application/ld+json", "application/rdf+xml", "application/n-triples"):
        answer = api.get("/dataspace/catalogue", headers={"Accept": f"text/html;q=0.9, {media_type}"})
        assert answer.headers["content-type"].startswith(media_type)
        site.pages["/cat"] = Reply(answer.content, headers={"Content-Type": media_type})
        run = shop.harvest(f"{site.url}/cat", media_type.rpartition("/")[2].replace("+", "-"))
        assert run.read == 1, (media_type, run)
    [uri] = [row.uri for row in shop.rows().values() if row.source_id][:1]
    assert uri.startswith(settings.service_url("atrium"))
    slug = uri.rpartition("/")[2]
    assert "For everybody" in api.get(f"/dataspace/catalogue/{slug}").text


def test_the_catalogue_has_pages(api, as_, shop, site, monkeypatch):
    monkeypatch.setattr("hub.dataspace.publications.service.PAGE", 2)
    for number in range(3):
        as_("founder").publish(
            FORM.model_copy(update={"visibility": Visibility.EVERYBODY, "title": f"Number {number}"})
        )
    first, second = (api.get(f"/dataspace/catalogue?page={n}") for n in (1, 2))
    assert 'rel="next"' in first.headers["Link"]
    assert 'rel="next"' not in second.headers["Link"]
    assert [text.count("Number") for text in (first.text, second.text)] == [2, 1]


def test_saved_searches_are_seen_and_deleted_only_by_their_owner(as_):
    mine = as_("founder").save_search(SavedSearchForm(title="Mine", query=Query(text="water", chips=("licence:open",))))
    again = as_("founder").save_search(SavedSearchForm(title="Mine", query=Query(text="air")))
    assert (again.id, again.query.text) == (mine.id, "air")
    assert [saved_search.title for saved_search in as_("founder").saved_searches()] == ["Mine"]
    assert as_("colleague").saved_searches() == ()
    with pytest.raises(NotFound):
        as_("colleague").forget_search(mine.id)
    as_("founder").forget_search(mine.id)
    assert as_("founder").saved_searches() == ()


def test_an_empty_result_suggests_what_to_leave_out(as_, shop, site, reindex):
    site.turtle("/", page("a", "b"))
    shop.harvest(site.url + "/")
    reindex()
    query = Query(text="t unheard", chips=("licence:open", "space:Test"))
    assert as_("founder").search(query).total == 0
    suggestions = as_("founder").suggestions(Query(text="t", chips=("licence:open", "space:Test")))
    assert (suggestions[0].text, suggestions[0].total) == ("Without “Open, no conditions”", 2)
    assert as_("founder").suggestions(Query(text="t unheard"))[0].query.text == "t"


def test_quality_in_the_background_reaches_record_and_card(as_, shop, site, sessions, settings, reindex):
    site.turtle("/", page("a"))
    shop.harvest(site.url + "/")
    assert score_records(sessions, shop.folder / "sources", seconds=60) == 1
    assert score_records(sessions, shop.folder / "sources", seconds=60) == 0
    reindex()
    [card] = as_("founder").search().hits
    quality = as_("founder").record(card.id).quality
    assert card.quality == quality.badge == "poor"
    assert any("licence" in finding for finding in quality.findings)
    assert any("description" in finding for finding in quality.findings)  # mandatory, and SHACL says so


def test_a_preview_of_a_private_address_or_a_missing_file_is_refused(api, as_, site, shop, reindex):
    file = "<http://x.example/f> <http://www.w3.org/ns/dcat#downloadURL> <{}/a.csv> ."
    linked = f"x:a dcat:distribution x:f ; dct:license <{FORM.licence}> ."
    site.turtle("/", page("a", more=linked + file.format(site.url)))
    shop.harvest(site.url + "/")
    site.pages["/a.csv"] = Reply(b"a,b\n1,<script>\n")
    [row] = shop.rows().values()
    with pytest.raises(InvalidInput, match="private network"):
        as_("founder").preview(row.id)
    with pytest.raises(NotFound):
        as_("founder").preview(row.id, file=7)


def test_conditions_are_read_and_accepted_over_the_api(api, world, as_, site, shop, session):
    """A file without a licence: 409 with the sentence and its digest, then the same request with the digest."""
    site.turtle("/", page("a", more="x:a dcat:distribution [ dcat:downloadURL <https://x.example/a.csv> ] ."))
    shop.harvest(site.url + "/")
    [row] = shop.rows().values()
    founder = as_("founder")
    with pytest.raises(TermsNotAccepted, match="No licence is stated") as refusal:
        founder.remote_use(row.id)
    [terms] = refusal.value.terms
    [[use]] = founder.record(row.id).uses
    assert (use.verdict, list(use.conditions), use.digest) == ("ask", terms["conditions"], terms["digest"])
    for method, path, body in (
        ("GET", f"/dataspace/records/{row.id}/preview", None),
        ("POST", f"/dataspace/records/{row.id}/remote-use", {}),
        ("POST", "/dataspace/transfers", {"record_id": row.id, "project": "demo"}),
    ):
        answer = api.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["field"]) == (409, "accepted")
        assert answer.json()["error"]["terms"][0]["digest"] == use.digest
    assert "https://x.example/a.csv" in founder.remote_use(row.id, accepted=use.digest).code
    transfer = founder.bring(TransferForm(record_id=row.id, project="demo", accepted=use.digest))
    assert transfer.state == "waiting"
    events = session.scalars(select(EventRow).where(EventRow.what == "data terms accepted")).all()
    assert [(event.who, event.after["digest"]) for event in events] == [("founder", use.digest)] * 2


def test_what_may_not_be_used_is_refused_with_the_reason(as_, site, shop):
    forbidden = "[ odrl:prohibition [ odrl:action odrl:use ] ]"
    more = f"x:a dcat:distribution [ dcat:downloadURL <https://x.example/a.csv> ] ; odrl:hasPolicy {forbidden} ."
    site.turtle("/", page("a", more=more))
    shop.harvest(site.url + "/")
    [row] = shop.rows().values()
    founder = as_("founder")
    form = TransferForm(record_id=row.id, project="demo", accepted="0" * 64)
    for request in (founder.preview, founder.remote_use, lambda _: founder.bring(form)):
        with pytest.raises(NotAllowed, match="forbids using it"):
            request(row.id)


def test_sources_through_the_client(as_):
    boss = as_("boss")
    assert boss.put_source(SourceForm(**SOURCE)).records == 0
    assert [source.form.name for source in boss.sources()] == ["cat"]
    assert boss.run_source("cat").due is not None
    assert boss.source_runs("cat") == ()
    boss.remove_source("cat")
    assert boss.sources() == ()
    with pytest.raises(AtriumError):
        boss.run_source("cat")


@pytest.mark.parametrize(
    ("address", "setting"),
    [
        ("http://10.1.2.3/catalogue.ttl", "add 10.1.2.3 to dataspace.allowed_hosts"),
        ("http://[::1]:8000/", "add ::1 to dataspace.allowed_hosts"),
        ("https://localhost/a", "add localhost to dataspace.allowed_hosts"),
        ("/etc/passwd", "dataspace.folders"),
    ],
)
def test_a_source_that_the_settings_forbid_is_refused_when_it_is_entered(as_, address, setting):
    boss = as_("boss")
    with pytest.raises(InvalidInput) as refused:
        boss.put_source(SourceForm(**SOURCE | {"address": address}))
    assert (refused.value.field, setting in refused.value.hint) == ("address", True)
    assert boss.sources() == ()


def test_a_source_waits_until_its_harvest_runs(as_, session):
    boss = as_("boss")
    assert boss.put_source(SourceForm(**SOURCE | {"enabled": False})).waiting is False
    assert boss.run_source("cat").waiting is True
    row = session.scalars(select(SourceRow)).one()
    session.add(RunRow(source_id=row.id, state=RunState.RUNNING, started=row.due))
    session.commit()
    running = boss.run_source("cat")
    assert (running.waiting, running.last.state) == (False, "running")


@pytest.mark.parametrize("address", ["ftp://x", "file:///etc", "relative/path", "gopher://x"])
def test_addresses_of_sources_are_checked(api, world, address):
    headers = {"Authorization": f"token {world['boss']}"}
    assert api.put("/dataspace/sources/cat", json=SOURCE | {"address": address}, headers=headers).status_code == 422


def test_answers_are_remembered_until_the_index_changes(api, as_, shop, site, reindex, monkeypatch):
    searches = []
    search = TantivyIndex.search
    monkeypatch.setattr(
        TantivyIndex,
        "search",
        lambda self, search_request: searches.append(search_request) or search(self, search_request),
    )
    founder = as_("founder")
    for _ in range(3):
        assert founder.search("zebra").total == 0
    assert len([search_request for search_request in searches if search_request.text == "zebra"]) == 1
    assert as_("stranger").search("zebra").total == 0  # no project of theirs has records, so theirs is the same answer
    assert len([search_request for search_request in searches if search_request.text == "zebra"]) == 1
    site.turtle("/", page("a").replace('"T"', '"zebra"'))
    shop.harvest(site.url + "/")
    reindex()
    assert founder.search("zebra").total == 1


# -- who leaves, and two changes at once ------------------------------------------------------------------------------


def test_who_leaves_a_project_neither_reads_nor_changes_its_publications(as_, session):
    as_("founder").publish(FORM)
    publication = as_("colleague").publish(FORM)
    assert len(as_("colleague").publications()) == 2
    members.remove(session, Person(name="founder", kind="user"), "demo", "colleague")
    colleague = as_("colleague")
    assert colleague.publications() == ()
    for act in (
        lambda: colleague.record(publication.record_id),
        lambda: colleague.change_publication(publication.slug, FORM),
        lambda: colleague.withdraw(publication.slug),
    ):
        with pytest.raises(NotFound):
            act()
    with pytest.raises(NotAllowed):
        colleague.publish(FORM)


@pytest.mark.parametrize("second_change", ["change", "withdraw"])
def test_of_two_changes_of_a_publication_at_once_the_index_misses_none(
    as_, sessions, reindex, monkeypatch, second_change
):
    """The second has read the record before the first was stored and indexed."""
    publication = as_("founder").publish(FORM.model_copy(update={"visibility": Visibility.FACTORY}))
    founder, records_read = Person(name="founder", kind="user"), []

    def first():
        monkeypatch.undo()
        with sessions() as another:
            changed = FORM.model_copy(update={"visibility": Visibility.FACTORY, "title": "Sensors, first"})
            publications.change(another, founder, publication.slug, changed)
        reindex()

    read = publications._of_slug

    def slow(opened, person, slug):
        row = read(opened, person, slug)
        records_read.append(opened.get_one(RecordRow, row.record_id))
        first()
        return row

    monkeypatch.setattr(publications, "_of_slug", slow)
    with sessions() as opened, pytest.raises(Conflict):
        if second_change == "withdraw":
            publications.withdraw(opened, founder, publication.slug)
        else:
            publications.change(opened, founder, publication.slug, FORM)
    reindex()
    assert as_("stranger").search("sensors").total == 1
    assert as_("founder").publications()[0].form.title == "Sensors, first"
