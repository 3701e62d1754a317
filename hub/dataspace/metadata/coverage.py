"""Places, periods and languages that a record covers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hub.dataspace.metadata import vocabularies
from hub.dataspace.metadata.dates import day
from hub.dataspace.metadata.literals import clean
from hub.dataspace.metadata.namespaces import DCAT, DCATAPIT, DCT, LOCN, RDF, SCHEMA, TIME, WKT, Node
from hub.dataspace.metadata.nodes import LABELS, MOST_VALUES, NodeReader


def languages(reader: NodeReader, node: Node) -> Iterator[str]:
    """BCP 47 tags of the languages that a record is in."""
    for value in reader.values(node, DCT + "language"):
        yield from filter(None, map(vocabularies.language, re.split("[,;]", value)))


def places(reader: NodeReader, node: Node) -> Iterator[str]:
    """Of each place its name, else its geometry, its identifier or its address."""
    for term in node.get(DCT + "spatial", ())[:MOST_VALUES]:
        about = reader.linked_node(term)
        label = vocabularies.in_language(reader.text(about, *LABELS, LOCN + "geographicName"), "en")
        identifier = reader.first(about, DCT + "identifier", DCATAPIT + "geographicalIdentifier", LOCN + "adminUnitL2")
        address = "" if term[1].startswith("_:") else clean(term[1])
        if place := label or _geometry(reader, about) or identifier or address:
            yield place[:2000]


def _geometry(reader: NodeReader, about: Node) -> str:
    """A geometry, in WKT or GeoJSON if the place has one in these, else in GML, which needs more text for the same."""
    geometry_nodes = (reader.about(term[1]) for term in about.get(LOCN + "geometry", ()) if term[0] == "i")
    geometries = [*reader.values(about, DCAT + "bbox", LOCN + "geometry", DCAT + "centroid", WKT)]
    geometries += [value for node in geometry_nodes for value in reader.values(node, WKT)]
    not_gml = (geometry for geometry in geometries if not geometry.startswith("<gml"))
    return next(not_gml, geometries[0] if geometries else "")


def periods(reader: NodeReader, node: Node) -> Iterator[tuple[str, str]]:
    """Start and end of each period, as the source writes them; one of them may be empty."""
    for term in node.get(DCT + "temporal", ())[:MOST_VALUES]:
        about = reader.linked_node(term)
        start = _moment(reader, about, "startDate", TIME + "hasBeginning")
        end = _moment(reader, about, "endDate", TIME + "hasEnd")
        if not start and not end:
            interval = clean(term[1]) if term[0] == "l" else reader.first(about, RDF + "value")
            parts = [part.strip()[:30] for part in interval.split("/")]  # an interval of ISO 8601
            start, end = parts if len(parts) == 2 and any(map(day, parts)) else ("", "")
        if start or end:
            yield start, end


def _moment(reader: NodeReader, about: Node, name: str, instant: str) -> str:
    """A moment of a period: a property called ``name``, or the ``instant`` of OWL-Time."""
    moment = reader.first(about, DCAT + name, SCHEMA + name, DCATAPIT + name)
    for term in about.get(instant, ()):
        at = reader.linked_node(term)
        moment = moment or reader.first(at, *(key for key in sorted(at) if key.startswith(TIME + "inXSD")))
    return moment[:30]
