"""Repairs of pages that break the rules of their format in usual ways. Pure; used by the RDF reader in the sandbox.

A repair loses nothing. What cannot be repaired is read around and reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.entities import name2codepoint

import pyoxigraph as ox

from hub.dataspace.metadata.namespaces import DC, DCT, ODRL, UNEXPLAINED

MOST_FAULTS = 100
"""Faults of one page that are read around."""

_NAMESPACES = (
    (b"https://www.w3.org/ns/dcat/", b"http://www.w3.org/ns/dcat#"),
    (b"https://www.w3.org/ns/dcat#", b"http://www.w3.org/ns/dcat#"),
    (b"https://purl.org/dc/terms/", b"http://purl.org/dc/terms/"),
    (b"https://www.w3.org/ns/odrl/2/", b"http://www.w3.org/ns/odrl/2/"),
    (b"https://schema.org/", b"http://schema.org/"),
)
"""Namespaces as connectors and portals write them -> as the standards have them."""

_DCAT, _SCHEMA = "http://www.w3.org/ns/dcat#", "http://schema.org/"
AS_DCAT = {
    **{_SCHEMA + name: _DCAT + same for name, same in (
        ("Dataset", "Dataset"), ("DataCatalog", "Catalog"), ("DataDownload", "Distribution"), ("dataset", "dataset"),
        ("distribution", "distribution"), ("keywords", "keyword"), ("contactPoint", "contactPoint"),
        ("contentUrl", "downloadURL"), ("encodingFormat", "mediaType"), ("contentSize", "byteSize"),
    )},
    **{_SCHEMA + name: DCT + same for name, same in (
        ("license", "license"), ("publisher", "publisher"), ("creator", "creator"), ("author", "creator"),
        ("datePublished", "issued"), ("dateCreated", "created"), ("dateModified", "modified"),
        ("inLanguage", "language"), ("spatialCoverage", "spatial"), ("temporalCoverage", "temporal"),
        ("identifier", "identifier"), ("conditionsOfAccess", "accessRights"), ("isBasedOn", "source"),
    )},
    **{DC + name: DCT + name for name in (
        "contributor", "coverage", "creator", "date", "description", "format", "identifier", "language", "publisher",
        "relation", "rights", "source", "subject", "title", "type",
    )},
    **{UNEXPLAINED + name: _DCAT + name for name in (
        "Catalog", "Dataset", "DatasetSeries", "DataService", "Distribution", "dataset", "distribution", "keyword",
        "theme", "contactPoint", "landingPage", "accessURL", "downloadURL", "mediaType", "byteSize", "endpointURL",
    )},
    **{UNEXPLAINED + name: DCT + name for name in (
        "title", "description", "publisher", "creator", "license", "rights", "accessRights", "issued", "modified",
        "identifier", "language", "format", "spatial", "temporal",
    )},
    UNEXPLAINED + "hasPolicy": ODRL + "hasPolicy",
}  # fmt: skip
"""Terms -> DCAT's for the same: of schema.org (names and descriptions are read as labels anyway), of the older
namespace of Dublin Core, and DCAT's own terms without a known context."""

PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "cc": "http://creativecommons.org/ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dcatde": "http://dcat-ap.de/def/dcatde/",
    "dct": "http://purl.org/dc/terms/",
    "dcterms": "http://purl.org/dc/terms/",
    "dqv": "http://www.w3.org/ns/dqv#",
    "eli": "http://data.europa.eu/eli/ontology#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geodcatap": "http://data.europa.eu/930/",
    "geosparql": "http://www.opengis.net/ont/geosparql#",
    "gsp": "http://www.opengis.net/ont/geosparql#",
    "healthdcatap": "http://healthdataportal.eu/ns/health#",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "locn": "http://www.w3.org/ns/locn#",
    "mobilitydcatap": "https://w3id.org/mobilitydcat-ap#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "org": "http://www.w3.org/ns/org#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "http://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "time": "http://www.w3.org/2006/time#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_DECLARED = b" ".join(f"@prefix {name}: <{address}> .".encode() for name, address in PREFIXES.items())
_TURTLE = {ox.RdfFormat.TURTLE, ox.RdfFormat.TRIG}
_PREFIX_LINE = re.compile(rb"^[ \t]*@?(?:prefix|base)\b[^\n]*", re.I | re.M)
_PREFIX_WITHOUT_DOT = re.compile(rb"^([ \t]*@(?:prefix|base)\s[^\n>]*>)[ \t]*(?=\r?$)", re.M)
_NAME_WITH_SLASH = re.compile(
    rb'"""(?:[^"\\]++|\\.|"(?!""))*+"""|"(?:[^"\\\n]++|\\.)*+"|<[^>\s]*>|#[^\n]*|'
    rb"(?<![\w:/.\\-])([A-Za-z][\w-]*:[\w.-]*(?:/[\w.-]*\w)+)",
    re.S,
)
"""``x:a/b``, which needs a backslash in Turtle; strings, addresses and comments, where it is no fault, come first."""
_END_OF_STATEMENT = re.compile(rb"[.}][ \t\r]*\n")
_ESCAPE = re.compile(rb"""\\(\\|U[0-9A-Fa-f]{8}|u[0-9A-Fa-f]{4}|[tbnrf"'_~.!$&()*+,;=/?#@%-])|\\""")
_GRAPH = re.compile(rb"(?:^|[\s}])(<[^<>\s]*>|[\w-]*:[\w.-]*)\s*\{|^\s*(\})", re.M)
_LINKS = (
    re.compile(rb"""<[\w.-]*:?(?:next|nextPage|node)\s[^<>]*?resource=["']([^"']+)["']"""),
    re.compile(rb"""["'](?:[\w.-]+:)?(?:next|nextPage)["']\s*:\s*(?:\{\s*"@id"\s*:\s*)?"([^"\s]+)\""""),
)


def with_known_names(data: bytes) -> bytes:
    """A page with the namespaces that the standards have."""
    for wrong, right in _NAMESPACES:
        if wrong in data:
            data = data.replace(wrong, right)
    return data


def repaired(data: bytes, rdf_format: ox.RdfFormat) -> bytes:
    """A page that a strict parser refuses, without the usual faults; lines keep their numbers."""
    if rdf_format == ox.RdfFormat.RDF_XML:
        data = re.sub(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", b" ", data)
        data = re.sub(rb"&(\w+);", _numeric_entity, data)
        return re.sub(rb"&(?!#?\w+;)", b"&amp;", data)
    if rdf_format in _TURTLE:
        data = re.sub(rb"(?<!\\)\"@([A-Za-z]{2,8}(?:[_-][A-Za-z0-9]{1,8})*)[_-]*", _language_tag, data)
        data = _ESCAPE.sub(lambda match: match[0] if match[1] else rb"\\", data)
        data = _PREFIX_WITHOUT_DOT.sub(rb"\1 .", data)
        data = _NAME_WITH_SLASH.sub(
            lambda match: match[0] if match[1] is None else match[1].replace(b"/", rb"\/"), data
        )
        return _DECLARED + b" " + data
    return data


def _numeric_entity(match: re.Match[bytes]) -> bytes:
    """An entity of HTML, which XML does not have, by its number."""
    name = match[1].decode()
    if name in {"amp", "lt", "gt", "quot", "apos"} or name not in name2codepoint:
        return match[0]
    return f"&#{name2codepoint[name]};".encode()


def _language_tag(match: re.Match[bytes]) -> bytes:
    return b'"@' + match[1].replace(b"_", b"-")


def before(data: bytes, rdf_format: ox.RdfFormat, line: int | None) -> bytes | None:
    """A page up to the end of the last statement before a fault in ``line`` (from 1); None where no end is seen."""
    start = _start(data, rdf_format, line)
    ends = [end.end() for end in _END_OF_STATEMENT.finditer(data, 0, start)] if start else []
    return data[: ends[-1]] if ends else None


def _start(data: bytes, rdf_format: ox.RdfFormat, line: int | None) -> int | None:
    """Position of a line in a page; None for formats in which the end of a statement is not seen."""
    if rdf_format not in _TURTLE or line is None:
        return None
    start = 0
    for _ in range(line - 1):
        start = data.find(b"\n", start) + 1
        if not start:
            return None
    return start


def after(data: bytes, rdf_format: ox.RdfFormat, line: int | None) -> bytes | None:
    """A page after the statement with a fault in ``line`` (from 1); None where its end is not seen."""
    start = _start(data, rdf_format, line)
    end = None if start is None else _END_OF_STATEMENT.search(data, start)
    if end is None:
        return None
    before, rest = data[: end.end()], data[end.end() :]
    prefixes = b" ".join(match.group().strip() for match in _PREFIX_LINE.finditer(before))
    return prefixes + b" " + _graph(data[: end.start() + 1]) + b"\n" + rest


def _graph(before: bytes) -> bytes:
    """The opening line of the graph that ``before`` ends in, or nothing."""
    opening = b""
    for match in _GRAPH.finditer(before):
        opening = b"" if match[2] else match[1] + b" {"
    return opening


def links(data: bytes) -> Iterator[str]:
    """Addresses of further pages in a page of XML or JSON that cannot be read."""
    for pattern in _LINKS:
        for match in pattern.finditer(data):
            address = match[1].decode(errors="replace").replace("&amp;", "&")
            if address.startswith(("http://", "https://", "/", "?")):
                yield address
