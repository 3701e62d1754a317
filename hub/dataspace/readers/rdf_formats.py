"""RDF formats: which one a page or a file is written in. Used by the RDF reader and by harvests."""

from __future__ import annotations

import re

import pyoxigraph as ox

FORMATS = {
    "text/turtle": ox.RdfFormat.TRIG,  # Turtle is a subset of it
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
_STATEMENT = re.compile(rb"(?:<[^>]*>|_:\S+)\s+<[^>]*>\s.*\.\s*$")
_QUAD = re.compile(rb"\S+\s+\S+\s+.*[^\s,;]\s+(?:<[^>]*>|_:\S+)\s*\.\s*$")
_BEGINNINGS = (
    (ox.RdfFormat.RDF_XML, re.compile(rb"<\?xml|<!--|<!DOCTYPE|<[\w.:-]+\s[^<>]*xmlns", re.I)),
    (ox.RdfFormat.JSON_LD, re.compile(rb'\{\s*["}]|\[\s*\{')),
    (ox.RdfFormat.TRIG, re.compile(rb"@prefix|@base|PREFIX\s|BASE\s", re.I)),
)
"""Beginnings that are possible in one format only. Servers often state a wrong media type."""


def format_of(media_type: str, name: str, start: bytes) -> ox.RdfFormat:
    """The format of a page: by its beginning, else by its media type, else by its name, else by its first lines."""
    head = start.lstrip()
    for rdf_format, beginning in _BEGINNINGS:
        if beginning.match(head):
            return rdf_format
    stated = FORMATS.get(media_type.partition(";")[0].strip().lower()) or _format_of_name(name)
    if stated is not None:
        return stated
    if head.startswith((b"{", b"[")):
        return ox.RdfFormat.JSON_LD
    lines = head.rpartition(b"\n")[0].splitlines()  # the last line may be cut off
    if all(map(_STATEMENT.match, lines)) and any(map(_QUAD.match, lines)):
        return ox.RdfFormat.N_QUADS
    return ox.RdfFormat.TRIG  # Turtle and N-Triples are subsets of it


def has_known_extension(name: str) -> bool:
    """Whether a file of this name is RDF, packed with gzip or not."""
    return _format_of_name(name) is not None


def _format_of_name(name: str) -> ox.RdfFormat | None:
    plain = name.lower().removesuffix(".gz")
    return next((rdf_format for extension, rdf_format in EXTENSIONS.items() if plain.endswith(extension)), None)
