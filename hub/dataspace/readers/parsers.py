"""RDF -> statements -> nodes, with the parsers of oxigraph and rdflib. Runs in the sandbox.

A node is everything one page states about one thing: ``{"s": id, "g": graph, "p": {predicate: [term, …]}}``. A term is
``["i", id]`` or ``["l", text, language, datatype]``; ids of blank nodes begin with ``_:``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urljoin

import pyoxigraph as ox

from hub.dataspace.readers import repair
from hub.dataspace.readers.pages import one_line

Line = dict[str, Any]
Quad = tuple[str, str, list[Any], str | None]
LONGEST_LITERAL = 200_000
_MOST_TOKEN = 8 * 2**20
"""Bytes of one token. A parser holds a token in memory as a whole; oxigraph gives up at 16 MiB."""
_TOKENS = {
    ox.RdfFormat.RDF_XML: re.compile(rb"<[^>]*+>|[^<]++"),
    ox.RdfFormat.JSON_LD: re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.S),
}
_TURTLE_TOKENS = re.compile(rb'"""(?:[^"\\]++|\\.|"(?!""))*+"""|"(?:[^"\\]++|\\.)*+"|<[^>\s]*+>|#[^\n]*+', re.S)
_HYDRA = "http://www.w3.org/ns/hydra/core#"
_TREE = "https://w3id.org/tree#"
_LINKS = {
    **dict.fromkeys((_HYDRA + "next", _HYDRA + "nextPage", _TREE + "node", _TREE + "view"), "next"),
    **dict.fromkeys((_HYDRA + name for name in ("last", "lastPage", "previous", "previousPage")), "back"),
}
"""Properties that link to further pages. Links back are followed where a page in between cannot be read."""
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_STRING = "http://www.w3.org/2001/XMLSchema#string"


def without_long_tokens(data: bytes, rdf_format: ox.RdfFormat) -> tuple[bytes, list[int]]:
    """A page without the texts that no parser could hold, and the lengths of these texts in bytes."""
    if len(data) < _MOST_TOKEN:
        return data, []
    lengths: list[int] = []

    def shortened(match: re.Match[bytes]) -> bytes:
        token = match[0]
        if len(token) < _MOST_TOKEN or token.startswith((b"<", b"#")):
            return token
        lengths.append(len(token.strip(b'"')))
        return b'""' if token.startswith(b'"') else b" "

    return _TOKENS.get(rdf_format, _TURTLE_TOKENS).sub(shortened, data), lengths


def left_out(length: int) -> Line:
    """The report's line about a text that is left out; no record is missing for it."""
    return {"refused": {"line": None, "reason": f"a text of {length:,} characters"}, "minor": True}


def check(data: bytes, rdf_format: ox.RdfFormat, base: str) -> None:
    """Parse a page and keep nothing, so that it is read as a whole by one parser. Raises SyntaxError or ValueError.

    Keeping what was read would take more memory than a large page may have.
    """
    for _ in ox.parse(data, format=rdf_format, base_iri=base, lenient=True):
        pass


def with_oxigraph(data: bytes, rdf_format: ox.RdfFormat, base: str) -> Iterator[Quad]:
    """Statements of a page, as far as its first fault. Raises SyntaxError or ValueError."""
    for quad in ox.parse(data, format=rdf_format, base_iri=base, lenient=True):
        yield _plain(quad)


def _plain(quad: Any) -> Quad:
    graph = None if isinstance(quad.graph_name, ox.DefaultGraph) else quad.graph_name.value
    return _id(quad.subject), quad.predicate.value, _term(quad.object), graph


def _id(node: Any) -> str:
    if isinstance(node, ox.BlankNode):
        return f"_:{node.value}"
    return str(node.value) if isinstance(node, ox.NamedNode) else str(node)


def _term(node: Any) -> list[Any]:
    if isinstance(node, ox.Literal):
        datatype = node.datatype.value
        return ["l", node.value, node.language, None if datatype == _STRING or node.language else datatype]
    return ["i", _id(node)]


def line_by_line(data: bytes, rdf_format: ox.RdfFormat) -> Iterator[Quad | Line]:
    """Statements of N-Quads or N-Triples; of a line that cannot be read, the report's line about it."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if len(line) > _MOST_TOKEN:
            yield {"refused": {"line": number, "reason": f"a line of {len(line):,} bytes"}, "minor": True}
            continue
        try:
            for quad in ox.parse(line, format=rdf_format, lenient=True):
                yield _plain(quad)
        except (SyntaxError, ValueError) as error:
            yield {"refused": {"line": number, "reason": one_line(error)}}


def with_rdflib(data: bytes, rdf_format: ox.RdfFormat, base: str) -> Iterator[Quad]:
    """Statements of a page by the more tolerant parser. Raises any exception."""
    from rdflib import BNode, Dataset, Literal, URIRef

    names = {
        ox.RdfFormat.RDF_XML: "xml",
        ox.RdfFormat.JSON_LD: "json-ld",
        ox.RdfFormat.TRIG: "trig",
    }
    dataset = Dataset()
    dataset.parse(data=data, format=names[rdf_format], publicID=base)

    def term(node: Any) -> list[Any]:
        if isinstance(node, Literal):
            return ["l", str(node), node.language, str(node.datatype) if node.datatype else None]
        return ["i", f"_:{node}" if isinstance(node, BNode) else str(node)]

    default_graphs = (base, "urn:x-rdflib:default")
    quads = sorted(dataset.quads(), key=lambda quad: (str(quad[3]), str(quad[0])))
    for subject, predicate, value, graph in quads:
        named_graph = str(graph) if isinstance(graph, URIRef) and str(graph) not in default_graphs else None
        yield term(subject)[1], str(predicate), term(value), named_graph


def with_hosts(quads: Iterable[Quad], base: str) -> Iterator[Quad]:
    """Statements in which ``<www.city.example/a.csv>`` is no file beside the page, but an address without a scheme."""
    relative = urljoin(base, "www.")
    for quad in quads:
        term = quad[2]
        if term[0] == "i" and term[1].startswith(relative):
            term[1] = f"https://www.{term[1].removeprefix(relative)}"
        yield quad


def nodes(quads: Iterable[Quad | Line]) -> Iterator[Line]:
    """Nodes out of statements: one for each run of statements about the same subject, and links to further pages.

    Values of terms that are read as DCAT's come after those of DCAT's own.
    """
    subject, graph = None, None
    predicates: dict[str, list[Any]] = {}
    translated: dict[str, list[Any]] = {}
    for quad in quads:
        if isinstance(quad, dict):
            yield quad
            continue
        quad_subject, stated_predicate, value, quad_graph = quad
        predicate = repair.AS_DCAT.get(stated_predicate, stated_predicate)
        if predicate == _TYPE:
            value[1] = repair.AS_DCAT.get(value[1], value[1])
        if (quad_subject, quad_graph) != (subject, graph):
            yield from _node(subject, graph, predicates, translated)
            subject, graph, predicates, translated = quad_subject, quad_graph, {}, {}
        # Some servers write Hydra's addresses of pages as texts.
        beginnings = ("http://", "https://") if value[0] == "i" else ("http://", "https://", "/", "?")
        if predicate in _LINKS and value[1].startswith(beginnings):
            yield {_LINKS[predicate]: value[1]}
        if value[0] == "l" and len(value[1]) > LONGEST_LITERAL:
            yield left_out(len(value[1]))
            continue
        (predicates if predicate == stated_predicate else translated).setdefault(predicate, []).append(value)
    yield from _node(subject, graph, predicates, translated)


def _node(
    subject: str | None, graph: str | None, predicates: dict[str, list[Any]], translated: dict[str, list[Any]]
) -> Iterator[Line]:
    for predicate, values in translated.items():
        own = predicates.setdefault(predicate, [])
        own.extend(value for value in values if value not in own)
    if predicates:
        yield {"s": subject, "g": graph, "p": predicates}
