"""EU authority tables: codes, and labels in the languages they come in. The files beside this one are as published."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pyoxigraph as ox

from hub.dataspace.models import LicenceClass, Text

FOLDER = Path(__file__).parent / "vocabularies"
AUTHORITY = "http://publications.europa.eu/resource/authority/"
SKOS = "http://www.w3.org/2004/02/skos/core#"
_IDENTIFIER = "http://purl.org/dc/elements/1.1/identifier"

LANGUAGES = {
    "BUL": ("bg", "български"),
    "CES": ("cs", "čeština"),
    "DAN": ("da", "dansk"),
    "DEU": ("de", "Deutsch"),
    "ELL": ("el", "ελληνικά"),
    "ENG": ("en", "English"),
    "EST": ("et", "eesti"),
    "FIN": ("fi", "suomi"),
    "FRA": ("fr", "français"),
    "GLE": ("ga", "Gaeilge"),
    "HRV": ("hr", "hrvatski"),
    "HUN": ("hu", "magyar"),
    "ITA": ("it", "italiano"),
    "LAV": ("lv", "latviešu"),
    "LIT": ("lt", "lietuvių"),
    "MLT": ("mt", "Malti"),
    "NLD": ("nl", "Nederlands"),
    "NOR": ("no", "norsk"),
    "POL": ("pl", "polski"),
    "POR": ("pt", "português"),
    "RON": ("ro", "română"),
    "SLK": ("sk", "slovenčina"),
    "SLV": ("sl", "slovenščina"),
    "SPA": ("es", "español"),
    "SWE": ("sv", "svenska"),
}
"""Codes of the EU languages (and Norwegian) -> BCP 47 and what speakers call it, which needs no translation."""
_NATIVE = dict(LANGUAGES.values())


@cache
def _concepts(file: str) -> dict[str, tuple[str, Text, frozenset[str]]]:
    """IRI -> code, labels by language, IRIs that mean exactly the same."""
    found: dict[str, tuple[str, Text, set[str]]] = {}
    for quad in ox.parse(path=FOLDER / file, format=ox.RdfFormat.RDF_XML):
        if not isinstance(quad.subject, ox.NamedNode):
            continue
        iri = quad.subject.value
        code, labels, same = found.get(iri, ("", {}, set()))
        if quad.predicate.value == SKOS + "prefLabel" and isinstance(quad.object, ox.Literal):
            labels[quad.object.language or "und"] = quad.object.value
        elif quad.predicate.value == SKOS + "exactMatch" and isinstance(quad.object, ox.NamedNode):
            same.add(quad.object.value)
        elif quad.predicate.value == _IDENTIFIER and isinstance(quad.object, ox.Literal):
            code = quad.object.value
        found[iri] = (code, labels, same)
    return {iri: (code, labels, frozenset(same)) for iri, (code, labels, same) in found.items() if code}


@cache
def _labels_by_code(file: str) -> dict[str, Text]:
    return {code: labels for code, labels, _ in _concepts(file).values()}


@cache
def _codes_by_name(file: str) -> dict[str, str]:
    """Every label in lower case, and the code itself -> code."""
    names = {label.casefold(): code for code, labels, _ in _concepts(file).values() for label in labels.values()}
    return names | {code.casefold(): code for code, _, _ in _concepts(file).values()}


def theme_labels() -> dict[str, Text]:
    """Labels of the EU data themes by code."""
    return _labels_by_code("data-theme-skos.rdf")


def theme(value: str) -> str | None:
    """Code of a data theme named by its IRI, code or a label in any language."""
    if value.startswith(AUTHORITY + "data-theme/"):
        value = value.rsplit("/", 1)[1]
    return _codes_by_name("data-theme-skos.rdf").get(value.casefold())


def language(value: str) -> str | None:
    """BCP 47 of a language named by its IRI, three letters or two."""
    word = value.rstrip("/").rsplit("/", 1)[-1].rsplit("#", 1)[-1]
    if word.upper() in LANGUAGES:
        return LANGUAGES[word.upper()][0]
    short = word.lower().partition("-")[0]
    return short if short in _NATIVE else None


def file_type(value: str) -> str:
    """Code of a file type named by its IRI, a media type, an extension or a name; upper case of what is none."""
    word = value.strip()
    if word.startswith(("http://", "https://")):
        tail = word.rstrip("/")
        word = "/".join(tail.rsplit("/", 2)[1:]) if "media-types" in tail else tail.rsplit("/", 1)[1].rsplit("#", 1)[-1]
    word = word.partition(";")[0].strip().lower()
    known = _codes_by_name("filetypes-skos.rdf").get(word.lstrip("."))
    return _MEDIA_TYPES.get(word) or known or word.rsplit("/", 1)[-1].removeprefix("x-").upper()[:40]


_MEDIA_TYPES = {
    "text/csv": "CSV",
    "application/json": "JSON",
    "application/geo+json": "GEOJSON",
    "application/vnd.geo+json": "GEOJSON",
    "application/ld+json": "JSON_LD",
    "text/turtle": "RDF_TURTLE",
    "application/rdf+xml": "RDF_XML",
    "application/xml": "XML",
    "text/xml": "XML",
    "text/html": "HTML",
    "text/plain": "TXT",
    "application/pdf": "PDF",
    "application/zip": "ZIP",
    "application/gzip": "GZIP",
    "application/vnd.ms-excel": "XLS",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "XLSX",
    "application/vnd.apache.parquet": "PARQUET",
    "application/x-parquet": "PARQUET",
    "parquet": "PARQUET",
    "ttl": "RDF_TURTLE",
    "xls": "XLS",
    "shapefile": "SHP",
    "esri shapefile": "SHP",
}
"""Media types and extensions that the authority table (2018) has in another place or not at all."""


def licence_label(iri: str) -> Text:
    """Labels of a licence that an authority table knows, else nothing."""
    for file in ("licences-skos.rdf", "piveau-licences-skos.rdf"):
        if iri in _concepts(file):
            return _concepts(file)[iri][1]
    return {}


@cache
def licence_aliases() -> dict[str, str]:
    """IRIs that publishers use -> code of the licence they mean exactly."""
    pairs: dict[str, str] = {}
    for file in ("licences-skos.rdf", "piveau-licences-skos.rdf"):
        for iri, (code, _, same) in _concepts(file).items():
            pairs |= {other.rstrip("/").removeprefix("https:").removeprefix("http:"): code for other in {iri, *same}}
    return pairs


def in_language(text: Text, language: str) -> str:
    """A text in the reader's language, else in English, else in any; machine translations (``fr-t-nl``) count last."""
    for wanted in (language, "en", "und"):
        if wanted in text:
            return text[wanted]
        translated = next((words for tag, words in text.items() if tag.partition("-")[0] == wanted), None)
        if translated is not None:
            return translated
    return next(iter(text.values()), "")


def facet_label(facet: str, value: str, language: str) -> str:
    """What a facet's value is called in the reader's language."""
    if facet == "sector":
        return in_language(theme_labels().get(value, {}), language) or value
    if facet == "language":
        return _NATIVE.get(value, value)
    if facet == "licence":
        return _LICENCE_CLASSES[LicenceClass(value)]
    if facet == "access":
        return _ACCESS.get(value, value)
    return value


_LICENCE_CLASSES = {
    LicenceClass.OPEN: "Open, no conditions",
    LicenceClass.ATTRIBUTION: "Name the source",
    LicenceClass.SHARE_ALIKE: "Share alike",
    LicenceClass.NON_COMMERCIAL: "Not for commercial use",
    LicenceClass.BESPOKE: "Own terms",
    LicenceClass.NOT_STATED: "Licence not stated",
}
_ACCESS = {
    "public": "Public",
    "restricted": "Restricted",
    "contract": "By contract",
    "not-stated": "Access not stated",
}
