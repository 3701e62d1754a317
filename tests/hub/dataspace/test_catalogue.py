"""DCAT -> records: what is read, what is kept, and that nothing in it is trusted."""

from datetime import date

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.dataspace import catalogue, policy
from hub.dataspace.models import Access, Kind, LicenceClass
from hub.dataspace.parsing import _nodes, _oxigraph, prepared
from tests.hub.dataspace.conftest import DATA

PREFIXES = """
@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> . @prefix vcard: <http://www.w3.org/2006/vcard/ns#> .
@prefix spdx: <http://spdx.org/rdf/terms#> . @prefix odrl: <http://www.w3.org/ns/odrl/2/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @prefix at: <http://publications.europa.eu/resource/authority/> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix x: <http://x.example/> .
"""


class Nodes:
    def __init__(self, lines):
        self.known = {}
        for line in lines:
            if "s" in line:
                node = self.known.setdefault(line["s"], {})
                for predicate, terms in line["p"].items():
                    node.setdefault(predicate, []).extend(terms)

    def about(self, identity):
        return self.known.get(identity, {})


def turtle(text):
    return Nodes(_nodes(_oxigraph((PREFIXES + text).encode(), ox.RdfFormat.TURTLE, "http://x.example/")))


def read(text, name="http://x.example/d"):
    return catalogue.record(name, turtle(text))


def test_everything_a_page_about_a_record_needs():
    found = read("""
    x:d a dcat:Dataset ; dct:title "Air"@en, "Luft"@de ; dct:description "Measured." ;
      dcat:keyword "air"@en, "pm10"@en ; dcat:theme <http://publications.europa.eu/resource/authority/data-theme/ENVI> ;
      dct:publisher [ a foaf:Agent ; foaf:name "City" ; foaf:homepage <https://city.example/> ] ;
      dcat:contactPoint [ a vcard:Kind ; vcard:fn "Desk" ; vcard:hasEmail <mailto:desk@city.example> ] ;
      dct:language <http://publications.europa.eu/resource/authority/language/DEU> ;
      dct:license <http://creativecommons.org/licenses/by/4.0/> ;
      dct:accessRights <http://publications.europa.eu/resource/authority/access-right/PUBLIC> ;
      dct:issued "2020-02-30"^^xsd:date ; dct:modified "2024-05-06T07:08:09Z"^^xsd:dateTime ;
      dct:provenance [ a dct:ProvenanceStatement ; <http://www.w3.org/2000/01/rdf-schema#label> "By sensors"@en ] ;
      dct:temporal [ dcat:startDate "2020-01-01"^^xsd:date ; dcat:endDate "2021-01-01"^^xsd:date ] ;
      <http://data.europa.eu/r5r/applicableLegislation> <http://data.europa.eu/eli/reg/2024/1> ;
      <http://healthdataportal.eu/ns/health#population> "adults"@en ;
      dcat:distribution [ a dcat:Distribution ; dcat:downloadURL <https://city.example/air.csv> ;
        dct:format <http://publications.europa.eu/resource/authority/file-type/CSV> ;
        dcat:byteSize "1234.0"^^xsd:decimal ; spdx:checksum [ spdx:algorithm spdx:checksumAlgorithm_sha256 ;
        spdx:checksumValue "AB12ab12ab12ab12ab12ab12ab12ab12" ] ] .
    """)

    assert (found.kind, found.title) == (Kind.DATASET, {"en": "Air", "de": "Luft"})
    assert found.keywords == {"en": ("air", "pm10")}
    assert found.themes == ("ENVI",)
    assert (found.publisher.name, found.publisher.homepage) == ({"und": "City"}, "https://city.example/")
    assert (found.contact[0].name, found.contact[0].email) == ({"und": "Desk"}, "desk@city.example")
    assert found.languages == ("de",)
    assert (found.licence.kind, found.access) == (LicenceClass.ATTRIBUTION, Access.PUBLIC)
    assert (found.issued, found.modified) == (None, date(2024, 5, 6))
    assert found.provenance == {"en": "By sensors"}
    assert found.temporal == (("2020-01-01", "2021-01-01"),)
    [file] = found.distributions
    assert (file.download_url, file.format, file.bytes) == ("https://city.example/air.csv", "CSV", 1234)
    assert (file.checksum.algorithm, file.checksum.value[:4]) == ("sha256", "ab12")
    assert found.extra["http://data.europa.eu/r5r/applicableLegislation"] == (
        {"@id": "http://data.europa.eu/eli/reg/2024/1"},
    )
    assert found.extra["http://healthdataportal.eu/ns/health#population"] == ({"@value": "adults", "@language": "en"},)


def test_models_series_and_services_are_records_and_a_bare_connector_is_none():
    nodes = turtle("""
    x:s a dcat:DatasetSeries, dcat:Dataset ; dct:title "Series" . x:a a dcat:DataService ; dct:title "API" ;
      dcat:endpointURL <https://api.example/> . x:c a dcat:DataService ; dcat:endpointURL <https://c.example/> .
    x:m a <http://data.europa.eu/it6/MachineLearningModel> ; dct:title "Model" ;
      <http://data.europa.eu/it6/trainedOn> x:s . x:f a foaf:Agent ; dct:title "no record" .""")
    kinds = {name: catalogue.record(f"http://x.example/{name}", nodes) for name in "samcf"}

    assert kinds["s"].kind == Kind.SERIES
    assert (kinds["a"].kind, kinds["a"].distributions[0].access_url) == (Kind.SERVICE, "https://api.example/")
    assert (kinds["m"].kind, kinds["m"].origins) == (Kind.MODEL, ("http://x.example/s",))
    assert kinds["c"] is None
    assert kinds["f"] is None


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://ok.example/a?b=c#d", True),
        ("s3://bucket/key", True),
        ("http://ok.example/ä", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,<script>", False),
        ("file:///etc/passwd", False),
        ("ftp://x.example/", False),
        ('https://x.example/"onclick="alert(1)', False),
        ("https://x.example/<script>", False),
        ("https:///nohost", False),
        ("//x.example/a", False),
        ("https://x.example/a b", False),
    ],
)
def test_only_harmless_addresses_become_links(link, kept):
    assert catalogue.is_link(link) is kept


def test_a_link_that_is_none_is_left_out_and_the_record_stays():
    nodes = turtle('x:d a dcat:Dataset ; dct:title "T" ; dcat:distribution x:f .')
    nodes.known["http://x.example/f"] = {
        catalogue.DCAT + "downloadURL": [["i", "javascript:alert(1)"]],
        catalogue.DCAT + "accessURL": [["l", "https://ok.example/", None, None]],
    }
    [file] = catalogue.record("http://x.example/d", nodes).distributions
    assert (file.download_url, file.access_url) == ("", "https://ok.example/")


def test_text_keeps_its_signs_and_loses_what_cannot_be_seen():
    nodes = turtle("x:d a dcat:Dataset .")
    nodes.about("http://x.example/d")[catalogue.DCT + "title"] = [["l", "<b>a\x00\u202eb</b>", None, None]]
    assert catalogue.record("http://x.example/d", nodes).title == {"und": "<b>ab</b>"}


def test_restricted_and_by_contract():
    assert (
        read("x:d a dcat:Dataset ; dct:accessRights <http://e.example/access-right/NON_PUBLIC> .").access
        == "restricted"
    )
    assert (
        read('x:d a dcat:Dataset ; dct:accessRights [ dct:description "Restricted to staff" ] .').access == "restricted"
    )
    assert read("x:d a dcat:Dataset .").access == "not-stated"
    offer = "x:d a dcat:Dataset ; odrl:hasPolicy [ a odrl:Offer ; odrl:permission [ odrl:action odrl:use ] ] ; "
    service = "dcat:distribution [ dcat:accessService [ dcat:endpointURL <https://c.example/> ] ] ."
    assert read(offer + service).access == "contract"


def test_circles_in_what_is_kept_end():
    found = read("x:d a dcat:Dataset ; x:p _:a . _:a x:q _:b . _:b x:q _:a ; odrl:x x:d .")
    assert found.extra["http://x.example/p"]


def test_a_few_things_that_all_point_at_each_other_do_not_grow_without_end():
    names = [f"_:{number}" for number in range(12)]
    node = {f"http://x.example/{number}": [["i", name] for name in names] for number in range(12)}
    is_record = {
        catalogue.RDF + "type": [["i", catalogue.DCAT + "Dataset"]],
        catalogue.ODRL + "hasPolicy": [["i", "_:0"]],
    }

    class Knot:
        def about(self, identity):
            return {**node, **is_record} if identity == "d" else node

    assert len(catalogue.record("d", Knot()).model_dump_json()) < 3_000_000


def test_the_strictest_licence_of_the_files_counts_for_the_record():
    files = "dcat:distribution [ dct:license <https://creativecommons.org/licenses/by/4.0/> ], [ dct:license "
    found = read(f"x:d a dcat:Dataset ; {files} <https://creativecommons.org/licenses/by-nc/4.0/> ] .")
    assert found.licence.kind == LicenceClass.NON_COMMERCIAL


def test_a_hash_does_not_hang_on_the_order_of_statements():
    a = read('x:d a dcat:Dataset ; dct:title "A"@en, "B"@de ; dcat:keyword "k"@en, "l"@en .')
    b = read('x:d dcat:keyword "l"@en, "k"@en ; dct:title "B"@de, "A"@en ; a dcat:Dataset .')
    assert catalogue.content_hash(a) == catalogue.content_hash(b)


term = st.one_of(
    st.tuples(st.just("i"), st.text(max_size=40)).map(list),
    st.tuples(st.just("l"), st.text(max_size=40), st.one_of(st.none(), st.text(max_size=8)), st.none()).map(list),
)
predicates = st.sampled_from(sorted(catalogue._READ | {catalogue.DCAT + "byteSize", "http://x.example/p"}))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(predicates, st.lists(term, max_size=4)), st.dictionaries(predicates, st.lists(term, max_size=3)))
def test_no_statement_breaks_the_reader(about, others):
    class Anything:
        def about(self, identity):
            return about if identity == "d" else others

    about = {**about, catalogue.RDF + "type": [["i", catalogue.DCAT + "Dataset"]]}
    found = catalogue.record("d", Anything())
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_real_examples_of_series_are_read():
    name = "example-bee-population-dataset-series-combined.jsonld"
    data, kind, _ = prepared((DATA / "dcat-ap" / name).read_bytes(), "", name)
    nodes = Nodes(_nodes(_oxigraph(data, kind, "http://x.example/")))
    kinds = [found.kind for found in (catalogue.record(identity, nodes) for identity in nodes.known) if found]
    assert kinds.count(Kind.SERIES) >= 1
    assert kinds.count(Kind.DATASET) >= 2


def test_a_list_keeps_its_order_and_one_that_does_not_end_allows_nothing():
    leaf = "[ odrl:leftOperand odrl:{} ; odrl:operator odrl:eq ; odrl:rightOperand '{}' ]"
    parts = " ".join(leaf.format("count", number) for number in range(30))
    asked = "x:d a dcat:Dataset ; odrl:hasPolicy [ odrl:permission [ odrl:action odrl:use ; odrl:constraint x:c ] ] ."
    found = read(f"{asked} x:c odrl:or ( {parts} ) .")
    [sentence] = policy.sentences(found.policies)
    assert sentence.rule == "permission"
    assert sentence.text.index("is 3 ") < sentence.text.index("is 29")

    rdf = "@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> . "
    circle = f"x:c odrl:or x:l . x:l rdf:first {leaf.format('count', 1)} ; rdf:rest x:l ."
    for bad in (circle, f"x:c odrl:or x:l . x:l rdf:first {leaf.format('count', 1)} ."):
        assert {one.rule for one in policy.sentences(read(f"{rdf} {asked} {bad}").policies)} == {"not-understood"}
