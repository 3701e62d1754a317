"""Catalogues as they are found in the wild: what is nearly right is read whole, what is wrong costs only itself."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pyoxigraph as ox
import pytest

from hub.dataspace.metadata import dcat, odrl, usability
from hub.dataspace.models import Record
from hub.dataspace.sources.models import RunState
from hub.dataspace.sources.page_fetcher import PAUSES
from hub.dataspace.sources.staging import Staging
from tests.hub.dataspace.conftest import DATA, Reply
from tests.hub.dataspace.metadata.test_dcat import PREFIXES
from tests.hub.dataspace.sources.test_harvester import dataset, names, page

pytestmark = pytest.mark.process

HYDRA = "http://www.w3.org/ns/hydra/core#"
TREE = "https://w3id.org/tree#"
FRAGMENT = DATA / "data.gov.be" / "fragment-162.trig"
RDF_XML = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcat="http://www.w3.org/ns/dcat#"'
    ' xmlns:dct="http://purl.org/dc/terms/" xmlns:hydra="http://www.w3.org/ns/hydra/core#">{}</rdf:RDF>'
)
CONTEXT = {"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/"}


def say(more):
    """A dataset with one more statement."""
    return f'<http://x.example/b> a dcat:Dataset ; dct:title "T" ; {more} .\n'


def element(name, more=""):
    return f'<dcat:Dataset rdf:about="http://x.example/{name}"><dct:title>T</dct:title>{more}</dcat:Dataset>'


def thing(name, **more):
    return {"@id": f"http://x.example/{name}", "@type": "dcat:Dataset", "dct:title": "T"} | more


def serve(site, path, body, kind="text/turtle", **headers):
    body = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    site.pages[path] = Reply(body, headers={"Content-Type": kind, **headers})


def content(shop, uri):
    return Record.model_validate_json(shop.rows()[uri].content)


@pytest.mark.parametrize("sends_media_type", [True, False])
@pytest.mark.parametrize("kind", [f for f in vars(ox.RdfFormat).values() if isinstance(f, ox.RdfFormat)], ids=str)
def test_a_real_page_in_every_format_loses_nothing(shop, site, kind, sends_media_type):
    quads = list(ox.parse(FRAGMENT.read_bytes(), format=ox.RdfFormat.TRIG, base_iri=site.url))
    quads = [quad for quad in quads if not quad.predicate.value.startswith(TREE)]
    there = {q.subject.value for q in quads if q.object == ox.NamedNode("http://www.w3.org/ns/dcat#Dataset")}
    written = quads if kind.supports_datasets else [ox.Triple(q.subject, q.predicate, q.object) for q in quads]
    media_type = kind.media_type if sends_media_type else "application/octet-stream"
    serve(site, "/", ox.serialize(written, format=kind), media_type)
    run = shop.harvest(site.url + "/")
    assert (run.state, run.refused) == (RunState.COMPLETE, 0)
    assert there <= set(shop.rows())
    assert len(there) == 100


@pytest.mark.parametrize(
    "odd",
    [
        "dcat:landingPage <http://x.example/a b.csv>",
        "dcat:landingPage <http://x.example/{id}|x^>",
        'dct:description "x"@en_GB',
        'dct:description "x"@en-',
        'dct:issued "last summer"^^<http://www.w3.org/2001/XMLSchema#date>',
        'dct:description "two\nlines"',
        r'dct:description "C:\Users\quentin"',
        'dct:description "a\x0bb\x00c"',
        'vcard:fn "a prefix that is not declared"',
        "healthdcatap:minTypicalAge 1 ; mobilitydcatap:mobilityTheme dcatap:x",
        "dct:relation x:b/csv , x:b/2023/json",
    ],
)
def test_slips_in_turtle_lose_no_record(shop, site, odd):
    serve(site, "/", PREFIXES + dataset("a") + say(odd) + dataset("c"))
    run = shop.harvest(site.url + "/")
    assert (run.state, run.refused, names(shop)) == (RunState.COMPLETE, 0, ["a", "b", "c"])


def test_a_prefix_without_its_dot_loses_no_record(shop, site):
    """As an example of DCAT-AP 3 has it."""
    head = "@prefix : <http://y.example/>\r\n@prefix dcat: <http://www.w3.org/ns/dcat#> \n"
    serve(site, "/", f"{head}{PREFIXES}{dataset('a')}")
    run = shop.harvest(site.url + "/")
    assert (run.state, run.refused, names(shop)) == (RunState.COMPLETE, 0, ["a"])


def test_a_refusal_gives_the_line_of_the_fault_and_not_of_a_mended_slip(shop, site):
    serve(site, "/", "@prefix : <http://y.example/>\n" + PREFIXES + dataset("a") + say("dct:title @@@"))
    [refusal] = shop.harvest(site.url + "/").refusals
    assert refusal.line == 2 + (PREFIXES + dataset("a")).count("\n")


def test_a_slash_in_a_text_or_an_address_is_left_alone(shop, site):
    odd = 'dct:relation x:b/c ; dct:description "a:b/c" ; dcat:landingPage <http://x.example/a/b> # d:e/f'
    serve(site, "/", PREFIXES + f'<http://x.example/b> a dcat:Dataset ; dct:title "T" ; {odd}\n .\n')
    shop.harvest(site.url + "/")
    record = content(shop, "http://x.example/b")
    assert (record.description, record.landing_page) == ({"und": "a:b/c"}, "http://x.example/a/b")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/octet-stream", "application/xml", "application/ld+json", ""]
)
@pytest.mark.parametrize("body", ["turtle", "xml", "json", "marked json", "utf-16 turtle", "latin-1 xml", "graph"])
def test_pages_are_read_whatever_media_type_the_server_sends(shop, site, body, kind):
    document = json.dumps({"@context": CONTEXT, "@graph": [thing("a")]})
    xml = RDF_XML.format(element("a", "<dct:description>é</dct:description>"))
    pages = {
        "turtle": page("a"),
        "graph": page("a").replace("<http://x.example/a>", "<http://x.example/g> { <http://x.example/a>") + "}",
        "xml": "<!-- ours -->" + xml,
        "json": document,
        "marked json": b"\xef\xbb\xbf" + document.encode(),
        "utf-16 turtle": page("a").encode("utf-16"),
        "latin-1 xml": f'<?xml version="1.0" encoding="ISO-8859-1"?>{xml}'.encode("latin-1"),
    }
    serve(site, "/", pages[body], kind)
    run = shop.harvest(site.url + "/")
    assert (run.state, run.refused, names(shop)) == (RunState.COMPLETE, 0, ["a"])


@pytest.mark.parametrize("odd", ['dct:description "he said "no" to it"', "foo:bar 1", "dct:title @@@"])
def test_a_fault_in_turtle_loses_one_statement_and_is_reported_with_its_line(shop, site, odd):
    more = f"</1> <{HYDRA}next> </2> ."
    serve(site, "/1", PREFIXES + dataset("a") + say(odd) + dataset("c") + dataset("d") + more)
    serve(site, "/2", page("e"))
    run = shop.harvest(f"{site.url}/1")
    assert names(shop) == ["a", "c", "d", "e"]
    assert (run.state, run.pages, run.refused) == (RunState.INCOMPLETE, 2, 1)
    line = 1 + (PREFIXES + dataset("a")).count("\n")
    assert run.refusals[0].line == line


def test_a_fault_at_the_beginning_of_a_statement_loses_nothing_before_it(shop, site):
    serve(site, "/", PREFIXES + dataset("a") + "@@@ a dcat:Dataset .\n" + dataset("c"))
    run = shop.harvest(site.url + "/")
    assert (run.state, names(shop)) == (RunState.INCOMPLETE, ["a", "c"])


def test_a_statement_that_breaks_off_is_not_taken_for_a_shorter_one(shop, site):
    """What its second half would have said may be what forbids it."""
    half = "x:p odrl:permission [ odrl:action odrl:use ] ;\n @@@"
    serve(site, "/", f"{PREFIXES}<http://x.example/b> a dcat:Dataset ; odrl:hasPolicy x:p .\n{half}")
    shop.harvest(site.url + "/")
    assert content(shop, "http://x.example/b").policies[0].keys() == {"@id"}


def test_after_a_fault_a_statement_is_still_in_its_graph(shop, site):
    """An event says which graph counts; what is read around a fault must not leave it."""
    stream = PREFIXES + (
        "<#m1> a <https://www.w3.org/ns/activitystreams#Create> ;"
        " <https://www.w3.org/ns/activitystreams#object> <http://x.example/a>, <http://x.example/c> ;"
        ' <https://www.w3.org/ns/activitystreams#published> "2024-01-01" .\n<#m1> {\n'
    )
    serve(site, "/", stream + dataset("a") + say('dct:title "a "b" c"') + dataset("c") + "}\n", "application/trig")
    shop.harvest(site.url + "/")
    assert names(shop) == ["a", "c"]


@pytest.mark.parametrize("faults", [99, 150])
def test_a_page_with_more_than_100_faults_fails(shop, site, faults):
    serve(
        site,
        "/",
        PREFIXES + "".join(f"<http://x.example/x{n}> dct:title @@@ .\n" for n in range(faults)) + dataset("z"),
    )
    run = shop.harvest(site.url + "/")
    assert names(shop) == (["z"] if faults < 100 else [])
    assert run.state == (RunState.INCOMPLETE if faults < 100 else RunState.FAILED)


@pytest.mark.parametrize("odd", ["a & b", "a&nbsp;b &eacute;", "a\x0bb"])
def test_slips_in_xml_lose_no_record(shop, site, odd):
    inside = element("a") + element("b", f"<dct:description>{odd}</dct:description>") + element("c")
    serve(site, "/", RDF_XML.format(inside), "application/rdf+xml")
    run = shop.harvest(site.url + "/")
    assert (run.state, run.refused, names(shop)) == (RunState.COMPLETE, 0, ["a", "b", "c"])


@pytest.mark.parametrize("kind", ["xml", "json"])
def test_a_page_that_breaks_before_it_says_where_it_goes_on_does_not_end_the_harvest(shop, site, kind):
    if kind == "xml":
        inside = (
            element("a")
            + "<dct:description>"
            + f'<rdf:Description><hydra:next rdf:resource="{site.url}/2"/></rdf:Description>'
        )
        serve(site, "/1", RDF_XML.format(inside), "application/rdf+xml")
    else:
        whole = json.dumps({"@context": CONTEXT, "@graph": [thing("a")], "hydra:next": {"@id": f"{site.url}/2"}})
        serve(site, "/1", whole[:-1] + ",", "application/ld+json")
    serve(site, "/2", page("b"))
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, run.pages) == (RunState.INCOMPLETE, 2)
    assert "b" in names(shop)


@pytest.mark.parametrize(
    ("document", "there"),
    [
        ({"@context": CONTEXT, "@graph": [thing("a"), thing("b")]}, ["a", "b"]),
        ([{"@context": CONTEXT} | thing("a"), {"@context": CONTEXT} | thing("b")], ["a", "b"]),
        ("\n".join(json.dumps({"@context": CONTEXT} | thing(name)) for name in ("a", "b")), ["a", "b"]),
        ({"@context": CONTEXT, "@graph": [thing("a", **{"dct:issued": float("nan"), "dct:description": None})]}, ["a"]),
    ],
)
def test_json_ld_is_read_in_every_shape(shop, site, document, there):
    serve(site, "/", document, "application/ld+json")
    run = shop.harvest(site.url + "/")
    assert (run.state, names(shop)) == (RunState.COMPLETE, there)


@pytest.mark.parametrize("other", [[], ["https://elsewhere.example/c.jsonld"]])
@pytest.mark.parametrize("odd", [{}, {"onlyOnSundays": True}])
def test_terms_that_no_context_explains_are_kept(shop, site, other, odd):
    """A rule with a condition that nobody understands must not read as one without."""
    rule = {"action": "use"} | odd
    offer = {"@id": "urn:o", "@type": "Offer", "permission": [rule]}
    data = {"@id": "urn:a", "@type": "Dataset", "hasPolicy": [offer], "farm": "Field 1"}
    contexts = ["https://w3id.org/dspace/2025/1/context.jsonld", *other]
    serve(
        site, "/", {"@context": contexts, "@id": "urn:c", "@type": "Catalog", "dataset": [data]}, "application/ld+json"
    )
    shop.harvest(site.url + "/")
    record = content(shop, "urn:a")
    assert [sentence.rule for sentence in odrl.sentences(record.policies)] == [
        "not-understood" if odd else "permission"
    ]
    assert record.extra["urn:unexplained:farm"][0]["@value"] == "Field 1"


def test_schema_org_is_read_as_dcat(shop, site):
    data = {
        **{"@type": "Dataset", "@id": "http://x.example/a", "name": "T", "keywords": "air, dust", "version": "2"},
        **{"license": "https://creativecommons.org/licenses/by/4.0/", "temporalCoverage": "2010/2012"},
        **{"publisher": {"@type": "Organization", "name": "City", "url": "https://city.example/"}},
        **{"dateModified": "2024-05-06", "inLanguage": "de", "url": "https://x.example/page"},
        "distribution": {
            **{"@type": "DataDownload", "contentUrl": "https://x.example/a.csv", "encodingFormat": "text/csv"},
            "contentSize": "14M",
        },
    }
    onward = {"hydra:view": {"@id": f"{site.url}/1", "hydra:next": {"@id": f"{site.url}/2"}}}
    context = ["https://schema.org/", {"hydra": HYDRA}]
    serve(site, "/1", {"@context": context, "@type": "DataCatalog", "dataset": [data]} | onward, "application/ld+json")
    other = "<http://x.example/b> a s:Dataset ; s:name 'B' ; s:license <http://l.example/> ."
    serve(site, "/2", f"@prefix s: <https://schema.org/> . {other}")
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, run.refused, names(shop)) == (RunState.COMPLETE, 0, ["a", "b"])
    record = content(shop, "http://x.example/a")
    assert (record.title, record.keywords, record.version) == ({"und": "T"}, {"und": ("air", "dust")}, "2")
    assert (record.licence.kind, record.temporal, record.languages) == ("attribution", (("2010", "2012"),), ("de",))
    assert (record.publisher.name, record.publisher.homepage) == ({"und": "City"}, "https://city.example/")
    assert (str(record.modified), record.landing_page) == ("2024-05-06", "https://x.example/page")
    [file] = record.distributions
    assert (file.download_url, file.format, file.bytes) == ("https://x.example/a.csv", "CSV", 14_000_000)
    assert content(shop, "http://x.example/b").licence.uri == "http://l.example/"


@pytest.mark.parametrize(("level", "access"), [("public", "public"), ("restricted public", "restricted")])
def test_data_json_of_project_open_data(shop, site, level, access):
    """What many portals serve as ``data.json``; its datasets have no address."""
    data = {
        **{"@type": "dcat:Dataset", "title": "T", "identifier": "1", "keyword": ["air"], "accessLevel": level},
        **{"modified": "2024-05-06", "license": "", "publisher": {"@type": "org:Organization", "name": "City"}},
        **{"contactPoint": {"@type": "vcard:Contact", "fn": "Desk", "hasEmail": "mailto:desk@city.example"}},
        "distribution": [{"@type": "dcat:Distribution", "downloadURL": "https://x.example/a.csv", "format": "CSV"}],
    }
    context = "https://project-open-data.cio.gov/v1.1/schema/catalog.jsonld"
    serve(site, "/", {"@context": context, "@type": "dcat:Catalog", "dataset": [data]}, "application/json")
    run = shop.harvest(site.url + "/")
    assert (run.state, run.read) == (RunState.COMPLETE, 1)
    record = content(shop, next(iter(shop.rows())))
    assert (record.title, record.access, record.licence.kind) == ({"und": "T"}, access, "not-stated")
    assert (record.publisher.name, record.contact[0].email) == ({"und": "City"}, "desk@city.example")
    assert record.distributions[0].download_url == "https://x.example/a.csv"


def test_terms_of_an_unknown_context_are_lost_and_reported(shop, site):
    document = {
        "@context": ["https://elsewhere.example/c.jsonld", CONTEXT],
        "@graph": [thing("a", odd="x", keyword="k")],
    }
    serve(site, "/", document, "application/ld+json")
    run = shop.harvest(site.url + "/")
    assert (run.state, names(shop)) == (RunState.INCOMPLETE, ["a"])
    assert content(shop, "http://x.example/a").keywords == {"und": ("k",)}
    assert "elsewhere.example" in run.refusals[0].reason


def test_records_without_an_address_get_one_that_stays(shop, site):
    def two(first):
        with_identifier = f'a dcat:Dataset ; dct:title "{first}" ; dct:identifier "1" ; dct:publisher [ foaf:name "P" ]'
        without_identifier = 'a dcat:Dataset ; dct:title "Two"'
        return PREFIXES + f"<http://x.example/cat> dcat:dataset [ {with_identifier} ], [ {without_identifier} ] ."

    serve(site, "/", two("One"))
    run = shop.harvest(site.url + "/")
    assert (run.state, run.read, run.new) == (RunState.COMPLETE, 2, 2)
    assert all(uri.startswith(f"{site.url}/#") for uri in shop.rows())
    serve(site, "/", two("Renamed"))
    run = shop.harvest(site.url + "/")
    assert (run.new, run.changed, run.removed) == (0, 1, 0)
    staging = Staging(shop.folder / "sources/cat.sqlite")
    try:
        for uri in shop.rows():
            assert next(dcat.statements(uri, staging))[0] == uri, "what it says is judged under its name"
    finally:
        staging.close()


def test_a_record_on_two_pages_is_counted_once_also_when_nothing_is_new(shop, site):
    serve(site, "/1", page("a", more=f"</1> <{HYDRA}next> </2> ."), ETag='"1"')
    serve(site, "/2", page("a"), ETag='"2"')
    for path in ("/1", "/2"):
        whole = site.pages[path]
        site.pages[path] = lambda site_request, it=whole: (
            Reply(status=304) if "If-None-Match" in site_request.headers else it
        )
    assert [shop.harvest(f"{site.url}/1").read for _ in range(2)] == [1, 1]


def test_records_without_an_address_that_seem_to_be_the_same(shop, site):
    """The same one on two pages is one record; two that only share a number are two."""
    same = 'a dcat:Dataset ; dct:title "Same" ; dcat:landingPage <http://x.example/>'
    numbered = 'a dcat:Dataset ; dct:identifier "1" ; dct:title "{}"'
    other = f"[ {same.replace('Same', 'Other')} ]"
    serve(
        site, "/1", PREFIXES + f"x:c dcat:dataset [ {same} ], [ {numbered.format('One')} ] . </1> <{HYDRA}next> </2> ."
    )
    serve(site, "/2", PREFIXES + f"x:c dcat:dataset [ {same} ], {other}, [ {numbered.format('Two')} ] .")
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, run.read, run.new) == (RunState.COMPLETE, 4, 4)
    titles = sorted(content(shop, uri).title["und"] for uri in shop.rows())
    assert titles == ["One", "Other", "Same", "Two"]


@pytest.mark.parametrize(
    "around", ["<csw:R xmlns:csw='http://c.example/'>{}</csw:R>", "<feed xmlns='http://a.example/'/>"]
)
def test_xml_that_is_not_rdf_is_refused_with_its_root_element(shop, site, around):
    serve(site, "/", around.format(RDF_XML.format(element("a"))), "application/xml")
    [refusal] = shop.harvest(site.url + "/").refusals
    assert re.match("XML that is not RDF/XML: it is a (csw:R|feed)", refusal.reason)


def test_a_single_node_without_an_rdf_root_is_read(shop, site):
    names_of = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcat="http://www.w3.org/ns/dcat#"'
    serve(site, "/", f'<dcat:Dataset {names_of} rdf:about="http://x.example/a"/>', "application/xml")
    assert shop.harvest(site.url + "/").read == 1


@pytest.mark.parametrize("namespace", ["https://www.w3.org/ns/dcat/", "https://www.w3.org/ns/dcat#"])
def test_namespaces_as_connectors_write_them_are_read(shop, site, namespace):
    serve(site, "/", page("a").replace("http://www.w3.org/ns/dcat#", namespace).replace("http://purl", "https://purl"))
    assert shop.harvest(site.url + "/").read == 1
    assert content(shop, "http://x.example/a").title == {"en": "T"}


def test_a_web_page_fails_the_harvest_with_that_reason(shop, site):
    serve(site, "/", "<!doctype html><html><body>Welcome</body></html>", "text/html")
    run = shop.harvest(site.url + "/")
    assert run.state == RunState.FAILED
    assert "web page for people" in run.refusals[0].reason


def test_what_a_catalogue_lists_is_a_dataset_even_without_that_type(shop, site):
    listed = "<http://x.example/cat> dcat:dataset x:a, x:b, x:elsewhere ."
    serve(site, "/1", PREFIXES + listed + f" x:a dct:title 'A' . </1> <{HYDRA}next> </2> .")
    serve(site, "/2", PREFIXES + "x:b a <http://schema.org/Dataset> ; dct:title 'B' . x:c dct:title 'not listed' .")
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, names(shop)) == (RunState.COMPLETE, ["a", "b"])
    assert content(shop, "http://x.example/b").kind == "dataset"


def test_a_page_without_records_says_so(shop, site):
    serve(site, "/", {"success": True, "result": {"results": []}}, "application/json")
    run = shop.harvest(site.url + "/")
    assert (run.state, run.read, run.refused) == (RunState.COMPLETE, 0, 0)
    assert "no dataset" in run.reason


# -- paging -----------------------------------------------------------------------------------------------------------


def test_old_hydra_terms_with_links_as_text_are_followed(shop, site):
    old = f"</1> a <{HYDRA}PagedCollection> ; <{HYDRA}nextPage> "
    serve(site, "/1", page("a", more=old + f'"{site.url}/2" .'))
    serve(site, "/2", page("b", more=old.replace("</1>", "</2>") + '"/3" .'))
    serve(site, "/3", page("c"))
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, run.pages, names(shop)) == (RunState.COMPLETE, 3, ["a", "b", "c"])


def test_hydra_views_with_fragments_are_read_once(shop, site):
    view = f"<?page={{}}#v> a <{HYDRA}PartialCollectionView> ; <{HYDRA}next> <?page={{}}#v> ."
    serve(site, "/c", page("a", more=view.format(1, 2)))
    serve(site, "/c?page=2", page("b", more=f"<#w> <{HYDRA}next> <?page=2#again> ."))
    run = shop.harvest(f"{site.url}/c")
    assert (run.state, run.pages, names(shop)) == (RunState.COMPLETE, 2, ["a", "b"])


def test_the_next_link_is_found_among_other_links(shop, site):
    serve(site, "/c", page("a"), Link='</c>; rel="self", </c?p=2>; rel=next; type="text/turtle", </z>; rel="last"')
    serve(site, "/c?p=2", page("b"), Link='</c>; rel="prev"')
    assert shop.harvest(f"{site.url}/c").pages == 2
    assert names(shop) == ["a", "b"]


def view(number, last, how):
    """What page ``number`` says of the others."""
    ways = {"next": number + 1} if number < last else {}
    ways |= {"last": last} | ({"previous": number - 1} if number > 1 else {})
    if how == "Link":
        names = {"next": "next", "last": "last", "previous": "prev"}
        return "", {"Link": ", ".join(f'</{to}>; rel="{names[way]}"' for way, to in ways.items())}
    return f"</{number}> " + " ; ".join(f"<{HYDRA}{way}{how}> </{to}>" for way, to in ways.items()) + " .", {}


@pytest.mark.parametrize("how", ["", "Page", "Link"])
@pytest.mark.parametrize(
    "broken", [Reply(status=404), Reply(status=500), Reply(b"<<<", headers={"Content-Type": "x/y"})]
)
def test_pages_after_one_that_never_could_be_read_are_found_from_the_end(shop, site, how, broken):
    for number, name in enumerate("abcde", 1):
        more, headers = view(number, 5, how)
        serve(site, f"/{number}", page(name, more=more), **headers)
    site.pages["/3"] = broken
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, run.pages, names(shop)) == (RunState.INCOMPLETE, 5, ["a", "b", "d", "e"])
    assert [refusal.page for refusal in run.refusals] == [f"{site.url}/3"]


def test_a_chain_that_is_whole_is_not_read_from_the_end(shop, site):
    more, _ = view(1, 2, "")
    serve(site, "/1", page("a", more=more.replace(f"{HYDRA}last> </2>", f"{HYDRA}last> </nowhere>")))
    serve(site, "/2", page("b"))
    assert shop.harvest(f"{site.url}/1").state == RunState.COMPLETE


def test_a_missing_next_page_is_reported_and_earlier_records_are_kept(shop, site):
    serve(site, "/1", page("a", more=f"</1> <{HYDRA}next> </2> ."))
    site.pages["/2"] = Reply(status=404)
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, names(shop)) == (RunState.INCOMPLETE, ["a"])
    assert run.refusals[0].reason == "The server answered 404. The addresses of further pages are not known."


def test_files_of_a_folder_that_are_not_read_are_named(shop, tmp_path):
    folder = tmp_path / "in"
    (folder / ".git").mkdir(parents=True)
    (folder / "a.ttl").write_text(page("a"))
    for other in ("LICENSE", "data.csv", ".git/config"):
        (folder / other).write_text("x")
    run = shop.harvest(str(folder))
    assert (run.state, run.refused, names(shop)) == (RunState.COMPLETE, 2, ["a"])
    assert [refusal.page for refusal in run.refusals] == ["LICENSE", "data.csv"]
    assert ".jsonld" in run.refusals[0].reason


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_the_pause_it_names(shop, site, status):
    answers = [Reply(status=status, headers={"Retry-After": "7"}), Reply(status=status)]
    serve(site, "/1", page("a", more=f"</1> <{HYDRA}next> </2> ."))
    last = Reply(page("b").encode(), headers={"Content-Type": "text/turtle"})
    site.pages["/2"] = lambda _site_request: answers.pop(0) if answers else last
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, names(shop)) == (RunState.COMPLETE, ["a", "b"])
    assert shop.paused == [7, PAUSES[1]]


def test_of_versions_in_an_event_stream_the_newest_is_the_record(shop, site):
    stream = (
        "<http://x.example/s> a <https://w3id.org/ldes#EventStream> ;"
        " <https://w3id.org/ldes#timestampPath> dct:modified ; <https://w3id.org/ldes#versionOfPath> dct:isVersionOf ;"
        f" <{TREE}view> </1> .\n</1> <{TREE}relation> [ <{TREE}node> </2> ] .\n"
    )

    def version(of, number, at):
        return (
            f"<http://x.example/{of}/{number}> a dcat:Dataset ; dct:isVersionOf <http://x.example/{of}> ;"
            f' dct:modified "{at}" ; dct:title "{of} {number}"@en .\n'
        )

    # The second is the newer one, although it looks older as text.
    serve(site, "/1", PREFIXES + stream + version("a", 2, "2024-02-01T00:30:00+02:00") + version("b", 1, "2024-01-01"))
    serve(site, "/2", PREFIXES + version("a", 1, "2024-01-31T23:00:00Z"))
    run = shop.harvest(f"{site.url}/1")
    assert (run.state, run.read, names(shop)) == (RunState.COMPLETE, 2, ["a", "b"])
    assert content(shop, "http://x.example/a").title == {"en": "a 1"}
    serve(site, "/2", PREFIXES + version("a", 3, "2024-03-01T00:00:00Z"))
    run = shop.harvest(f"{site.url}/1")
    assert (run.new, run.changed, run.removed) == (0, 1, 0)
    assert content(shop, "http://x.example/a").title == {"en": "a 3"}


def test_outside_an_event_stream_a_version_is_a_record_of_its_own(shop, site):
    serve(site, "/", page("a") + dataset("b").replace(" .", " ; dct:isVersionOf <http://x.example/a> ."))
    shop.harvest(site.url + "/")
    assert names(shop) == ["a", "b"]


def test_a_data_service_becomes_a_distribution_of_the_dataset_it_serves(shop, site):
    """Only the service says so, and on another page."""
    serve(site, "/1", page("a", more=f"x:a <http://x.example/p> 1 . </1> <{HYDRA}next> </2> ."))
    served = (
        "x:s a dcat:DataService ; dct:title 'API' ; dcat:endpointURL <https://api.example/> ; dcat:servesDataset x:a ."
    )
    serve(site, "/2", PREFIXES + served)
    shop.harvest(f"{site.url}/1")
    [file] = content(shop, "http://x.example/a").distributions
    assert (file.title, file.access_url, file.endpoint_url) == (
        {"und": "API"}, "https://api.example/", "https://api.example/"
    )  # fmt: skip
    serve(site, "/2", PREFIXES + served.replace("x:a", "x:b"))
    shop.harvest(f"{site.url}/1")
    assert content(shop, "http://x.example/a").distributions == ()


def test_a_dataset_under_contract_gets_no_link_from_its_connector(shop, site):
    offer = "x:a odrl:hasPolicy [ odrl:permission [ odrl:action odrl:use ] ] ."
    serve(site, "/", page("a", more=f"{offer} x:s dcat:endpointURL <https://c.example/> ; dcat:servesDataset x:a ."))
    shop.harvest(site.url + "/")
    record = content(shop, "http://x.example/a")
    assert (record.access, record.distributions[0].access_url) == ("contract", "")


@pytest.mark.parametrize(("status", "verdict"), [("WITHDRAWN", "ask"), ("COMPLETED", "yes")])
def test_a_withdrawn_dataset_is_to_be_asked_for(shop, site, status, verdict):
    status_uri = f"<http://publications.europa.eu/resource/authority/dataset-status/{status}>"
    more = "dct:license <https://creativecommons.org/licenses/by/4.0/> ; dcat:landingPage <https://x.example/>"
    serve(site, "/", page("a", more=f"x:a {more} ; <http://www.w3.org/ns/adms#status> {status_uri} ."))
    shop.harvest(site.url + "/")
    assert usability.usable_now(content(shop, "http://x.example/a")).verdict == verdict


# -- CKAN and connectors ----------------------------------------------------------------------------------------------


def package(number):
    empty = dict.fromkeys(("resources", "tags", "extras", "groups", "organization"))
    return {"id": f"id{number}", "name": f"n{number}", "title": f"P{number}"} | empty


def ckan(site, path, result):
    serve(site, path, {"success": True, "result": result}, "application/json")


@pytest.mark.parametrize("named", ["", "/", "/api", "/api/3", "/dataset", "/api/3/action/package_search"])
def test_ckan_is_read_from_any_of_its_addresses(shop, site, named):
    ckan(
        site,
        "/api/3/action/package_search?sort=id+asc&start=0&rows=100",
        {"count": 2, "results": [package(1), package(2)]},
    )
    run = shop.harvest(site.url + named, protocol="ckan")
    assert (run.state, run.read) == (RunState.COMPLETE, 2)


def test_ckan_keeps_the_filter_of_the_address_and_follows_the_page_size_of_the_server(shop, site):
    def answer(site_request):
        query = parse_qs(urlsplit(site_request.path).query)
        assert query["fq"] == ["organization:city"]
        start = int(query["start"][0])
        result = {"count": 25, "results": [package(n) for n in range(start, min(start + 10, 25))]}
        return Reply(json.dumps({"result": result}).encode(), headers={"Content-Type": "application/json"})

    for start in (0, 10, 20):
        site.pages[f"/api/3/action/package_search?fq=organization%3Acity&sort=id+asc&start={start}&rows=100"] = answer
    run = shop.harvest(f"{site.url}/api/3/action/package_search?fq=organization:city", protocol="ckan")
    assert (run.state, run.pages, run.read) == (RunState.COMPLETE, 3, 25)


def test_a_ckan_goes_on_behind_a_page_that_cannot_be_read(shop, site):
    for start in (0, 100, 200, 300):
        packages = [package(n) for n in range(start, min(start + 100, 350))]
        ckan(
            site,
            f"/api/3/action/package_search?sort=id+asc&start={start}&rows=100",
            {"count": 350, "results": packages},
        )
    site.pages["/api/3/action/package_search?sort=id+asc&start=100&rows=100"] = Reply(status=500)
    run = shop.harvest(site.url, protocol="ckan")
    assert (run.state, run.new, run.refused) == (RunState.INCOMPLETE, 250, 1)


@pytest.mark.parametrize("named", ["", "/api/3/action/package_list"])
def test_ckan_without_a_search_is_read_package_by_package(shop, site, named):
    ckan(site, "/api/3/action/package_list", ["n1", "n 2", "gone"])
    ckan(site, "/api/3/action/package_show?id=n1", package(1))
    ckan(site, "/api/3/action/package_show?id=n+2", package(2))
    run = shop.harvest(site.url + named, protocol="ckan")
    assert (run.state, run.new, run.refused) == (RunState.INCOMPLETE, 2, 1)
    assert [re.search(r"id=(\w+)", refusal.page)[1] for refusal in run.refusals] == ["gone"]


def read_package(shop, site, **fields):
    ckan(
        site,
        "/data/api/3/action/package_search?sort=id+asc&start=0&rows=100",
        {"count": 1, "results": [package(1) | fields]},
    )
    run = shop.harvest(f"{site.url}/data", protocol="ckan")
    assert (run.state, run.read) == (RunState.COMPLETE, 1)
    [uri] = shop.rows()
    return content(shop, uri)


@pytest.mark.parametrize("where", ["beside", "extras", "extras as a mapping"])
def test_fields_of_ckan_schemas_are_read(shop, site, where):
    """As ckanext-scheming and ckanext-dcat have it: fields of their own, or extras with JSON in them."""
    fields = {
        "issued": "2020-01-02",
        "access_rights": "http://publications.europa.eu/resource/authority/access-right/PUBLIC",
        "language": ["de", "en"],
        "theme": ["http://publications.europa.eu/resource/authority/data-theme/ENVI"],
        "publisher": [{"name": "City", "email": "p@city.example", "url": "https://city.example"}],
        "contact": [{"name": "Desk", "email": "desk@city.example"}],
        "temporal_coverage": [{"start": "2019-01-01", "end": "2019-12-31"}],
        "spatial_coverage": [{"text": "Tarragona", "uri": "https://sws.geonames.org/1/"}],
        "provenance": {"de": "Gemessen", "en": "Measured"},
        "number_of_records": 12,
    }
    if where == "beside":
        record = read_package(shop, site, **fields)
    elif where == "extras":
        extras = [{"key": k, "value": v if isinstance(v, str) else json.dumps(v)} for k, v in fields.items()]
        record = read_package(shop, site, extras=extras)
    else:
        record = read_package(shop, site, extras=fields)
    assert (str(record.issued), record.access, record.languages, record.themes) == (
        "2020-01-02", "public", ("de", "en"), ("ENVI",)
    )  # fmt: skip
    assert (record.publisher.name, record.publisher.homepage) == ({"und": "City"}, "https://city.example")
    assert [(contact.name, contact.email) for contact in record.contact] == [({"und": "Desk"}, "desk@city.example")]
    assert (record.temporal, record.spatial) == ((("2019-01-01", "2019-12-31"),), ("Tarragona",))
    assert record.provenance == {"de": "Gemessen", "en": "Measured"}
    assert record.extra[f"{site.url}/data/extra/number_of_records"][0]["@value"] == "12"
    assert record.landing_page == f"{site.url}/data/dataset/n1"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"license_id": "cc-by", "license_title": "Namensnennung"}, "attribution"),
        ({"license_id": "cc-by-nc", "license_title": "Unsere Lizenz"}, "non-commercial"),
        ({"license_id": "x", "license_title": "Creative Commons CCZero", "license_url": "https://x.example/l"}, "open"),
        ({"license_id": "notspecified", "license_title": "License not specified"}, "not-stated"),
        ({"license_id": "other-closed", "license_title": "Other (Not Open)"}, "bespoke"),
        ({"resources": [{"license": "http://dcat-ap.de/def/licenses/dl-zero-de/2.0"}]}, "open"),
    ],
)
def test_licences_of_a_ckan(shop, site, fields, kind):
    assert read_package(shop, site, **fields).licence.kind == kind


def test_a_ckan_resource_with_all_fields_is_read(shop, site):
    file = {
        **{"id": "r", "title": {"de": "Datei"}, "url": "https://x.example/d", "format": "CSV", "mimetype": "text/csv"},
        **{"size": "9.5 KB", "hash": "ab" * 16, "rights": "CC BY 4.0", "url_type": "upload", "encoding": "utf-8"},
    }
    [distribution] = read_package(shop, site, resources=[file, "no resource"]).distributions
    assert (distribution.title, distribution.download_url, distribution.media_type) == (
        {"de": "Datei"},
        "https://x.example/d",
        "text/csv",
    )
    assert (distribution.bytes, distribution.checksum.algorithm, distribution.licence.kind) == (
        9500,
        "md5",
        "attribution",
    )
    assert distribution.extra == {f"{site.url}/data/extra/encoding": ({"@value": "utf-8"},)}


def test_multilingual_ckan_fields_are_read(shop, site):
    record = read_package(
        shop, site, title={"de": "Luft", "fr": ""}, notes="", description={"de": "Gemessen"},
        keywords={"de": ["Luft", "Staub"], "en": ["air"]}, organization={"title": {"de": "Stadt"}}, private="Published",
        groups=[{"name": "envi", "title": "Natur"}], type="dataset_series",
    )  # fmt: skip
    assert (record.title, record.description, record.publisher.name) == (
        {"de": "Luft"},
        {"de": "Gemessen"},
        {"de": "Stadt"},
    )
    assert record.keywords == {"de": ("Luft", "Staub"), "en": ("air",), "und": ("Natur",)}
    assert (record.themes, record.kind, record.access) == (("ENVI",), "series", "not-stated")


def test_ckan_packages_that_cannot_be_read_are_refused_and_the_others_are_read(shop, site):
    odd = [package(1) | {"tags": 1}, package(2) | {"state": "deleted"}, package(3) | {"organization": "x"}, {"id": 4}]
    ckan(site, "/api/3/action/package_search?sort=id+asc&start=0&rows=100", {"count": 4, "results": odd})
    run = shop.harvest(site.url, protocol="ckan")
    assert (run.state, run.new, [refusal.line for refusal in run.refusals]) == (RunState.INCOMPLETE, 1, [1, 4])


@pytest.mark.parametrize("packed", [True, False])
def test_a_ckan_list_of_whole_packages_is_read(shop, site, packed):
    """As DKAN answers ``package_show`` and ``current_package_list_with_resources``."""
    ckan(site, "/api/3/action/package_list", ["n1"])
    whole = [package(1), package(2)]
    ckan(site, "/api/3/action/package_show?id=n1", [whole] if packed else whole)
    run = shop.harvest(f"{site.url}/api/3/action/package_list", protocol="ckan")
    assert (run.state, run.pages, run.read) == (RunState.COMPLETE, 2, 2)


def test_further_pages_of_a_connector_are_fetched_by_get(shop, site):
    first = (DATA / "dsp" / "catalog.json").read_text()
    second = first.replace("urn:uuid:3dd1add8-4d2d-569e-d634-8394a8836a88", "urn:2")
    serve(site, "/catalog/request", first, "application/json", Link='</catalog/request?token=2>; rel="next"')
    rest = Reply(second.encode(), headers={"Content-Type": "application/json"})
    site.pages["/catalog/request?token=2"] = lambda site_request: (
        Reply(status=405) if site_request.method == "POST" else rest
    )
    run = shop.harvest(site.url, protocol="dsp")
    assert (run.state, run.pages, run.read) == (RunState.COMPLETE, 2, 2)


@pytest.mark.parametrize("version", ["2024/1", "v0.8"])
@pytest.mark.parametrize("single", [True, False])
def test_catalogues_of_earlier_dataspace_protocols_are_read(shop, site, version, single):
    def several(value):
        return value if single else [value]

    limit = {"odrl:leftOperand": "odrl:spatial", "odrl:operator": "odrl:eq", "odrl:rightOperand": "EU"}
    rule = {
        "odrl:action": "odrl:use",
        "odrl:constraint": several(limit),
        "odrl:duty": {"odrl:action": "cc:Attribution"},
    }
    offer = {"@id": "urn:o", "@type": "odrl:Offer", "odrl:permission": several(rule), "odrl:prohibition": []}
    service = {"@id": "urn:s", "@type": "dcat:DataService", "dcat:endpointURL": "https://c.example/dsp"}
    file = {"@type": "dcat:Distribution", "dct:format": "dspace:s3+push", "dcat:accessService": several(service)}
    asset = {"@id": "urn:asset", "@type": "dcat:Dataset", "dct:title": "Asset", "odrl:hasPolicy": several(offer)}
    catalogue = {
        **{"@context": f"https://w3id.org/dspace/{version}/context.json", "@id": "urn:c", "@type": "dcat:Catalog"},
        "dcat:dataset": several(asset | {"dcat:distribution": several(file)}),
    }
    serve(site, "/catalog/request", catalogue, "application/json")
    run = shop.harvest(site.url, protocol="dsp")
    assert (run.state, run.refused) == (RunState.COMPLETE, 0)
    record = content(shop, "urn:asset")
    assert [sentence.text for sentence in odrl.sentences(record.policies)] == [
        "You may use it, only if the place is EU, and then you must name the source."
    ]
    assert (record.access, record.distributions[0].endpoint_url) == ("contract", "https://c.example/dsp")


@pytest.mark.parametrize("more", [{}, {"remedy": {"action": "delete"}}, {"inheritFrom": "urn:p"}])
def test_policies_with_the_context_of_odrl_are_read(shop, site, more):
    rule = {"action": "use", "constraint": {"and": [{"leftOperand": "count", "operator": "lteq", "rightOperand": 3}]}}
    dataset_node = thing("a", **{"odrl:hasPolicy": {"type": "Offer", "uid": "urn:o", "permission": [rule | more]}})
    contexts = [CONTEXT, "http://www.w3.org/ns/odrl.jsonld"]
    serve(site, "/", {"@context": contexts, "@graph": [dataset_node]}, "application/ld+json")
    assert shop.harvest(site.url + "/").state == RunState.COMPLETE
    [sentence] = odrl.sentences(content(shop, "http://x.example/a").policies)
    assert sentence.rule == ("not-understood" if more else "permission")


def test_a_catalogue_of_before_the_dataspace_protocol_is_read(shop, site):
    offer = {"@id": "o", "@type": "odrl:Offer", "odrl:permission": {"odrl:action": {"odrl:type": "USE"}}}
    files = [{"@type": "dcat:Distribution", "dct:format": {"@id": "HttpData-PULL"}, "dcat:accessService": "svc"}]
    catalogue = {
        "@context": {
            "@vocab": "https://w3id.org/edc/v0.0.1/ns/",
            "dcat": "https://www.w3.org/ns/dcat/",
            "dct": "https://purl.org/dc/terms/",
            "odrl": "http://www.w3.org/ns/odrl/2/",
        },
        "@id": "urn:c",
        "@type": "dcat:Catalog",
        "dcat:dataset": {
            **{"@id": "urn:asset", "@type": "dcat:Dataset", "name": "My asset"},
            **{"odrl:hasPolicy": offer, "dcat:distribution": files},
        },
    }
    serve(site, "/catalog/request", catalogue, "application/json")
    assert shop.harvest(site.url, protocol="dsp").state == RunState.COMPLETE
    record = content(shop, "urn:asset")
    assert (record.title, record.access) == ({"und": "My asset"}, "contract")
    assert record.policies
