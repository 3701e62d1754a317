"""DCAT -> records: what is read, what is kept, and that nothing in it is trusted."""

from datetime import date

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.dataspace.metadata import dcat, literals, namespaces, odrl, vocabularies
from hub.dataspace.models import Access, Kind, LicenceClass
from hub.dataspace.readers import parsers
from hub.dataspace.readers.rdf import prepared
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
    return Nodes(
        parsers.nodes(parsers.with_oxigraph((PREFIXES + text).encode(), ox.RdfFormat.TURTLE, "http://x.example/"))
    )


def read(text, name="http://x.example/d"):
    return dcat.record(name, turtle(text))


def test_a_full_dataset_is_read_into_all_fields_of_a_record():
    record = read("""
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

    assert (record.kind, record.title) == (Kind.DATASET, {"en": "Air", "de": "Luft"})
    assert record.keywords == {"en": ("air", "pm10")}
    assert record.themes == ("ENVI",)
    assert (record.publisher.name, record.publisher.homepage) == ({"und": "City"}, "https://city.example/")
    assert (record.contact[0].name, record.contact[0].email) == ({"und": "Desk"}, "desk@city.example")
    assert record.languages == ("de",)
    assert (record.licence.kind, record.access) == (LicenceClass.ATTRIBUTION, Access.PUBLIC)
    assert (record.issued, record.modified) == (None, date(2024, 5, 6))
    assert record.provenance == {"en": "By sensors"}
    assert record.temporal == (("2020-01-01", "2021-01-01"),)
    [file] = record.distributions
    assert (file.download_url, file.format, file.bytes) == ("https://city.example/air.csv", "CSV", 1234)
    assert (file.checksum.algorithm, file.checksum.value[:4]) == ("sha256", "ab12")
    assert record.extra["http://data.europa.eu/r5r/applicableLegislation"] == (
        {"@id": "http://data.europa.eu/eli/reg/2024/1"},
    )
    assert record.extra["http://healthdataportal.eu/ns/health#population"] == ({"@value": "adults", "@language": "en"},)


def test_models_series_and_services_are_records_and_a_bare_connector_is_none():
    nodes = turtle("""
    x:s a dcat:DatasetSeries, dcat:Dataset ; dct:title "Series" . x:a a dcat:DataService ; dct:title "API" ;
      dcat:endpointURL <https://api.example/> . x:c a dcat:DataService ; dcat:endpointURL <https://c.example/> .
    x:m a <http://data.europa.eu/it6/MachineLearningModel> ; dct:title "Model" ;
      <http://data.europa.eu/it6/trainedOn> x:s . x:f a foaf:Agent ; dct:title "no record" .""")
    kinds = {name: dcat.record(f"http://x.example/{name}", nodes) for name in "samcf"}

    assert kinds["s"].kind == Kind.SERIES
    assert (kinds["a"].kind, kinds["a"].distributions[0].access_url) == (Kind.SERVICE, "https://api.example/")
    assert (kinds["m"].kind, kinds["m"].origins) == (Kind.MODEL, ("http://x.example/s",))
    assert kinds["c"] is None
    assert kinds["f"] is None


@pytest.mark.parametrize(
    ("link", "harmless"),
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
def test_only_harmless_addresses_become_links(link, harmless):
    assert literals.is_link(link) is harmless


def test_a_harmful_link_is_left_out_and_the_record_stays():
    nodes = turtle('x:d a dcat:Dataset ; dct:title "T" ; dcat:distribution x:f .')
    nodes.known["http://x.example/f"] = {
        namespaces.DCAT + "downloadURL": [["i", "javascript:alert(1)"]],
        namespaces.DCAT + "accessURL": [["l", "https://ok.example/", None, None]],
    }
    [file] = dcat.record("http://x.example/d", nodes).distributions
    assert (file.download_url, file.access_url) == ("", "https://ok.example/")


def test_text_keeps_its_markup_and_loses_invisible_characters():
    nodes = turtle("x:d a dcat:Dataset .")
    nodes.about("http://x.example/d")[namespaces.DCT + "title"] = [["l", "<b>a\x00\u202eb</b>", None, None]]
    assert dcat.record("http://x.example/d", nodes).title == {"und": "<b>ab</b>"}


def test_access_is_restricted_not_stated_or_by_contract():
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


AT = "http://publications.europa.eu/resource/authority"
INSPIRE = "http://inspire.ec.europa.eu/metadata-codelist/LimitationsOnPublicAccess"


def record_with(predicate, value):
    """A dataset with one statement more, by its predicate's name."""
    return read(f"x:d a dcat:Dataset ; {predicate} {value} .")


@pytest.mark.parametrize(
    ("access_rights", "access"),
    [
        (f"<{AT}/access-right/OP_DATPRO>", "not-stated"),
        (f"<{AT}/access-right/PUBLIC>", "public"),
        (f"<{INSPIRE}/noLimitations>", "public"),
        (f"<{INSPIRE}/INSPIRE_Directive_Article13_1e>", "restricted"),
        ("<http://purl.org/coar/access_right/c_abf2>", "public"),
        ("<http://purl.org/coar/access_right/c_f1cf>", "restricted"),
        ("<https://opendata.example/terms>", "not-stated"),
        ('[ dct:description "This resource has no access restriction"@en ]', "public"),
        ('"Not public before 2030"', "restricted"),
        ('"info:eu-repo/semantics/embargoedAccess"', "restricted"),
    ],
)
def test_access_rights_as_they_are_written(access_rights, access):
    assert record_with("dct:accessRights", access_rights).access == access


def test_access_may_be_stated_for_the_files_only():
    assert (
        record_with("dcat:distribution", f"[ dct:accessRights <{AT}/access-right/RESTRICTED> ]").access == "restricted"
    )
    assert record_with("dcat:distribution", f"[ dct:rights <{AT}/access-right/PUBLIC> ]").access == "public"
    two = f"[ dct:rights <{AT}/access-right/PUBLIC> ], [ dct:accessRights <{AT}/access-right/RESTRICTED> ]"
    assert record_with("dcat:distribution", two).access == "restricted"


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        ('dct:license "", <https://creativecommons.org/licenses/by/4.0/>', "attribution"),
        ('dct:license <https://creativecommons.org/publicdomain/zero/1.0/>, "cc-by-nc"', "non-commercial"),
        ("dct:license [ skos:exactMatch at:licence\\/CC0 ]", "open"),
        ("dct:license x:l . x:l skos:exactMatch at:licence\\/CC_BYSA_4_0", "share-alike"),
        ("dct:license [ dct:type <http://purl.org/adms/licencetype/PublicDomain> ; foaf:name 'Ours' ]", "open"),
        ("dct:rights <https://creativecommons.org/licenses/by/4.0/legalcode>", "attribution"),
        ('dct:rights "NonCommercialAllowed-CommercialAllowed-ReferenceRequired"', "attribution"),
        ('dct:rights "NonCommercialAllowed-CommercialWithPermission-ReferenceNotRequired"', "non-commercial"),
        ('dct:rights "All rights reserved"', "not-stated"),
        ('dct:rights "License Not Specified"', "not-stated"),
        ('dct:license "Own terms" ; dct:rights "CC BY 4.0"', "bespoke"),
    ],
)
def test_licences_as_they_are_written(statements, kind):
    assert read(f"x:d a dcat:Dataset ; {statements} .").licence.kind == kind


@pytest.mark.parametrize(
    ("issued", "day"),
    [
        ('"2019"^^xsd:gYear', date(2019, 1, 1)),
        ('"2019-07"^^xsd:gYearMonth', date(2019, 7, 1)),
        ('"2019-7-3"', date(2019, 7, 3)),
        ('"20190703"', date(2019, 7, 3)),
        ('"2019-07-03Z"^^xsd:date', date(2019, 7, 3)),
        ('"3.7.2019"', date(2019, 7, 3)),
        ('""^^xsd:date, "2019-07-03"', date(2019, 7, 3)),
        ('"1582243200000"', None),
        ('"06/05/2009"', None),
        ('"last summer"', None),
    ],
)
def test_dates_as_they_are_written(issued, day):
    assert record_with("dct:issued", issued).issued == day


@pytest.mark.parametrize(
    ("byte_size", "size"),
    [
        ('"1024"', 1024),
        ('"1024.0"^^xsd:double', 1024),
        ('"1.5E3"^^xsd:double', 1500),
        ('"1,234,567"', 1234567),
        ('"12 kB"', 12000),
        ('"1,5 MB"', 1500000),
        ('"2 GiB"', 2 * 2**30),
        ('"INF"', None),
        ('"-1"', None),
        ('"about 3 MB"', None),
    ],
)
def test_sizes_as_they_are_written(byte_size, size):
    assert record_with("dcat:distribution", f"[ dcat:byteSize {byte_size} ]").bytes == size


@pytest.mark.parametrize(
    ("statements", "code", "media_type"),
    [
        ("dcat:mediaType <https://www.iana.org/assignments/media-types/text/csv>", "CSV", "text/csv"),
        ('dct:format "Zipped CSV" ; dcat:mediaType "application/ZIP"', "CSV", "application/zip"),
        ('dct:format "Google Earth (kml)"', "KML", ""),
        ('dct:format ".XLSX"', "XLSX", ""),
        ('dct:format x:format . x:format <http://www.w3.org/2000/01/rdf-schema#label> "XLS"', "XLS", ""),
        ("dct:format x:GeoJSON ; dcat:mediaType x:unknown", "GEOJSON", ""),
        ('dct:format "application/n-triples"', "RDF_N_TRIPLES", "application/n-triples"),
        ('dct:format "Kartenviewer"', "KARTENVIEWER", ""),
        ('dct:mediaType "application/json"', "JSON", "application/json"),
    ],
)
def test_formats_as_they_are_written(statements, code, media_type):
    [file] = read(f"x:d a dcat:Dataset ; dcat:distribution x:f . x:f {statements} .").distributions
    assert (file.format, file.media_type) == (code, media_type)


@pytest.mark.parametrize(
    ("mailbox", "email"),
    [
        ("vcard:hasEmail <MAILTO:a@city.example?subject=x>", "a@city.example"),
        ('vcard:hasEmail "mailto: a@city.example"', "a@city.example"),
        ("vcard:hasEmail <a@city.example>", "a@city.example"),
        ("vcard:hasEmail [ vcard:hasValue <mailto:a@city.example> ]", "a@city.example"),
        ("vcard:hasEmail <mailto:a(at)city.example>", ""),
    ],
)
def test_mailboxes_as_they_are_written(mailbox, email):
    assert record_with("dcat:contactPoint", f"[ vcard:organization-unit 'Desk' ; {mailbox} ]").contact[0].email == email


def test_a_contact_may_be_nothing_but_a_mailbox():
    [contact] = record_with("dcat:contactPoint", "<mailto:a@city.example>").contact
    assert (contact.email, contact.name) == ("a@city.example", {"und": "a@city.example"})


@pytest.mark.parametrize(
    ("temporal", "period"),
    [
        ('[ <http://dati.gov.it/onto/dcatapit#startDate> "2021-01-01" ]', ("2021-01-01", "")),
        ('"2009-09-01/2010-05-31"', ("2009-09-01", "2010-05-31")),
        ('[ time:hasBeginning [ time:inXSDgYear "1914" ] ; time:hasEnd [ time:inXSDDate "1918-11-11" ] ]',
         ("1914", "1918-11-11")),
    ],
)  # fmt: skip
def test_periods_as_they_are_written(temporal, period):
    assert read(
        f"@prefix time: <http://www.w3.org/2006/time#> . x:d a dcat:Dataset ; dct:temporal {temporal} ."
    ).temporal == (period,)


@pytest.mark.parametrize(
    ("spatial", "place"),
    [
        ("[ dct:identifier at:country\\/SWE ]", f"{AT}/country/SWE"),
        ("[ dcat:bbox '<gml:Envelope/>', 'POINT(1 2)' ]", "POINT(1 2)"),
        ("[ locn:geometry [ geo:asWKT 'POINT(1 2)' ] ]", "POINT(1 2)"),
    ],
)
def test_places_as_they_are_written(spatial, place):
    more = "@prefix locn: <http://www.w3.org/ns/locn#> . @prefix geo: <http://www.opengis.net/ont/geosparql#> . "
    assert read(f"{more} x:d a dcat:Dataset ; dct:spatial {spatial} .").spatial == (place,)


@pytest.mark.parametrize(
    ("algorithm", "digits", "known"),
    [
        ("spdx:algorithm <http://dcat-ap.de/def/hashAlgorithms/sha/256>", 64, "sha256"),
        ('spdx:algorithm "SHA-1"', 40, "sha1"),
        ("spdx:algorithm spdx:checksumAlgorithm_blake2b512", 128, "blake2b512"),
        ("", 32, "md5"),
        ("", 128, "sha512"),
    ],
)
def test_checksums_as_they_are_written(algorithm, digits, known):
    checksum = f'[ spdx:checksumValue "{"a" * digits}" ; {algorithm} ]'
    [file] = record_with("dcat:distribution", f"[ spdx:checksum {checksum} ]").distributions
    assert file.checksum.algorithm == known


def test_languages_as_they_are_written():
    languages = f'<{AT}/language/FRE>, "en_GB", "es, ca", "Deutsch", <http://id.loc.gov/vocabulary/iso639-2/nob>, "x"'
    assert set(record_with("dct:language", languages).languages) == {"fr", "en", "es", "ca", "de", "no"}


def test_tags_of_languages_as_they_are_written():
    record = read('x:d a dcat:Dataset ; dct:title "A"@eng, "B"@de-AT, "C"@nb, "D"@fra-CA .')
    assert record.title == {"en": "A", "de-at": "B", "nb": "C", "fr-ca": "D"}
    assert [vocabularies.in_language(record.title, language) for language in ("en", "de", "no", "fr")] == list("ABCD")


def test_themes_of_other_vocabularies_are_keywords_and_kept():
    theme = "x:t skos:prefLabel 'Umwelt'@de . x:o skos:prefLabel 'Hydrography'@en, 'Gewässer'@de ."
    record = read(f"x:d a dcat:Dataset ; dcat:theme x:t, x:o, x:unnamed, 'Fische' ; dcat:keyword 'water'@en . {theme}")
    assert record.themes == ("ENVI",)
    assert record.keywords == {"de": ("Gewässer",), "en": ("Hydrography", "water"), "und": ("Fische",)}
    assert {"@id": "http://x.example/unnamed"} in record.extra[namespaces.DCAT + "theme"]
    assert namespaces.DCAT + "theme" not in record_with("dcat:theme", f"<{AT}/data-theme/ENVI>").extra


def test_an_address_that_is_no_link_is_kept_as_text():
    [file] = record_with("dcat:distribution", "[ dcat:downloadURL <ftp://x.example/a.csv> ]").distributions
    assert (file.download_url, file.access_url) == ("", "")
    assert file.extra == {namespaces.DCAT + "downloadURL": ({"@id": "ftp://x.example/a.csv"},)}


def test_extension_properties_of_a_file_are_kept():
    standard = "https://w3id.org/mobilitydcat-ap#mobilityDataStandard"
    [file] = record_with("dcat:distribution", f"[ <{standard}> x:datex ; dct:title 'T' ]").distributions
    assert file.extra == {standard: ({"@id": "http://x.example/datex"},)}


def test_circular_extra_statements_do_not_loop_forever():
    record = read("x:d a dcat:Dataset ; x:p _:a . _:a x:q _:b . _:b x:q _:a ; odrl:x x:d .")
    assert record.extra["http://x.example/p"]


def test_nodes_that_all_link_to_each_other_give_a_record_of_bounded_size():
    names = [f"_:{number}" for number in range(12)]
    node = {f"http://x.example/{number}": [["i", name] for name in names] for number in range(12)}
    is_record = {
        namespaces.RDF + "type": [["i", namespaces.DCAT + "Dataset"]],
        namespaces.ODRL + "hasPolicy": [["i", "_:0"]],
    }

    class Knot:
        def about(self, identity):
            return {**node, **is_record} if identity == "d" else node

    assert len(dcat.record("d", Knot()).model_dump_json()) < 3_000_000


def test_the_strictest_licence_of_the_files_counts_for_the_record():
    files = "dcat:distribution [ dct:license <https://creativecommons.org/licenses/by/4.0/> ], [ dct:license "
    record = read(f"x:d a dcat:Dataset ; {files} <https://creativecommons.org/licenses/by-nc/4.0/> ] .")
    assert record.licence.kind == LicenceClass.NON_COMMERCIAL


def test_the_content_hash_ignores_the_order_of_statements():
    a = read('x:d a dcat:Dataset ; dct:title "A"@en, "B"@de ; dcat:keyword "k"@en, "l"@en .')
    b = read('x:d dcat:keyword "l"@en, "k"@en ; dct:title "B"@de, "A"@en ; a dcat:Dataset .')
    assert dcat.content_hash(a) == dcat.content_hash(b)


term = st.one_of(
    st.tuples(st.just("i"), st.text(max_size=40)).map(list),
    st.tuples(st.just("l"), st.text(max_size=40), st.one_of(st.none(), st.text(max_size=8)), st.none()).map(list),
)
predicates = st.sampled_from(sorted(dcat.READ_PREDICATES | {namespaces.DCAT + "byteSize", "http://x.example/p"}))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(predicates, st.lists(term, max_size=4)), st.dictionaries(predicates, st.lists(term, max_size=3)))
def test_no_statement_breaks_the_reader(about, others):
    class Anything:
        def about(self, identity):
            return about if identity == "d" else others

    about = {**about, namespaces.RDF + "type": [["i", namespaces.DCAT + "Dataset"]]}
    record = dcat.record("d", Anything())
    assert type(record).model_validate_json(record.model_dump_json()) == record


def test_real_examples_of_series_are_read():
    name = "example-bee-population-dataset-series-combined.jsonld"
    data, kind, _ = prepared((DATA / "dcat-ap" / name).read_bytes(), "", name)
    nodes = Nodes(parsers.nodes(parsers.with_oxigraph(data, kind, "http://x.example/")))
    kinds = [record.kind for record in (dcat.record(identity, nodes) for identity in nodes.known) if record]
    assert kinds.count(Kind.SERIES) >= 1
    assert kinds.count(Kind.DATASET) >= 2


def test_an_rdf_list_keeps_its_order_and_an_endless_one_allows_nothing():
    leaf = "[ odrl:leftOperand odrl:{} ; odrl:operator odrl:eq ; odrl:rightOperand '{}' ]"
    parts = " ".join(leaf.format("count", number) for number in range(30))
    dataset = "x:d a dcat:Dataset ; odrl:hasPolicy [ odrl:permission [ odrl:action odrl:use ; odrl:constraint x:c ] ] ."
    record = read(f"{dataset} x:c odrl:or ( {parts} ) .")
    [sentence] = odrl.sentences(record.policies)
    assert sentence.rule == "permission"
    assert sentence.text.index("is 3 ") < sentence.text.index("is 29")

    rdf = "@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> . "
    circle = f"x:c odrl:or x:l . x:l rdf:first {leaf.format('count', 1)} ; rdf:rest x:l ."
    for bad in (circle, f"x:c odrl:or x:l . x:l rdf:first {leaf.format('count', 1)} ."):
        assert {sentence.rule for sentence in odrl.sentences(read(f"{rdf} {dataset} {bad}").policies)} == {
            "not-understood"
        }
