"""JSON-LD contexts, which come with Atrium: nothing is fetched while a page is read. Runs in the sandbox."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from hub.dataspace.metadata import namespaces
from hub.dataspace.readers import repair

CONTEXTS = Path(__file__).parent / "contexts"
_CZECH_NAME = "rozhraní-katalogů-otevřených-dat"
_CZECH_PLACES = (
    *(f"{_CZECH_NAME}/{version}/kontexty/{_CZECH_NAME}.jsonld" for version in ("2021-01-11", "draft")),
    *(f"dcat-ap-cz-{_CZECH_NAME}/{version}/kontexty/{_CZECH_NAME}.jsonld" for version in ("2024-05-28", "draft")),
    *(f"dcat-ap-cz-360-2023/2025-08-12/{kind}/kontext.jsonld" for kind in ("katalog", "datová-sada")),
    *(f"dcat-ap-cz-otevřená-data/draft/{kind}/kontext.jsonld" for kind in ("datová-sada", "série-datových-sad")),
    *(f"dcat-ap-cz-hvd/draft/{kind}/kontext.jsonld" for kind in ("datová-sada", "série-datových-sad")),
    "dcat-ap-cz-datová-rozhraní/draft/datová-sada/kontext.jsonld",
    "dcat-ap-cz-rozhraní-katalogů-dat/draft/katalog/kontext.jsonld",
)
"""Versions of the Czech standard whose names of properties are the same: DCAT's, in Czech."""
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
    **dict.fromkeys((f"https://ofn.gov.cz/{place}" for place in _CZECH_PLACES), "ofn.jsonld"),
    **dict.fromkeys(("https://schema.org", "https://schema.org/docs/jsonldcontext.jsonld"), "schema.jsonld"),
}
"""Addresses of contexts -> files in ``contexts/``."""
_ODRL_KEYS = {"leftOperand", "operator", "action"}


def self_contained(document: Any) -> tuple[Any, set[str]]:
    """A document with every known context in place of its address.

    Terms that no context explains get the namespace :data:`namespaces.UNEXPLAINED`, so that no parser drops them.

    :returns: the document and the addresses of contexts that are not known.
    """
    unknown: set[str] = set()
    return _keeping_unexplained_terms(_with_contexts(_with_odrl_prefixes(document), unknown)), unknown


def _with_odrl_prefixes(value: Any) -> Any:
    """The Dataspace Protocol writes ODRL's terms without a prefix, and its context gives them no namespace."""
    if isinstance(value, list):
        return [_with_odrl_prefixes(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        key: f"odrl:{inner}"
        if key in _ODRL_KEYS and isinstance(inner, str) and ":" not in inner
        else _with_odrl_prefixes(inner)
        for key, inner in value.items()
        if key != "@context"
    } | ({"@context": value["@context"]} if "@context" in value else {})


def _with_contexts(value: Any, unknown: set[str]) -> Any:
    """The value with known contexts written out; addresses of others are added to ``unknown``."""
    if isinstance(value, dict):
        return {
            key: _context(inner, unknown) if key == "@context" else _with_contexts(inner, unknown)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_with_contexts(inner, unknown) for inner in value]
    return value


def _keeping_unexplained_terms(document: Any) -> Any:
    if isinstance(document, list):
        return [_keeping_unexplained_terms(part) for part in document]
    if isinstance(document, dict) and "@context" in document:
        own = document["@context"]
        return document | {"@context": [{"@vocab": namespaces.UNEXPLAINED}, *(own if isinstance(own, list) else [own])]}
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
        return imported | _with_contexts({key: inner for key, inner in value.items() if key != "@import"}, unknown)
    return value


def _pinned(address: str, unknown: set[str]) -> Any:
    """The context with this address; for one that is not known, the usual prefixes."""
    plain_address = unicodedata.normalize("NFC", unquote(address))
    file = PINNED.get(re.sub("^http:", "https:", plain_address.rstrip("/")))
    if file is None:
        unknown.add(address)
        return repair.PREFIXES
    return _context(_read(file), unknown)


@cache
def _read(file: str) -> Any:
    return json.loads((CONTEXTS / file).read_bytes())["@context"]
