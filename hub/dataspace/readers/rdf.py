"""RDF in all its formats -> nodes (:mod:`hub.dataspace.readers.parsers`). Runs in the sandbox.

A page with faults is repaired, read by a more tolerant parser, or read around its faults.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pyoxigraph as ox

from hub.dataspace.readers import entities, jsonld, parsers, repair
from hub.dataspace.readers.pages import NotJson, Unreadable, as_utf8, json_or_json_lines, one_line, page_of
from hub.dataspace.readers.rdf_formats import format_of

Line = dict[str, Any]
_RDF_NAMESPACE = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def rdf(request: Line) -> Iterator[Line]:
    """Nodes of one page, addresses of further pages (``next``, ``back``), and what was refused.

    ``request``: ``path`` of the bytes, their ``media_type``, ``name`` and ``base`` (the address they are from), and
    ``most`` bytes of a page. A refusal with ``whole`` concerns the page: the nodes that come with it are those around
    the fault.
    """
    page = b""
    try:
        page = page_of(request)
        data, rdf_format, unknown_contexts = prepared(page, request["media_type"], request["name"], request["most"])
    except Unreadable as reason:
        yield _page_refused(None, str(reason))
        if isinstance(reason, NotJson):
            yield from ({"next": address} for address in repair.links(page))
        return
    for address in sorted(unknown_contexts):
        lost = f"the JSON-LD context {address[:200]} is not one of ours, and none is fetched: its terms are guessed"
        yield _page_refused(None, lost)
    if rdf_format in (ox.RdfFormat.N_QUADS, ox.RdfFormat.N_TRIPLES):
        yield from parsers.nodes(parsers.line_by_line(data, rdf_format))
        return
    data, lengths = parsers.without_long_tokens(data, rdf_format)
    for length in lengths:
        yield parsers.left_out(length)
    try:
        parsers.check(data, rdf_format, request["base"])
    except (SyntaxError, ValueError) as error:
        yield from _with_faults(data, rdf_format, request["base"], error)
    else:
        yield from _nodes(data, rdf_format, request["base"])


def _nodes(data: bytes, rdf_format: ox.RdfFormat, base: str) -> Iterator[Line]:
    return parsers.nodes(parsers.with_hosts(parsers.with_oxigraph(data, rdf_format, base), base))


def _page_refused(line: int | None, reason: str) -> Line:
    return {"refused": {"line": line, "reason": reason}, "whole": True}


# -- before parsing ---------------------------------------------------------------------------------------------------


def prepared(page: bytes, media_type: str, name: str, most: int = 2**28) -> tuple[bytes, ox.RdfFormat, set[str]]:
    """A page in UTF-8 without a byte order mark, its format, and the addresses of JSON-LD contexts that are not known.

    XML has its entities written out, to at most ``most`` bytes, and JSON-LD its contexts. Terms that only an unknown
    context explains are guessed.

    :raises Unreadable: an HTML page, a DOCTYPE with more than plain entities, XML that is not RDF/XML, or JSON that is
        wrong or too deep.
    """
    data = as_utf8(page, media_type)
    rdf_format = format_of(media_type, name, data[:10_000])
    if re.match(rb"\s*(<!DOCTYPE\s+html|<html)", data[:1000], re.I):
        raise Unreadable("a web page for people, and no catalogue")
    data = repair.with_known_names(data)
    if rdf_format == ox.RdfFormat.RDF_XML:
        return _checked_xml(data, most), rdf_format, set()
    if rdf_format == ox.RdfFormat.JSON_LD:
        document, unknown_contexts = jsonld.self_contained(json_or_json_lines(data))
        return json.dumps(document, ensure_ascii=False).encode(errors="replace"), rdf_format, unknown_contexts
    return data, rdf_format, set()


def _checked_xml(data: bytes, most: int) -> bytes:
    """RDF/XML with UTF-8 as its encoding and without a DOCTYPE. Raises Unreadable for other XML."""
    before_content = data[: data.index(b"<rdf:RDF")] if b"<rdf:RDF" in data else data[:100_000]
    if re.search(rb"<!DOCTYPE", before_content, re.I):
        data = entities.without_doctype(data, most)
    data = re.sub(rb"^\s*<\?xml[^>]*\?>", b'<?xml version="1.0" encoding="UTF-8"?>', data, count=1)
    root = re.search(rb"<([A-Za-z_][\w.:-]*)", re.sub(rb"<!--.*?-->", b"", data[:10_000], flags=re.S))
    if root and not root[1].endswith(b"RDF") and (_RDF_NAMESPACE not in data or b"<rdf:RDF" in data):
        raise Unreadable(f"XML that is not RDF/XML: it is a {root[1].decode()[:80]}")
    return data


# -- pages with faults ------------------------------------------------------------------------------------------------


def _with_faults(data: bytes, rdf_format: ox.RdfFormat, base: str, error: Exception) -> Iterator[Line]:
    """Nodes of a page with faults: repaired, by the tolerant parser, or else around the faults.

    ``error``: of the strict parser. A repair loses nothing and is not reported.
    """
    repaired = repair.repaired(data, rdf_format)
    if repaired != data:
        try:
            parsers.check(repaired, rdf_format, base)
        except (SyntaxError, ValueError) as remaining:
            error = remaining
        else:
            yield from _nodes(repaired, rdf_format, base)
            return
    try:
        lines = list(parsers.nodes(parsers.with_hosts(parsers.with_rdflib(data, rdf_format, base), base)))
    except Exception:  # rdflib's parsers raise exceptions of any class
        yield _page_refused(getattr(error, "lineno", None), one_line(error))
        yield from _around_faults(repaired, rdf_format, base)
        return
    yield from lines


def _around_faults(data: bytes, rdf_format: ox.RdfFormat, base: str) -> Iterator[Line]:
    """Links to further pages, and the nodes before each fault and, where the end of its statement is seen, after it."""
    for address in repair.links(data):
        yield {"next": address}
    for _ in range(repair.MOST_FAULTS):
        try:
            parsers.check(data, rdf_format, base)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            yield from _before_fault(data, repair.before(data, rdf_format, line), rdf_format, base)
            rest = repair.after(data, rdf_format, line)
            if rest is None:
                return
            data = rest
        else:
            yield from _nodes(data, rdf_format, base)
            return
    yield _page_refused(None, f"more than {repair.MOST_FAULTS} faults")


def _before_fault(data: bytes, before: bytes | None, rdf_format: ox.RdfFormat, base: str) -> Iterator[Line]:
    """Nodes of all whole statements (``before``); where their end is not seen, all nodes but the last."""
    if before is not None:
        with contextlib.suppress(SyntaxError, ValueError):
            parsers.check(before, rdf_format, base)
            yield from _nodes(before, rdf_format, base)
            return
    with contextlib.suppress(SyntaxError, ValueError):
        yield from _nodes(data, rdf_format, base)
