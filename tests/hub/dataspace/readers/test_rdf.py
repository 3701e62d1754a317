"""RDF in all formats, and hostile input. Everything runs in the real sandbox."""

import gzip
import json
from collections import Counter

import pyoxigraph as ox
import pytest

from hub.dataspace.readers import sandbox
from hub.dataspace.readers.parsers import without_long_tokens
from tests.hub.dataspace.conftest import DATA

pytestmark = pytest.mark.process

ONE = """@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
<http://x.example/1> a dcat:Dataset ; dct:title "Ein Straßenverzeichnis"@de, "Rues"@fr ; dct:publisher [ a dct:Agent ] .
"""
TITLE = "http://purl.org/dc/terms/title"


def parse(tmp_path, data, media_type="", name="page", **limits):
    path = tmp_path / "page"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    request = {"path": str(path), "media_type": media_type, "name": name, "base": "https://c.example/page"}
    request["most"] = 256 * 2**20
    return list(sandbox.run("rdf", request, sandbox.Limits(**limits)))


def titles(lines):
    return sorted(term[1] for line in lines if "s" in line for term in line["p"].get(TITLE, ()))


def refusals(lines):
    return [line["refused"]["reason"] for line in lines if "refused" in line]


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("text/turtle", ox.RdfFormat.TURTLE),
        ("application/rdf+xml", ox.RdfFormat.RDF_XML),
        ("application/ld+json", ox.RdfFormat.JSON_LD),
        ("application/trig; charset=utf-8", ox.RdfFormat.TRIG),
        ("application/n-quads", ox.RdfFormat.N_QUADS),
        ("application/n-triples", ox.RdfFormat.N_TRIPLES),
    ],
)
@pytest.mark.parametrize("sends_media_type", [True, False])
def test_every_format_is_read_the_same_with_and_without_its_media_type(tmp_path, media_type, kind, sends_media_type):
    quads = list(ox.parse(ONE.encode(), format=ox.RdfFormat.TURTLE))
    data = ox.serialize(quads if kind.supports_datasets else (quad.triple for quad in quads), format=kind)
    lines = parse(tmp_path, data, media_type if sends_media_type else "application/octet-stream")

    assert titles(lines) == ["Ein Straßenverzeichnis", "Rues"]
    assert not refusals(lines)
    assert sum(len(terms) for line in lines for terms in line["p"].values()) == 5


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + ONE.encode(),
        ONE.encode("latin-1"),
        ONE.encode("utf-16"),
        ONE.encode("utf-8"),
    ],
)
def test_byte_order_marks_and_other_encodings(tmp_path, data):
    assert titles(parse(tmp_path, data, "text/turtle")) == ["Ein Straßenverzeichnis", "Rues"]


def test_xml_in_the_encoding_it_names(tmp_path):
    text = """<?xml version="1.0" encoding="ISO-8859-1"?>
    <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dct="http://purl.org/dc/terms/">
    <rdf:Description rdf:about="http://x.example/1"><dct:title>Señal</dct:title></rdf:Description></rdf:RDF>"""
    assert titles(parse(tmp_path, text.encode("latin-1"), "application/rdf+xml")) == ["Señal"]


def test_a_packed_dump_is_unpacked_and_a_bomb_is_not(tmp_path):
    assert titles(parse(tmp_path, gzip.compress(ONE.encode()), name="dump.ttl.gz"))
    lines = parse(tmp_path, gzip.compress(b" " * (300 * 2**20)), name="dump.ttl.gz")
    assert "once unpacked" in refusals(lines)[0]
    assert "is not" in refusals(parse(tmp_path, b"\x1f\x8bnothing", name="dump.ttl.gz"))[0]


def with_entities(doctype, about):
    names = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dct="&dct;"'
    title = f'<rdf:Description rdf:about="{about}"><dct:title>A&amp;B &city;</dct:title></rdf:Description>'
    return f"<?xml version='1.0'?>\n{doctype}\n<rdf:RDF {names}>{title}</rdf:RDF>"


PLAIN_ENTITIES = """<!DOCTYPE rdf:RDF [
  <!-- namespaces -->
  <!ENTITY purl "http://purl.org/"> <!ENTITY dct '&purl;dc/terms/'>
  <!ENTITY city "Brüssel &amp; Umland">
]>"""


def test_plain_internal_entities_are_written_out(tmp_path):
    lines = parse(tmp_path, with_entities(PLAIN_ENTITIES, "&purl;1"), "application/rdf+xml")
    assert refusals(lines) == []
    assert (titles(lines), lines[0]["s"]) == (["A&B Brüssel & Umland"], "http://purl.org/1")


def test_entities_grow_to_the_size_of_a_page_at_most(tmp_path):
    from hub.dataspace.readers.entities import without_doctype
    from hub.dataspace.readers.pages import Unreadable

    page = with_entities(PLAIN_ENTITIES, "&purl;" * 50).encode()
    assert b"&purl;" not in without_doctype(page, 2000)
    with pytest.raises(Unreadable, match="more than 1,000 bytes"):
        without_doctype(page, 1000)
    doubled = "".join(f'<!ENTITY a{n} "&a{n - 1};&a{n - 1};">' for n in range(1, 60))
    lines = parse(tmp_path, f'<!DOCTYPE r [<!ENTITY a0 "aa">{doubled}]><rdf:RDF>&a59;</rdf:RDF>', "application/rdf+xml")
    assert "beyond their limits" in refusals(lines)[0]


@pytest.mark.parametrize(
    "doctype",
    [
        "<!doctype rdf>",
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE r [<!ENTITY x PUBLIC "a" "file:///etc/passwd">]>',
        '<!DOCTYPE r SYSTEM "http://x.example/a.dtd">',
        '<!DOCTYPE r PUBLIC "a" "http://x.example/a.dtd" [<!ENTITY x "y">]>',
        '<!DOCTYPE r [<!ENTITY % p "y"> %p;]>',
        '<!DOCTYPE r [<!ENTITY x "<rdf:li/>">]>',
        '<!DOCTYPE r [<!ENTITY x "&#60;rdf:li/>">]>',
        '<!DOCTYPE r [<!ENTITY x "&#x26;y;">]>',
        '<!DOCTYPE r [<!ENTITY x "&x;">]>',
        '<!DOCTYPE r [<!ELEMENT r ANY>]>',
        '<!DOCTYPE r [<!ENTITY x "y">',
        '<!DOCTYPE r [<!ENTITY x "y">]><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)  # fmt: skip
def test_a_doctype_with_more_than_plain_entities_is_refused(tmp_path, doctype):
    lines = parse(tmp_path, f"<?xml version='1.0'?>{doctype}<rdf:RDF>&x;</rdf:RDF>", "application/rdf+xml")
    assert len(lines) == 1
    assert "DOCTYPE" in lines[0]["refused"]["reason"]
    assert lines[0]["whole"]


def test_no_context_is_fetched(tmp_path, site):
    known = DATA / "mldcat-ap" / "example-machinelearningmodel-hf-bloom.jsonld"
    assert titles(parse(tmp_path, known.read_bytes(), "application/ld+json"))
    foreign = {"@context": f"{site.url}/context.jsonld", "@id": "http://x.example/1", "title": "x"}
    for document in (foreign, {"@context": {"@import": foreign["@context"]}}, {"@context": [{}, foreign["@context"]]}):
        lines = parse(tmp_path, json.dumps(document), "application/ld+json")
        assert "not one of ours" in lines[0]["refused"]["reason"]
    assert site.requests == []


def test_json_ld_and_turtle_of_the_same_model_are_the_same(tmp_path):
    def statements(name):
        lines = parse(tmp_path, (DATA / "mldcat-ap" / name).read_bytes(), name=name)
        return Counter(
            (line["s"], predicate)
            for line in lines
            for predicate, terms in line["p"].items()
            for _ in terms
            if not line["s"].startswith("_:")
        )

    stem = "example-machinelearningmodel-hf-bloom"
    assert statements(f"{stem}.jsonld").keys() == statements(f"{stem}.ttl").keys()


@pytest.mark.parametrize(
    "data", ["[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000, '{"a": [' * 150 + "]}" * 150]
)
def test_deeply_nested_json_is_refused(tmp_path, data):
    lines = parse(tmp_path, data, "application/ld+json")
    assert "nested deeper" in lines[0]["refused"]["reason"]


@pytest.mark.parametrize("kind", ["turtle", "json", "xml", "nt"])
def test_a_huge_literal_is_refused_and_the_rest_is_read(tmp_path, kind):
    length = (100 if kind == "turtle" else 20) * 2**20
    huge = "x" * length
    data = {
        "turtle": f'{ONE}<http://x.example/2> <{TITLE}> "{huge}" . <http://x.example/3> <{TITLE}> "Third" .',
        "json": json.dumps([{"@id": "http://x.example/2", TITLE: huge}, {"@id": "http://x.example/3", TITLE: "Third"}]),
        "xml": '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:d="http://purl.org/dc/terms/">'
        f'<rdf:Description rdf:about="http://x.example/2"><d:title>{huge}</d:title></rdf:Description>'
        '<rdf:Description rdf:about="http://x.example/3"><d:title>Third</d:title></rdf:Description></rdf:RDF>',
        "nt": f'<http://x.example/2> <{TITLE}> "{huge}" .\n<http://x.example/3> <{TITLE}> "Third" .',
    }[kind]
    lines = parse(tmp_path, data, name=f"page.{kind}" if kind == "nt" else "page")
    assert "Third" in titles(lines)
    [refusal] = [line for line in lines if "refused" in line]
    assert refusal["minor"]
    assert f"{length:,}"[:6] in refusal["refused"]["reason"]


def test_only_huge_texts_are_cut_out():
    addresses = b", ".join(b"<http://x.example/%d>" % number for number in range(600_000))
    data = b'<a> <b> "x" ; <c> ' + addresses + b' ; <d> "y\\"z" .'
    assert len(data) > 10 * 2**20
    assert without_long_tokens(data, ox.RdfFormat.TURTLE) == (data, [])


def test_a_bad_line_is_refused_and_the_others_are_read(tmp_path):
    good = f'<http://x.example/{{}}> <{TITLE}> "{{}}" .'
    lines = parse(
        tmp_path, "\n".join([good.format(1, "a"), "this is no statement", good.format(3, "c")]), "text/n", "x.nq"
    )
    assert titles(lines) == ["a", "c"]
    assert [line["refused"]["line"] for line in lines if "refused" in line] == [2]


def test_a_broken_page_keeps_what_stands_before_the_fault(tmp_path):
    data = "".join(f'<http://x.example/{n}> <{TITLE}> "{n}" .\n' for n in range(5)) + "<<<broken"
    lines = parse(tmp_path, data, "text/turtle")
    assert titles(lines)[:4] == ["0", "1", "2", "3"]
    [refusal] = [line for line in lines if "refused" in line]
    assert refusal["refused"]["line"] == 6
    assert refusal["whole"]


def test_a_tolerant_parser_gets_a_second_try(tmp_path):
    # An IRI with a space: oxigraph refuses it in Turtle, rdflib only warns.
    data = f'<http://x.example/a b> <{TITLE}> "spaced" . <http://x.example/1> <{TITLE}> "plain" .'
    assert "plain" in titles(parse(tmp_path, data, "text/turtle"))


def test_links_to_the_next_page(tmp_path):
    hydra, tree = "http://www.w3.org/ns/hydra/core#", "https://w3id.org/tree#"
    data = f"""<> <{hydra}next> <?page=2> ; <{hydra}nextPage> "https://c.example/3" .
    <> <{tree}view> <node/1> ; <{tree}relation> [ <{tree}node> <node/2> ] ; <{hydra}first> <?page=1> ."""
    lines = parse(tmp_path, data, "text/turtle")
    assert {line["next"] for line in lines if "next" in line} == {
        "https://c.example/page?page=2",
        "https://c.example/3",
        "https://c.example/node/1",
        "https://c.example/node/2",
    }


def test_memory_time_and_output_have_limits(tmp_path):
    many = "".join(f'<http://x.example/{n}> <{TITLE}> "{"y" * 100}" .\n' for n in range(200_000))
    for limits, message in (
        ({"memory": 300 * 2**20}, "memory"),
        ({"output": 100_000}, "too large"),
        ({"seconds": 1.0}, "longer than"),
    ):
        with pytest.raises(sandbox.Crashed, match=message):
            parse(tmp_path, many * (1 if "output" in limits else 6), "text/turtle", **limits)


@pytest.mark.parametrize(
    "attack",
    [
        "import socket; socket.create_connection(('127.0.0.1', 1))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "open('/etc/passwd').read()",
        "open('/tmp/atrium-escape', 'w')",
    ],
)
def test_code_in_the_sandbox_reaches_no_file_process_or_network(attack):
    import subprocess
    import sys

    closed = (
        "from hub.dataspace.readers.sandbox import _forbid_access as c\nimport urllib.request, subprocess\nc('/in')\n"
    )
    code = closed + attack
    ended = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=sandbox.PACKAGE_ROOT,
    )
    assert "PermissionError" in ended.stderr


def test_a_doctype_without_an_end_is_refused_in_time():
    from hub.dataspace.readers.entities import without_doctype
    from hub.dataspace.readers.pages import Unreadable

    for part in (b'<!-- "a" -->', b"<!ENTITY x 'y'>", b'"', b" "):
        with pytest.raises(Unreadable):
            without_doctype(b"<!DOCTYPE r [" + part * 20_000, 10**6)
