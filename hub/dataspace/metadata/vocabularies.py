"""EU authority tables: codes, and labels in the languages they come in. The files beside this one are as published."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

import pyoxigraph as ox

from hub.dataspace.metadata.namespaces import SKOS
from hub.dataspace.models import LicenceClass, Text

FOLDER = Path(__file__).parent / "vocabularies"
AUTHORITY = "http://publications.europa.eu/resource/authority/"
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
"""Codes of the EU languages (and Norwegian) -> BCP 47 tag and name in the language itself."""
_NATIVE = dict(LANGUAGES.values())
_FURTHER_LANGUAGES = {
    **{"FRE": "fr", "GER": "de", "DUT": "nl", "CZE": "cs", "GRE": "el", "RUM": "ro", "SLO": "sk"},
    **{"NOB": "no", "NB": "no", "NNO": "no", "NN": "no", "CAT": "ca", "EUS": "eu", "BAQ": "eu", "GLG": "gl"},
    **{"ISL": "is", "LTZ": "lb", "CYM": "cy", "SME": "se", "SQI": "sq", "BOS": "bs", "MKD": "mk", "SRP": "sr"},
    **{"TUR": "tr", "UKR": "uk", "RUS": "ru", "ARA": "ar", "ZHO": "zh", "JPN": "ja"},
}
"""Older codes of the same languages, and languages that catalogues in Europe have besides."""


@cache
def _concepts(file: str) -> dict[str, tuple[str, Text, frozenset[str]]]:
    """IRI -> code, labels by language, IRIs that mean exactly the same."""
    concepts: dict[str, tuple[str, Text, set[str]]] = {}
    for quad in ox.parse(path=FOLDER / file, format=ox.RdfFormat.RDF_XML):
        if not isinstance(quad.subject, ox.NamedNode):
            continue
        iri = quad.subject.value
        code, labels, same = concepts.get(iri, ("", {}, set()))
        if quad.predicate.value == SKOS + "prefLabel" and isinstance(quad.object, ox.Literal):
            labels[quad.object.language or "und"] = quad.object.value
        elif quad.predicate.value == SKOS + "exactMatch" and isinstance(quad.object, ox.NamedNode):
            same.add(quad.object.value)
        elif quad.predicate.value == _IDENTIFIER and isinstance(quad.object, ox.Literal):
            code = quad.object.value
        concepts[iri] = (code, labels, same)
    return {iri: (code, labels, frozenset(same)) for iri, (code, labels, same) in concepts.items() if code}


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


@cache
def country_labels() -> dict[str, Text]:
    """Names of countries by code (three letters); the table's entries that are no countries are left out."""
    return {code: labels for code, labels in _labels_by_code("countries-skos.rdf").items() if len(code) == 3}


def file_type_labels() -> dict[str, Text]:
    """Labels of file types by code."""
    return _labels_by_code("filetypes-skos.rdf")


def theme(value: str) -> str | None:
    """Code of a data theme named by its IRI, code or a label in any language."""
    if value.startswith(AUTHORITY + "data-theme/"):
        value = value.rsplit("/", 1)[1]
    return _codes_by_name("data-theme-skos.rdf").get(value.casefold())


@lru_cache(maxsize=2000)
def language(value: str) -> str | None:
    """BCP 47 of a language named by its IRI, three letters or two, or as its speakers call it."""
    name = value.strip().rstrip("/").rsplit("/", 1)[-1].rsplit("#", 1)[-1]
    short = re.split("[-_]", name)[0].upper()
    if short in LANGUAGES:
        return LANGUAGES[short][0]
    if short in _FURTHER_LANGUAGES:
        return _FURTHER_LANGUAGES[short]
    if short.lower() in _NATIVE or short.lower() in _FURTHER_LANGUAGES.values():
        return short.lower()
    return next((tag for tag, native in _NATIVE.items() if native.casefold() == name.casefold()), None)


def file_type_code(name: str) -> str:
    """Code of the file type with this code or label (lower case), or an empty text."""
    return _codes_by_name("filetypes-skos.rdf").get(name, "")


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


def licence_code(name: str) -> str:
    """Code of the licence with this code or label in any language, or an empty text."""
    files = ("licences-skos.rdf", "piveau-licences-skos.rdf")
    plain = " ".join(name.casefold().split())
    return next((code for file in files if (code := _codes_by_name(file).get(plain))), "")


_RELATED = {"no": ("nb", "nn"), "nb": ("no", "nn"), "nn": ("no", "nb")}
"""Languages whose readers prefer these others to English."""


def in_language(text: Text, language: str) -> str:
    """A text in the reader's language, else in English, else in any; machine translations (``fr-t-nl``) count last."""
    for candidate in (language, *_RELATED.get(language, ()), "en", "und"):
        if candidate in text:
            return text[candidate]
        translated = next((value for tag, value in text.items() if tag.partition("-")[0] == candidate), None)
        if translated is not None:
            return translated
    return next(iter(text.values()), "")


def facet_label(facet: str, value: str, language: str) -> str:
    """Label of a facet's value in the reader's language."""
    if facet == "sector":
        return in_language(theme_labels().get(value, {}), language) or value
    if facet == "language":
        return _NATIVE.get(value, value)
    if facet == "licence":
        return _LICENCE_CLASSES[LicenceClass(value)]
    if facet == "country":
        return in_language(country_labels().get(value, {}), language) or value
    return _LABELS.get(facet, {}).get(value, value)


_LICENCE_CLASSES = {
    LicenceClass.OPEN: "Open, no conditions",
    LicenceClass.ATTRIBUTION: "Name the source",
    LicenceClass.SHARE_ALIKE: "Share alike",
    LicenceClass.NON_COMMERCIAL: "Not for commercial use",
    LicenceClass.BESPOKE: "Own terms",
    LicenceClass.NOT_STATED: "Licence not stated",
}
_LABELS = {
    "access": {
        "public": "Public",
        "restricted": "Restricted",
        "contract": "By contract",
        "not-stated": "Access not stated, or in words only",
    },
    "kind": {"dataset": "Dataset", "series": "Series of datasets", "service": "Data service", "model": "Model"},
    "quality": {"good": "Well described", "fair": "Fairly described", "poor": "Poorly described"},
    "high_value": {"yes": "High-value dataset of the EU"},
}
