"""Licence and access of a record and of its distributions. Of several statements the strictest counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from hub.dataspace.metadata import licences, vocabularies
from hub.dataspace.metadata.literals import clean, is_link, language_tag
from hub.dataspace.metadata.namespaces import DCAT, DCT, OWL, SCHEMA, SKOS, Node, Term
from hub.dataspace.metadata.nodes import LABELS, LONGEST_TITLE, MOST_VALUES, NodeReader
from hub.dataspace.models import Access, Distribution, Licence, LicenceClass, Text

_NO_LIMITS = (
    r"limitationsonpublicaccess/nolimitations?|"
    r"\b(no|without|sans|aucune|keine?)\b[\w ]{0,20}(restric|limit|beschr)\w*"
)
_CLOSED = (
    r"\bno[nt][-_ ]?(public|open)|restrict|restreint|confidential|vertraulich|sensitive|closed|private|embargo|"
    r"beschränkt|limitationsonpublicaccess|nicht öffentlich|c[ _](16ec|14cb|f1cf)\b"
)
"""Restricted access, in the words of sources and in the terms of the EU authority table, INSPIRE and COAR."""
_ACCESSIBLE = r"\bpublic\b|\bopen|öffentlich|c[ _]abf2\b"
_SAME_LICENCE = (SKOS + "exactMatch", OWL + "sameAs", DCT + "source", DCT + "identifier", SCHEMA + "url")


def licence(reader: NodeReader, node: Node) -> Licence:
    """The strictest of the licences stated. ``dct:rights`` counts only where it names a licence."""
    stated = [_licence(reader, term) for term in node.get(DCT + "license", ())[:MOST_VALUES]]
    if strictest := _strictest(stated):
        return strictest
    rights = (_licence(reader, term) for term in node.get(DCT + "rights", ())[:MOST_VALUES])
    return _strictest([named for named in rights if named.kind != LicenceClass.BESPOKE]) or Licence()


def licence_of_record(own: Licence, distributions: Sequence[Distribution]) -> Licence:
    """The record's own licence, or the strictest of its distributions'."""
    if own.kind != LicenceClass.NOT_STATED:
        return own
    return _strictest([distribution.licence for distribution in distributions]) or own


def _licence(reader: NodeReader, term: Term) -> Licence:
    value = clean(term[1])
    if term[0] == "l" and not is_link(value):
        return _classified("", {language_tag(term): value[:LONGEST_TITLE]} if value else {})
    about = reader.about(term[1])
    uri = "" if value.startswith("_:") else value
    label = vocabularies.licence_label(uri) or reader.text(about, *LABELS, longest=LONGEST_TITLE)
    stated = _classified(uri, label)
    if stated.kind not in (LicenceClass.BESPOKE, LicenceClass.NOT_STATED):
        return stated
    # A portal's own licence may name a known one as the same, or its type.
    kinds = [licences.classify(name) for name in reader.values(about, *_SAME_LICENCE)]
    kinds = [kind for kind in kinds if kind != LicenceClass.BESPOKE]
    kinds = kinds or [licences.classify(name) for name in reader.values(about, DCT + "type")]
    return stated.model_copy(update={"kind": licences.strictest(kinds)}) if kinds else stated


def _classified(uri: str, label: Text) -> Licence:
    return Licence(uri=uri, label=label, kind=licences.classify(uri, vocabularies.in_language(label, "en")))


def _strictest(candidates: Sequence[Licence]) -> Licence | None:
    stated = [candidate for candidate in candidates if candidate.kind != LicenceClass.NOT_STATED]
    if len(stated) < 2:
        return stated[0] if stated else None
    strictest_kind = licences.strictest(candidate.kind for candidate in stated)
    return next((candidate for candidate in stated if candidate.kind == strictest_kind), None)


def access(reader: NodeReader, node: Node, distributions: Sequence[Distribution], *, has_policies: bool) -> Access:
    """How the data can be had: by the record's statement about access, else its files'; by contract if it has policies
    (``has_policies``: of its own) and no address.
    """
    files = (reader.about(term[1]) for term in node.get(DCAT + "distribution", ())[:MOST_VALUES])
    statement = _access_statement(reader, node) or " ".join(_access_statement(reader, file) for file in files)
    if re.search(_CLOSED, statement):
        return Access.RESTRICTED
    has_policies = has_policies or any(distribution.policies for distribution in distributions)
    has_address = any(distribution.download_url or distribution.access_url for distribution in distributions)
    if has_policies and not has_address:
        return Access.CONTRACT
    if re.search(_ACCESSIBLE, statement):
        return Access.PUBLIC
    return Access.NOT_STATED


def _access_statement(reader: NodeReader, node: Node) -> str:
    """Statements of a node about access, in lower case; of an address only its last two parts, without the host."""
    if not (node.get(DCT + "accessRights") or node.get(DCT + "rights")):
        return ""
    values = [*reader.values(node, DCT + "accessRights"), *reader.labels(node, DCT + "accessRights").values()]
    values += [value for value in reader.values(node, DCT + "rights") if "/access-right/" in value]
    shortened = (
        "/".join(urlsplit(value).path.rstrip("/").rsplit("/", 2)[1:]) if is_link(value) else value for value in values
    )
    return re.sub(_NO_LIMITS, "open", " ".join(shortened).lower().replace("_", " "))
