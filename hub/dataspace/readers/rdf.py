"""RDF in all its spellings -> nodes, the one shape that the rest of the harvest knows. Runs in the sandbox.

A node is everything one page says about one thing: ``{"s": id, "g": graph, "p": {predicate: [term, …]}}``. A term is
``["i", id]`` or ``["l", text, language, datatype]``; blank nodes have ids that begin with ``_:``.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from hub.dataspace.readers import repair

Line = dict[str, Any]
CONTEXTS = Path(__file__).parent / "contexts"
PINNED = {
    "https://w3id.org/dspace/2024/1/context.json": "dspace-2024.jsonld",
    "https://w3id.org/dspace/v0.8/context.json": "dspace-2024.jsonld",
    "https://w3id.org/dspace/2025/1/context.jsonld": "dspace.jsonld",
    "https://w3id.org/dspace/2025/1/odrl-profile.jsonld": "dspace-odrl.jsonld",
    "https://semiceu.github.io/MLDCAT-AP/releases/3.1.0/context/mldcat-ap.jsonld": "mldcat-ap.jsonld",
    "https://semiceu.github.io/MLDCAT-AP/releases/3.1.0/html/examples/eosc-mldcat-ap-context.jsonld": (
        "eosc-mldcat-ap.jsonld"
    ),
    "https://semiceu.github.io/uri.semic.eu-generated/DCAT-AP/releases/3.0.0/html/examples/context.jsonld": (
        "dcat-ap.jsonld"
    ),
    "https://semiceu.github.io/DCAT-AP/releases/3.0.1/context/dcat-ap.jsonld": "dcat-ap.jsonld",
    "https://www.w3.org/ns/odrl.jsonld": "odrl.jsonld",
    "https://project-open-data.cio.gov/v1.1/schema/catalog.jsonld": "pod.jsonld",
    **dict.fromkeys(("https://schema.org", "https://schema.org/docs/jsonldcontext.jsonld"), "schema.jsonld"),
}
"""JSON-LD contexts that come with us. A page that names another one is refused: nothing is fetched by a parser."""

LONGEST_LITERAL = 200_000
DEEPEST = 200
_HYDRA = "http://www.w3.org/ns/hydra/core#"
_TREE = "https://w3id.org/tree#"
_WAYS = {
    **dict.fromkeys((_HYDRA + "next", _HYDRA + "nextPage", _TREE + "node", _TREE + "view"), "next"),
    **dict.fromkeys((_HYDRA + name for name in ("last", "lastPage", "previous", "previousPage")), "back"),
}
"""To further pages; backwards is gone where a page in between cannot be read."""
_STATEMENT = re.compile(rb"(?:<[^>]*>|_:\S+)\s+<[^>]*>\s.*\.\s*$")
_QUAD = re.compile(rb"\S+\s+\S+\s+.*[^\s,;]\s+(?:<[^>]*>|_:\S+)\s*\.\s*$")
_RDF_NAMESPACE = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_STRING = "http://www.w3.org/2001/XMLSchema#string"

FORMATS = {
    "text/turtle": ox.RdfFormat.TRIG,  # of which Turtle is a part
    "application/x-turtle": ox.RdfFormat.TRIG,
    "application/rdf+xml": ox.RdfFormat.RDF_XML,
    "application/xml": ox.RdfFormat.RDF_XML,
    "text/xml": ox.RdfFormat.RDF_XML,
    "application/ld+json": ox.RdfFormat.JSON_LD,
    "application/json": ox.RdfFormat.JSON_LD,
    "application/trig": ox.RdfFormat.TRIG,
    "application/x-trig": ox.RdfFormat.TRIG,
    "application/n-quads": ox.RdfFormat.N_QUADS,
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
    "text/n3": ox.RdfFormat.TRIG,
}
EXTENSIONS = {
    ".ttl": ox.RdfFormat.TRIG,
    ".rdf": ox.RdfFormat.RDF_XML,
    ".xml": ox.RdfFormat.RDF_XML,
    ".owl": ox.RdfFormat.RDF_XML,
    ".jsonld": ox.RdfFormat.JSON_LD,
    ".json": ox.RdfFormat.JSON_LD,
    ".trig": ox.RdfFormat.TRIG,
    ".nq": ox.RdfFormat.N_QUADS,
    ".nt": ox.RdfFormat.N_TRIPLES,
    ".n3": ox.RdfFormat.TRIG,
}
ACCEPT = (
    "application/trig, text/turtle;q=0.9, application/n-quads;q=0.9, application/ld+json;q=0.8, "
    "application/rdf+xml;q=0.8, application/n-triples;q=0.8, */*;q=0.1"
)


class Unreadable(Exception):
    """Why a page cannot be read."""


class NotJson(Unreadable):
    """What was begun as JSON, and broke off or has a slip in it: it may still say where it goes on."""


def format_of(media_type: str, name: str, start: bytes) -> ox.RdfFormat:
    """What a page is written in: what its beginning proves, else what its server says, else its name, else a guess."""
    head = start.lstrip()
    for kind, beginning in _BEGINNINGS:
        if beginning.match(head):
            return kind
    known = FORMATS.get(media_type.partition(";")[0].strip().lower())
    if known is not None:
        return known
    for extension, kind in EXTENSIONS.items():
        if name.lower().removesuffix(".gz").endswith(extension):
            return kind
    if head.startswith((b"{", b"[")):
        return ox.RdfFormat.JSON_LD
    lines = head.rpartition(b"\n")[0].splitlines()  # the last may be cut
    if all(map(_STATEMENT.match, lines)) and any(map(_QUAD.match, lines)):
        return ox.RdfFormat.N_QUADS
    return ox.RdfFormat.TRIG  # of which Turtle and N-Triples are a part


_BEGINNINGS = (
    (ox.RdfFormat.RDF_XML, re.compile(rb"<\?xml|<!--|<!DOCTYPE|<[\w.:-]+\s[^<>]*xmlns", re.I)),
    (ox.RdfFormat.JSON_LD, re.compile(rb'\{\s*["}]|\[\s*\{')),
    (ox.RdfFormat.TRIG, re.compile(rb"@prefix|@base|PREFIX\s|BASE\s", re.I)),
)
"""Servers are often wrong about what they send; these beginnings are possible in one format only."""


def rdf(request: Line) -> Iterator[Line]:
    """Nodes of one page, the addresses it goes on at (``next``, ``back``), and what of it was refused.

    ``request``: ``path`` of the bytes, ``media_type``, ``name`` and ``base`` (where they are from), and the ``most``
    bytes of a page. A refusal marked
    ``whole`` is of the page: what comes with it is only what stands before the fault.
    """
    raw = b""
    try:
        raw = page_of(request)
        data, kind, unknown = prepared(raw, request["media_type"], request["name"])
    except Unreadable as reason:
        yield {"refused": {"line": None, "reason": str(reason)}, "whole": True}
        if isinstance(reason, NotJson):
            yield from ({"next": onward} for onward in repair.links(raw))
        return
    for address in sorted(unknown):
        lost = f"the JSON-LD context {address[:200]} is not one of ours, and none is fetched: its words are guessed"
        yield {"refused": {"line": None, "reason": lost}, "whole": True}
    if kind in (ox.RdfFormat.N_QUADS, ox.RdfFormat.N_TRIPLES):
        yield from _nodes(_by_line(data, kind))
        return
    data, cut = shortened(data, kind)
    for length in cut:
        yield _too_long(length)
    try:
        _read_for_nothing(data, kind, request["base"])
    except (SyntaxError, ValueError) as error:
        yield from _second_try(data, kind, request["base"], error)
    else:
        yield from _nodes(_oxigraph(data, kind, request["base"]))


def _read_for_nothing(data: bytes, kind: ox.RdfFormat, base: str) -> None:
    """So that a page is read whole or by the other parser, never half by each.

    Keeping what was read instead would take more memory than a large page may have.
    """
    for _ in ox.parse(data, format=kind, base_iri=base, lenient=True):
        pass


def _too_long(length: int) -> Line:
    """A value that is left out, which loses no record."""
    return {"refused": {"line": None, "reason": f"a text of {length:,} characters"}, "minor": True}


def _second_try(data: bytes, kind: ox.RdfFormat, base: str, first: Exception) -> Iterator[Line]:
    """Mended, by the tolerant parser, or else what stands around the faults."""
    mended = repair.mended(data, kind)
    if mended != data:
        try:
            _read_for_nothing(mended, kind, base)
        except (SyntaxError, ValueError) as error:
            first = error  # what is mended is not worth a line in the report
        else:
            yield from _nodes(_oxigraph(mended, kind, base))
            return
    try:
        lines = list(_nodes(_rdflib(data, kind, base)))
    except Exception:  # rdflib's parsers raise whatever they trip over
        yield {"refused": {"line": getattr(first, "lineno", None), "reason": _said(first)}, "whole": True}
        yield from _around_the_faults(mended, kind, base)
        return
    yield from lines


def _around_the_faults(data: bytes, kind: ox.RdfFormat, base: str) -> Iterator[Line]:
    """What stands before a fault and, where a statement's end can be seen, after it; and where the page goes on."""
    for onward in repair.links(data):
        yield {"next": onward}
    for _ in range(repair.MOST_FAULTS):
        try:
            _read_for_nothing(data, kind, base)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            yield from _before_the_fault(data, repair.before(data, kind, line), kind, base)
            rest = repair.after(data, kind, line)
            if rest is None:
                return
            data = rest
        else:
            yield from _nodes(_oxigraph(data, kind, base))
            return
    yield {"refused": {"line": None, "reason": f"more than {repair.MOST_FAULTS} faults"}, "whole": True}


def _before_the_fault(data: bytes, before: bytes | None, kind: ox.RdfFormat, base: str) -> Iterator[Line]:
    """All statements that are whole; where their end cannot be seen, all things but the last."""
    if before is not None:
        with contextlib.suppress(SyntaxError, ValueError):
            _read_for_nothing(before, kind, base)
            yield from _nodes(_oxigraph(before, kind, base))
            return
    with contextlib.suppress(SyntaxError, ValueError):
        yield from _nodes(_oxigraph(data, kind, base))


def _said(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:300]


# -- before parsing ---------------------------------------------------------------------------------------------------


def page_of(request: Line) -> bytes:
    """The bytes of a page; a dump that is packed with gzip is unpacked as far as a page may be long.

    :raises Unreadable: it is longer, or no gzip.
    """
    data = Path(request["path"]).read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    unzip = zlib.decompressobj(wbits=31)
    try:
        data = unzip.decompress(data, request["most"])
    except zlib.error as error:
        raise Unreadable("it says it is gzip, and is not") from error
    if not unzip.eof:
        raise Unreadable(f"it has more than {request['most']:,} bytes once unpacked, or ends too soon")
    return data


def prepared(data: bytes, media_type: str, name: str) -> tuple[bytes, ox.RdfFormat, set[str]]:
    """A page as UTF-8 without a byte order mark, with what it is written in; JSON-LD with its contexts written out.

    :returns: these, and the contexts that we do not have: what words mean that only they explain is lost.
    :raises Unreadable: a web page, a DOCTYPE, or JSON too deep.
    """
    unknown: set[str] = set()
    data = as_utf8(data, media_type)
    kind = format_of(media_type, name, data[:10_000])
    if re.match(rb"\s*(<!DOCTYPE\s+html|<html)", data[:1000], re.I):
        raise Unreadable("a web page for people, and no catalogue")
    data = repair.with_known_names(data)
    if kind == ox.RdfFormat.RDF_XML:
        if re.search(
            rb"<!DOCTYPE", data[:100_000] if b"<rdf:RDF" not in data else data[: data.index(b"<rdf:RDF")], re.I
        ):
            raise Unreadable("a DOCTYPE is refused: it can name files and grow without end")
        data = re.sub(rb"^\s*<\?xml[^>]*\?>", b'<?xml version="1.0" encoding="UTF-8"?>', data, count=1)
        root = re.search(rb"<([A-Za-z_][\w.:-]*)", re.sub(rb"<!--.*?-->", b"", data[:10_000], flags=re.S))
        if root and not root[1].endswith(b"RDF") and (_RDF_NAMESPACE not in data or b"<rdf:RDF" in data):
            raise Unreadable(f"XML that is not RDF/XML: it is a {root[1].decode()[:80]}")
    if kind == ox.RdfFormat.JSON_LD:
        document = _keeping_words(with_contexts(_odrl_words(_json_or_lines(data)), unknown))
        data = json.dumps(document, ensure_ascii=False).encode(errors="replace")
    return data, kind, unknown


def as_utf8(data: bytes, media_type: str) -> bytes:
    """Text in UTF-8: by its byte order mark, what it says of itself, or else as Latin-1, which every byte is."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data.removeprefix(mark).decode(encoding, errors="replace").encode()
    told = re.search(rb"""^\s*<\?xml[^>]*encoding=["']([\w.-]+)""", data[:200]) or re.search(
        rb"charset=[\"']?([\w.-]+)", media_type.encode()
    )
    for encoding in (told[1].decode() if told else "utf-8", "utf-8", "cp1252"):
        try:
            return data.decode(encoding).encode()
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1").encode()


def _json_or_lines(data: bytes) -> Any:
    """A document, or one on each line."""
    try:
        return parsed_json(data)
    except Unreadable:
        lines = [line for line in data.split(b"\n") if line.strip()]
        if len(lines) < 2 or not all(line.lstrip().startswith(b"{") for line in lines):
            raise
        return [parsed_json(line) for line in lines]


def parsed_json(data: bytes) -> Any:
    try:
        found = json.loads(data)
    except RecursionError:
        raise Unreadable(f"JSON nested deeper than {DEEPEST}") from None
    except ValueError as error:
        raise NotJson(f"not JSON: {_said(error)}") from error
    if _deeper_than(found, DEEPEST):
        raise Unreadable(f"JSON nested deeper than {DEEPEST}")
    return found


def _deeper_than(value: Any, depth: int) -> bool:
    level: list[Any] = [value]
    for _ in range(depth):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


_ODRL_KEYS = {"leftOperand", "operator", "action"}


def _odrl_words(value: Any) -> Any:
    """The Dataspace Protocol writes ODRL's own words bare, and its context gives them no namespace."""
    if isinstance(value, list):
        return [_odrl_words(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        key: f"odrl:{inner}"
        if key in _ODRL_KEYS and isinstance(inner, str) and ":" not in inner
        else _odrl_words(inner)
        for key, inner in value.items()
        if key != "@context"
    } | ({"@context": value["@context"]} if "@context" in value else {})


def with_contexts(value: Any, unknown: set[str]) -> Any:
    """The document with every context we have in place of its address; those we do not have go into ``unknown``."""
    if isinstance(value, dict):
        return {
            key: _context(inner, unknown) if key == "@context" else with_contexts(inner, unknown)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [with_contexts(inner, unknown) for inner in value]
    return value


def _keeping_words(document: Any) -> Any:
    if isinstance(document, list):
        return [_keeping_words(one) for one in document]
    if isinstance(document, dict) and "@context" in document:
        told = document["@context"]
        return document | {"@context": [{"@vocab": repair.UNEXPLAINED}, *(told if isinstance(told, list) else [told])]}
    return document


def _context(value: Any, unknown: set[str]) -> Any:
    if isinstance(value, str):
        return _pinned(value, unknown)
    if isinstance(value, list):
        flat: list[Any] = []
        for part in (_context(inner, unknown) for inner in value):
            flat.extend(part if isinstance(part, list) else [part])
        return flat
    if isinstance(value, dict):
        imported = _pinned(value["@import"], unknown) if isinstance(value.get("@import"), str) else {}
        return imported | with_contexts({key: inner for key, inner in value.items() if key != "@import"}, unknown)
    return value


def _pinned(address: str, unknown: set[str]) -> Any:
    """A context of ours; in place of another one the prefixes that everybody uses."""
    https = re.sub("^http:", "https:", address.rstrip("/"))
    file = PINNED.get(https)
    if file is None:
        unknown.add(address)
        return repair.PREFIXES
    return _context(_read(file), unknown)


@cache
def _read(file: str) -> Any:
    return json.loads((CONTEXTS / file).read_bytes())["@context"]


_MOST_TOKEN = 8 * 2**20
"""A parser holds a word of the language at once, and oxigraph gives up at 16 MiB."""
_WORDS = {
    ox.RdfFormat.RDF_XML: re.compile(rb"<[^>]*+>|[^<]++"),
    ox.RdfFormat.JSON_LD: re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.S),
}
_TURTLE_WORDS = re.compile(rb'"""(?:[^"\\]++|\\.|"(?!""))*+"""|"(?:[^"\\]++|\\.)*+"|<[^>\s]*+>|#[^\n]*+', re.S)


def shortened(data: bytes, kind: ox.RdfFormat) -> tuple[bytes, list[int]]:
    """A page without the texts that no parser could hold, and how long these were."""
    if len(data) < _MOST_TOKEN:
        return data, []
    cut: list[int] = []

    def word(match: re.Match[bytes]) -> bytes:
        found = match[0]
        if len(found) < _MOST_TOKEN or found.startswith((b"<", b"#")):
            return found
        cut.append(len(found.strip(b'"')))
        return b'""' if found.startswith(b'"') else b" "

    return _WORDS.get(kind, _TURTLE_WORDS).sub(word, data), cut


# -- parsing ----------------------------------------------------------------------------------------------------------

Quad = tuple[str, str, list[Any], str | None]


def _oxigraph(data: bytes, kind: ox.RdfFormat, base: str) -> Iterator[Quad]:
    for quad in ox.parse(data, format=kind, base_iri=base, lenient=True):
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
        kind = node.datatype.value
        return ["l", node.value, node.language, None if kind == _STRING or node.language else kind]
    return ["i", _id(node)]


def _by_line(data: bytes, kind: ox.RdfFormat) -> Iterator[Quad | Line]:
    """N-Quads and N-Triples: a bad line costs that line."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if len(line) > _MOST_TOKEN:
            yield {"refused": {"line": number, "reason": f"a line of {len(line):,} bytes"}, "minor": True}
            continue
        try:
            for quad in ox.parse(line, format=kind, lenient=True):
                yield _plain(quad)
        except (SyntaxError, ValueError) as error:
            yield {"refused": {"line": number, "reason": _said(error)}}


def _rdflib(data: bytes, kind: ox.RdfFormat, base: str) -> Iterator[Quad]:
    from rdflib import BNode, Dataset, Literal, URIRef

    names = {
        ox.RdfFormat.RDF_XML: "xml",
        ox.RdfFormat.JSON_LD: "json-ld",
        ox.RdfFormat.TRIG: "trig",
    }
    found = Dataset()
    found.parse(data=data, format=names[kind], publicID=base)

    def term(node: Any) -> list[Any]:
        if isinstance(node, Literal):
            return ["l", str(node), node.language, str(node.datatype) if node.datatype else None]
        return ["i", f"_:{node}" if isinstance(node, BNode) else str(node)]

    quads = sorted(found.quads(), key=lambda quad: (str(quad[3]), str(quad[0])))
    for subject, predicate, value, graph in quads:
        inside = str(graph) if isinstance(graph, URIRef) and str(graph) not in (base, "urn:x-rdflib:default") else None
        yield term(subject)[1], str(predicate), term(value), inside


def _nodes(quads: Iterable[Quad | Line]) -> Iterator[Line]:
    """Statements of one subject that follow each other, put together."""
    subject, graph = None, None
    predicates: dict[str, list[Any]] = {}
    for quad in quads:
        if isinstance(quad, dict):
            yield quad
            continue
        about, predicate, value, inside = quad
        predicate = repair.AS_DCAT.get(predicate, predicate)
        if predicate == _TYPE:
            value[1] = repair.AS_DCAT.get(value[1], value[1])
        if (about, inside) != (subject, graph):
            if predicates:
                yield {"s": subject, "g": graph, "p": predicates}
            subject, graph, predicates = about, inside, {}
        # Hydra in the wild has the address of a page as a text.
        beginnings = ("http://", "https://") if value[0] == "i" else ("http://", "https://", "/", "?")
        if predicate in _WAYS and value[1].startswith(beginnings):
            yield {_WAYS[predicate]: value[1]}
        if value[0] == "l" and len(value[1]) > LONGEST_LITERAL:
            yield _too_long(len(value[1]))
            continue
        predicates.setdefault(predicate, []).append(value)
    if predicates:
        yield {"s": subject, "g": graph, "p": predicates}
