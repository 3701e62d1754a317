"""Licence and access of a record and of its distributions. Of several statements the strictest counts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from hub.dataspace.metadata import licences, terms_of_use, vocabularies
from hub.dataspace.metadata.literals import clean, is_link, language_tag
from hub.dataspace.metadata.namespaces import DCT, OWL, RDFS, SCHEMA, SKOS, Node, Term
from hub.dataspace.metadata.nodes import LABELS, LONGEST_TITLE, MOST_VALUES, NodeReader
from hub.dataspace.models import Access, Distribution, Licence, LicenceClass, Text

_PUBLIC_ADDRESSES = re.compile(
    r"publications\.europa\.eu/resource/authority/access-right/public|purl\.org/coar/access_right/c_abf2|"
    r"inspire\.ec\.europa\.eu/metadata-codelist/limitationsonpublicaccess/nolimitations?"
)
_RESTRICTED_ADDRESSES = re.compile(
    r".*/access-right/(?:restricted|non_public|confidential|sensitive)|.*/coar/access_right/c_(?:16ec|14cb|f1cf)|"
    r".*/limitationsonpublicaccess/inspire_directive_article13_.*"
)
_SILENT_ADDRESSES = re.compile(r"publications\.europa\.eu/resource/authority/access-right/op_datpro")
"""Terms of the EU authority table, INSPIRE and COAR: host without ``www.``, and path, in lower case. What restricts
counts at any host."""
_PUBLIC_WORDS = frozenset((
    *("public", "open", "open access", "open data", "openaccess", "unrestricted", "non restricted", "public access"),
    *("no restriction", "no restrictions", "no access restriction", "no access restrictions", "no limitation"),
    *("no limitations", "no limitation on public access", "no limitations on public access"),
    *("no limitations to public access", "there are no limitations on public access"),
    *("no restrictions on public access", "no restrictions to public access"),
    *("this resource has no access restriction", "this resource has no access restrictions", "without restrictions"),
    *("öffentlich", "öffentlich zugänglich", "keine einschränkungen", "keine beschränkungen"),
    *("es gelten keine zugriffsbeschränkungen", "openbaar", "geen beperkingen", "publiek", "accès public"),
    *("aucune restriction", "sans restriction", "pas de restriction d accès public", "accès ouvert"),
    *("público", "acceso público", "sin restricciones", "pubblico", "accesso pubblico", "nessuna limitazione"),
    *("acesso público", "offentlig", "offentligt", "julkinen", "avoin", "publiczny", "veřejné", "javno", "javni"),
    *("info eu repo semantics openaccess",),
))  # fmt: skip
"""Whole statements that say that access is public, as :func:`_plain` writes them."""
_RESTRICTED_WORDS = re.compile(
    r"(?:restricted|confidential|not public|non public|nonpublic|no public access|embargoed)\b.*|"
    r"closed|closed access|private|sensitive|restricted public|nicht öffentlich|vertraulich|niet openbaar|"
    r"accès restreint|confidentiel|info eu repo semantics (?:closed|restricted|embargoed)access"
)
"""Statements that say that access is restricted: by their first words, or as a whole."""
_SAME_LICENCE = (SKOS + "exactMatch", OWL + "sameAs", DCT + "source", DCT + "identifier", SCHEMA + "url")


# -- licences ---------------------------------------------------------------------------------------------------------


def licence(reader: NodeReader, node: Node) -> Licence:
    """The strictest of the licences stated. ``dct:rights`` counts only where it names a licence."""
    terms = (*node.get(DCT + "license", ())[:MOST_VALUES], *terms_of_use.licences(reader, node))
    stated = [_licence(reader, term) for term in terms]
    of_rights = (_licence(reader, term) for term in node.get(DCT + "rights", ())[:MOST_VALUES])
    named = [candidate for candidate in of_rights if candidate.kind != LicenceClass.BESPOKE]
    return strictest_licence([*stated, *named]) or Licence()


def strictest_licence(candidates: Iterable[Licence]) -> Licence | None:
    """The first licence of the strictest class; None if none of them states any."""
    stated = [candidate for candidate in candidates if candidate.kind != LicenceClass.NOT_STATED]
    strictest_kind = licences.strictest(candidate.kind for candidate in stated)
    return next((candidate for candidate in stated if candidate.kind == strictest_kind), None)


def licence_of_record(own: Licence, distributions: Sequence[Distribution]) -> Licence:
    """The strictest of the record's own licence, its files' and their services'."""
    others = (each for file in distributions for each in (file.licence, file.service.licence))
    return strictest_licence([own, *others]) or own


def _licence(reader: NodeReader, term: Term) -> Licence:
    value = clean(term[1])
    if term[0] == "l" and not is_link(value):
        return _classified("", {language_tag(term): value[:LONGEST_TITLE]} if value else {})
    about = reader.about(term[1])
    uri = "" if value.startswith("_:") else value
    if without_rights := terms_of_use.not_protected(uri):
        return without_rights
    if label := vocabularies.licence_label(uri):
        return Licence(uri=uri, label=label, kind=licences.classify(uri))
    label = reader.text(about, *LABELS, longest=LONGEST_TITLE)
    stated = _classified(uri, label)
    if stated.kind not in (LicenceClass.BESPOKE, LicenceClass.NOT_STATED) or licences.is_narrower(uri, label.values()):
        return stated
    # A portal's own licence may name a known one as the same, or its type.
    kinds = [licences.classify(name) for name in reader.values(about, *_SAME_LICENCE)]
    kinds = [kind for kind in kinds if kind != LicenceClass.BESPOKE]
    kinds = kinds or [licences.classify(name) for name in reader.values(about, DCT + "type")]
    return stated.model_copy(update={"kind": licences.strictest(kinds)}) if kinds else stated


def _classified(uri: str, label: Text) -> Licence:
    """A licence of the strictest class that its name has in any language."""
    kinds = [licences.classify(uri, name) for name in label.values()] or [licences.classify(uri)]
    stated = [kind for kind in kinds if kind is not LicenceClass.NOT_STATED]
    return Licence(uri=uri, label=label, kind=licences.strictest(stated))


# -- access -----------------------------------------------------------------------------------------------------------


def access(reader: NodeReader, node: Node) -> tuple[Access, tuple[str, ...]]:
    """What a node states about access: public, restricted or not stated; and what it states in words.

    The words are every statement that is neither a known term nor a known text as a whole: a person has to read them.
    """
    stated, words = Access.NOT_STATED, list[str]()
    for text in dict.fromkeys((*_statements(reader, node), *terms_of_use.personal_data(reader, node))):
        known = _known_access(text)
        if known is None:
            words.append(text[:LONGEST_TITLE])
        else:
            stated = strictest_access((stated, known))
    return stated, tuple(words)


def strictest_access(candidates: Iterable[Access]) -> Access:
    """The strictest statement; ``not-stated`` if there is none."""
    order = (Access.NOT_STATED, Access.PUBLIC, Access.CONTRACT, Access.RESTRICTED)
    return max(candidates, key=order.index, default=Access.NOT_STATED)


def access_of_record(own: Access, words: Sequence[str], files: Sequence[Distribution], *, has_policies: bool) -> Access:
    """The strictest of the record's own statement, its files' and their services'; by contract if there are policies
    (``has_policies``: of the record) and no address. Words that nobody has read make public access ``not-stated``.
    """
    has_policies = has_policies or any(file.policies or file.service.policies for file in files)
    has_address = any(file.download_url or file.access_url for file in files)
    by_contract = Access.CONTRACT if has_policies and not has_address else Access.NOT_STATED
    of_files = (each for file in files for each in (file.access, file.service.access))
    stated = strictest_access((own, by_contract, *of_files))
    unread = words or any(file.rights_in_words or file.service.rights_in_words for file in files)
    return Access.NOT_STATED if stated == Access.PUBLIC and unread else stated


def _statements(reader: NodeReader, node: Node) -> Iterator[str]:
    """Texts and addresses about access, and of ``dct:rights`` what is no licence."""
    for term in node.get(DCT + "accessRights", ())[:MOST_VALUES]:
        yield from _texts(reader, term)
    for term in node.get(DCT + "rights", ())[:MOST_VALUES]:
        if _licence(reader, term).kind == LicenceClass.BESPOKE:
            yield from _texts(reader, term)


def _texts(reader: NodeReader, term: Term) -> Iterator[str]:
    """A literal; a known address; else the labels and descriptions of a node, or its address if it has none."""
    value = clean(term[1])
    if term[0] == "l" or _known_access(value) is not None:
        if value:
            yield value
        return
    about = reader.about(term[1])
    texts = list(reader.values(about, *LABELS, DCT + "description", RDFS + "comment", SKOS + "altLabel"))
    yield from texts
    if not texts and not value.startswith("_:"):
        yield value


def _known_access(text: str) -> Access | None:
    """Access by a known address or by a text that is known as a whole; None if it has to be read."""
    if is_link(text):
        parts = urlsplit(text)
        place = (parts.netloc.removeprefix("www.") + parts.path.rstrip("/")).lower()
        if _RESTRICTED_ADDRESSES.fullmatch(place):
            return Access.RESTRICTED
        if _SILENT_ADDRESSES.fullmatch(place):
            return Access.NOT_STATED
        return Access.PUBLIC if _PUBLIC_ADDRESSES.fullmatch(place) else None
    plain = _plain(text)
    if plain in _PUBLIC_WORDS:
        return Access.PUBLIC
    return Access.RESTRICTED if _RESTRICTED_WORDS.fullmatch(plain) else None


def _plain(text: str) -> str:
    """A text in lower case, with one space for each run of spaces and punctuation."""
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()
