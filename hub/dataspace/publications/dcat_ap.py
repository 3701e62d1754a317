"""A publication, and our whole catalogue, as DCAT-AP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyoxigraph as ox

from hub.dataspace.metadata import vocabularies
from hub.dataspace.metadata.literals import clean
from hub.dataspace.metadata.namespaces import DCAT, DCT, FOAF, IT6, RDF, SPDX, VCARD
from hub.dataspace.models import Access, Kind
from hub.dataspace.publications.models import PublicationForm
from hub.dataspace.readers import shacl

_XSD = "http://www.w3.org/2001/XMLSchema#"
_HYDRA = "http://www.w3.org/ns/hydra/core#"
_RIGHTS = {Access.PUBLIC: "PUBLIC", Access.RESTRICTED: "RESTRICTED"}
_PREFIXES = {"dcat": DCAT, "dct": DCT, "foaf": FOAF, "vcard": VCARD, "spdx": SPDX, "hydra": _HYDRA, "xsd": _XSD}
FORMATS = {
    "text/turtle": ox.RdfFormat.TURTLE,
    "application/ld+json": ox.RdfFormat.JSON_LD,
    "application/rdf+xml": ox.RdfFormat.RDF_XML,
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
}
MEDIA_TYPES = "http://www.iana.org/assignments/media-types/"
Triple = tuple[str, str, list[Any]]


class StatementNodes:
    """Statements in the form of :class:`hub.dataspace.metadata.nodes.Nodes`."""

    def __init__(self, triples: Sequence[Triple]) -> None:
        self._nodes: dict[str, dict[str, list[Any]]] = {}
        for subject, predicate, term in triples:
            self._nodes.setdefault(subject, {}).setdefault(predicate, []).append(term)

    def about(self, identity: str) -> Mapping[str, Sequence[Any]]:
        return self._nodes.get(identity, {})

    def names(self) -> list[str]:
        return list(self._nodes)


def publication_statements(uri: str, form: PublicationForm, created: datetime, modified: datetime) -> Iterator[Triple]:
    """All statements of a publication, with its files, publisher and contact."""
    model = form.kind == Kind.MODEL
    yield uri, RDF + "type", ["i", IT6 + "MachineLearningModel" if model else DCAT + "Dataset"]
    yield uri, DCT + "title", _text(form.title, form.language)
    yield uri, DCT + "description", _text(form.description, form.language)
    yield uri, DCT + "identifier", _text(uri)
    yield uri, DCT + "issued", _literal(created.isoformat(), "dateTime")
    yield uri, DCT + "modified", _literal(modified.isoformat(), "dateTime")
    yield uri, DCT + "license", ["i", form.licence]
    yield uri, DCT + "accessRights", ["i", f"{vocabularies.AUTHORITY}access-right/{_RIGHTS[form.access]}"]
    for keyword in form.keywords:
        yield uri, DCAT + "keyword", _text(keyword, form.language)
    for theme in form.themes:
        yield uri, DCAT + "theme", ["i", f"{vocabularies.AUTHORITY}data-theme/{theme}"]
    if form.version:
        yield uri, DCAT + "version", _text(form.version)
    for origin in form.origins:
        yield uri, DCT + "source", ["i", origin]
    for dataset in form.trained_on:
        yield uri, IT6 + "trainedOn", ["i", dataset]
    if form.intended_use:
        yield uri, IT6 + "intendedUse", _text(form.intended_use, form.language)
    yield from _people(uri, form)
    yield from _files(uri, form)


def _files(uri: str, form: PublicationForm) -> Iterator[Triple]:
    for number, file in enumerate(form.files, 1):
        name = f"{uri}#file-{number}"
        yield uri, DCAT + "distribution", ["i", name]
        yield name, RDF + "type", ["i", DCAT + "Distribution"]
        yield name, DCT + "title", _text(file.title, form.language)
        yield name, DCAT + "accessURL", ["i", file.access_url]
        yield name, DCT + "license", ["i", form.licence]
        if file.download_url:
            yield name, DCAT + "downloadURL", ["i", file.download_url]
        if file.format:
            yield name, DCT + "format", ["i", f"{vocabularies.AUTHORITY}file-type/{file.format}"]
        if file.media_type:
            yield name, DCAT + "mediaType", ["i", MEDIA_TYPES + file.media_type]
        if file.bytes is not None:
            yield name, DCAT + "byteSize", _literal(str(file.bytes), "nonNegativeInteger")
        if file.sha256:
            checksum = f"{name}-checksum"
            yield name, SPDX + "checksum", ["i", checksum]
            yield checksum, RDF + "type", ["i", SPDX + "Checksum"]
            yield checksum, SPDX + "algorithm", ["i", SPDX + "checksumAlgorithm_sha256"]
            yield checksum, SPDX + "checksumValue", _literal(file.sha256, "hexBinary")


def _people(uri: str, form: PublicationForm) -> Iterator[Triple]:
    publisher, contact = f"{uri}#publisher", f"{uri}#contact"
    yield uri, DCT + "publisher", ["i", publisher]
    yield publisher, RDF + "type", ["i", FOAF + "Agent"]
    yield publisher, FOAF + "name", _text(form.publisher, form.language)
    yield uri, DCAT + "contactPoint", ["i", contact]
    yield contact, RDF + "type", ["i", VCARD + "Kind"]
    yield contact, VCARD + "fn", _text(form.publisher, form.language)
    yield contact, VCARD + "hasEmail", ["i", f"mailto:{form.contact}"]


def _text(text: str, language: str | None = None) -> list[Any]:
    return ["l", clean(text), language, None]


def _literal(text: str, kind: str) -> list[Any]:
    return ["l", text, None, _XSD + kind]


def negotiated(accept: str) -> str:
    """The media type of :data:`FORMATS` that an Accept header prefers; Turtle if it names none of them."""
    preferences = []
    for number, part in enumerate(accept.split(",")):
        name, _, rest = part.strip().partition(";")
        weight = re.search(r"q=([\d.]+)", rest)
        try:
            preferences.append((-float(weight[1]) if weight else -1.0, number, name.strip().lower()))
        except ValueError:
            continue
    for weight_of, _, name in sorted(preferences):
        if name in FORMATS and weight_of < 0:
            return name
        if name == "application/json" and weight_of < 0:
            return "application/ld+json"
    return "text/turtle"


def catalogue_statements(address: str, site: str, page: int, *, more: bool) -> Iterator[Triple]:
    """Statements about the catalogue itself on one of its pages."""
    yield address, RDF + "type", ["i", DCAT + "Catalog"]
    yield address, DCT + "title", _text(f"{site}: what its projects share", "en")
    yield address, DCT + "description", _text("Data and models made by the projects of this AI factory.", "en")
    yield address, DCT + "publisher", ["i", f"{address}#publisher"]
    yield f"{address}#publisher", RDF + "type", ["i", FOAF + "Agent"]
    yield f"{address}#publisher", FOAF + "name", _text(site, "en")
    view = f"{address}?page={page}"
    yield view, RDF + "type", ["i", _HYDRA + "PartialCollectionView"]
    yield address, _HYDRA + "view", ["i", view]
    if more:
        yield view, _HYDRA + "next", ["i", f"{address}?page={page + 1}"]


def serialised(triples: Sequence[Triple], media_type: str) -> bytes:
    """Statements in one of :data:`FORMATS`."""
    parsed = ox.parse(shacl.triples(triples), format=ox.RdfFormat.N_TRIPLES)
    data = ox.serialize((quad.triple for quad in parsed), format=FORMATS[media_type], prefixes=_PREFIXES)
    assert data is not None  # noqa: S101
    return data
