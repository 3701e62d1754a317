"""DCAT in: nodes of a catalogue -> records. Pure; what the nodes say is never trusted to be of the right kind."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain
from typing import Any, Protocol
from urllib.parse import urlsplit

from hub.dataspace.metadata import odrl, vocabularies
from hub.dataspace.metadata.namespaces import (
    ADMS,
    DCAT,
    DCATAPIT,
    DCT,
    EDC,
    FOAF,
    IT6,
    KINDS,
    LOCN,
    ODRL,
    OWL,
    PROV,
    RDF,
    RDFS,
    SCHEMA,
    SKOS,
    SPDX,
    TIME,
    VCARD,
    WKT,
    Node,
    Term,
)
from hub.dataspace.models import (
    Access,
    Agent,
    Checksum,
    Distribution,
    Kind,
    Licence,
    LicenceClass,
    Record,
    Text,
)

LONGEST_TITLE = 1000
LONGEST_TEXT = 50_000
MOST_VALUES = 200
MOST_EXTRAS = 100
MOST_BRANCHES = 5000
"""Of all trees of one record: a few nodes that point at each other would otherwise grow without end."""
MOST_THINGS = 500
"""Looked at for one record."""
_EXTRA_DEPTH = 4
_POLICY_DEPTH = 10
_LABELS = (FOAF + "name", VCARD + "fn", VCARD + "hasFN", VCARD + "organization-name", VCARD + "hasOrganizationName",
           VCARD + "organization-unit", DCT + "title", RDFS + "label", SCHEMA + "name", SKOS + "prefLabel")  # fmt: skip
_DESCRIPTIONS = (DCT + "description", DCT + "abstract", IT6 + "shortDescription", SCHEMA + "description",
                 RDFS + "comment")  # fmt: skip
_MEDIA_TYPES = (DCAT + "mediaType", DCT + "mediaType")
_SUBJECTS = (DCAT + "theme", DCT + "subject")
_SERVED = {"http", "https", "s3"}


class Nodes(Protocol):
    """Where nodes are looked up; somebody unknown is an empty node."""

    def about(self, identity: str) -> Node: ...


def kind_of(node: Node) -> Kind | None:
    """What sort of record a node is; None for all that are none."""
    types = {term[1] for term in node.get(RDF + "type", ())}
    found = [KINDS[name] for name in types if name in KINDS]
    # A series is a dataset as well, and says the more special thing.
    return max(found, key=list(Kind).index, default=None)


def record(identity: str, nodes: Nodes) -> Record | None:
    """The record that ``identity`` is, or None when it is none (a connector without a title is only a connector)."""
    node = nodes.about(identity)
    kind = kind_of(node)
    if kind is None:
        return None
    read = _Reader(nodes)
    title = read.text(node, DCT + "title", RDFS + "label", SCHEMA + "name", EDC + "name", longest=LONGEST_TITLE)
    if not title and kind == Kind.SERVICE:
        return None
    distributions = tuple(read.distributions(node, kind))
    policies = tuple(read.tree(term, _POLICY_DEPTH) for term in node.get(ODRL + "hasPolicy", ()) if term[0] == "i")
    return Record(
        uri=identity,
        kind=kind,
        title=title or {"und": _fallback_title(identity, read.first(node, DCT + "identifier"))},
        description=read.text(node, *_DESCRIPTIONS),
        keywords=read.keywords(node),
        themes=read.themes(node),
        publisher=next(read.agents(node, DCT + "publisher", IT6 + "hasProvider"), Agent()),
        creators=tuple(read.agents(node, DCT + "creator", IT6 + "hasUploader")),
        contact=tuple(read.agents(node, DCAT + "contactPoint", ADMS + "contactPoint")),
        languages=tuple(dict.fromkeys(read.languages(node))),
        licence=_licence_of(read.licence(node), distributions),
        access=read.access(node, distributions, bool(policies)),
        access_rights=read.labels(node, DCT + "accessRights"),
        issued=read.date(node, DCT + "issued", DCT + "created"),
        modified=read.date(node, DCT + "modified"),
        version=read.first(node, DCAT + "version", OWL + "versionInfo", SCHEMA + "version")[:100],
        landing_page=read.link(node, DCAT + "landingPage", FOAF + "page", IT6 + "hasRepository", SCHEMA + "url"),
        distributions=distributions,
        policies=tuple(tree for tree in policies if isinstance(tree, dict)),
        provenance=read.labels(node, DCT + "provenance"),
        origins=tuple(
            read.values(node, DCT + "source", PROV + "wasDerivedFrom", IT6 + "trainedOn", IT6 + "fineTunedFrom")
        ),
        spatial=tuple(read.places(node)),
        temporal=tuple(read.periods(node)),
        frequency=re.split("[/#]", read.first(node, DCT + "accrualPeriodicity"))[-1],
        conforms_to=tuple(read.values(node, DCT + "conformsTo")),
        extra=read.further(node, _READ),
    )


def named(found: Record, node: Node, where: str, more: str = "") -> Record:
    """A record that its source gives no address gets one from what tells it from others there.

    :param more: what tells it from another one that is said to be the same.
    """
    told = next((term[1] for term in node.get(DCT + "identifier", ())), "")
    pages = sorted(term[1] for term in node.get(DCAT + "landingPage", ()))
    sign = more + (told or json.dumps([pages, found.title, found.publisher.name], sort_keys=True))
    return found.model_copy(update={"uri": f"{where}#{hashlib.sha256(sign.encode()).hexdigest()[:16]}"})


def content_hash(found: Record) -> str:
    """Same content, same hash; blank nodes have no names in it that could differ from page to page."""
    return hashlib.sha256(found.model_dump_json().encode()).hexdigest()


def statements(identity: str, nodes: Nodes) -> Iterator[tuple[str, str, Term]]:
    """Everything that is said about a record and the things it is made of; what other records are is not."""
    waiting, done = [identity], set[str]()
    while waiting and len(done) < MOST_THINGS:
        name = waiting.pop(0)
        if name in done:
            continue
        done.add(name)
        node = nodes.about(name)
        if name != identity and kind_of(node) is not None:
            continue
        for predicate, terms in node.items():
            for term in terms[:MOST_VALUES]:
                yield name, predicate, term
                if term[0] == "i" and term[1] not in done:
                    waiting.append(term[1])


class _Reader:
    """Reads one record's neighbourhood."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._branches_left = MOST_BRANCHES
        self._themes: dict[str, str | None] = {}

    def values(self, node: Node, *predicates: str) -> Iterator[str]:
        """Plain values, without blank nodes."""
        for predicate in predicates:
            for term in node.get(predicate, ())[:MOST_VALUES]:
                if not str(term[1]).startswith("_:") and (value := clean(term[1])):
                    yield value

    def first(self, node: Node, *predicates: str) -> str:
        return next(self.values(node, *predicates), "")

    def text(self, node: Node, *predicates: str, longest: int = LONGEST_TEXT) -> Text:
        """A text by language, from the first predicate that has one."""
        for predicate in predicates:
            found = {
                _tag(term): clean(term[1])[:longest]
                for term in reversed(node.get(predicate, ())[:MOST_VALUES])
                if term[0] == "l" and term[1].strip()
            }
            if found:
                return dict(sorted(found.items()))
        return {}

    def labels(self, node: Node, predicate: str) -> Text:
        """A text that is there as itself, or as the label of a thing; else the thing's name."""
        found = self.text(node, predicate)
        for term in node.get(predicate, ())[:MOST_VALUES]:
            if term[0] == "i" and not found:
                other = self._nodes.about(term[1])
                found = self.text(other, *_LABELS, DCT + "description", RDFS + "comment")
                if not found and not term[1].startswith("_:"):
                    found = {"und": clean(term[1])}
        return found

    def link(self, node: Node, *predicates: str) -> str:
        return next((value for value in self.values(node, *predicates) if is_link(value)), "")

    def date(self, node: Node, *predicates: str) -> date | None:
        return next(filter(None, map(_date, self.values(node, *predicates))), None)

    def languages(self, node: Node) -> Iterator[str]:
        for value in self.values(node, DCT + "language"):
            yield from filter(None, map(vocabularies.language, re.split("[,;]", value)))

    def keywords(self, node: Node) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        terms = [term for term in node.get(DCAT + "keyword", ())[:MOST_VALUES] if term[0] == "l"]
        for term in terms:
            # A list in one text is as good as several.
            words = re.split("[,;]", term[1]) if len(terms) == 1 else [term[1]]
            for word in filter(None, map(clean, words)):
                found.setdefault(_tag(term), []).append(word[:200])
        for term in self._other_themes(node):
            named = {_tag(term): clean(term[1])} if term[0] == "l" else self._names(term)
            for tag, word in named.items():
                found.setdefault(tag.lower()[:20], []).append(word[:200])
        return {tag: tuple(sorted(set(words))) for tag, words in sorted(found.items())}

    def themes(self, node: Node) -> tuple[str, ...]:
        terms = (term for predicate in _SUBJECTS for term in node.get(predicate, ())[:MOST_VALUES])
        return tuple(sorted(set(filter(None, map(self._theme, terms)))))

    def _theme(self, term: Term) -> str | None:
        """By its address, what it is or what it is called."""
        if term[1] not in self._themes:
            names = () if term[0] == "l" else self._names(term).values()
            codes = map(vocabularies.theme, (clean(term[1]), *names))
            self._themes[term[1]] = next(filter(None, codes), None)
        return self._themes[term[1]]

    def _other_themes(self, node: Node) -> Iterator[Term]:
        """Those of vocabularies of others: what they are called is found like a keyword."""
        for predicate in _SUBJECTS:
            yield from (term for term in node.get(predicate, ())[:MOST_VALUES] if not self._theme(term))

    def _names(self, term: Term) -> Text:
        return self.text(self._nodes.about(term[1]), *_LABELS, longest=200)

    def agents(self, node: Node, *predicates: str) -> Iterator[Agent]:
        for predicate in predicates:
            for term in node.get(predicate, ())[:MOST_VALUES]:
                yield self._agent(term)

    def _agent(self, term: Term) -> Agent:
        if term[0] == "l":
            return Agent(name={_tag(term): clean(term[1])[:LONGEST_TITLE]})
        about = self._nodes.about(term[1])
        uri = "" if term[1].startswith("_:") else clean(term[1])
        email = self._email(about) or (_email(uri) if uri.lower().startswith("mailto:") else "")
        return Agent(
            uri=uri,
            name=self.text(about, *_LABELS, longest=LONGEST_TITLE) or ({"und": email or uri} if email or uri else {}),
            email=email,
            homepage=self.link(
                about, FOAF + "homepage", VCARD + "hasURL", VCARD + "url", FOAF + "workplaceHomepage", SCHEMA + "url"
            ),
        )

    def _email(self, about: Node) -> str:
        for predicate in (VCARD + "hasEmail", FOAF + "mbox", VCARD + "email", SCHEMA + "email"):
            for term in about.get(predicate, ()):
                told = term[1]
                if told.startswith("_:"):
                    told = self.first(self._nodes.about(told), VCARD + "hasValue", VCARD + "value")
                if found := _email(told):
                    return found
        return ""

    def licence(self, node: Node) -> Licence:
        """Of several the one that asks most. Rights count where they name a licence; what else they say does not."""
        if stated := _strictest([self._licence(term) for term in node.get(DCT + "license", ())[:MOST_VALUES]]):
            return stated
        rights = (self._licence(term) for term in node.get(DCT + "rights", ())[:MOST_VALUES])
        return _strictest([licence for licence in rights if licence.kind != LicenceClass.BESPOKE]) or Licence()

    def _licence(self, term: Term) -> Licence:
        told = clean(term[1])
        if term[0] == "l" and not is_link(told):
            return _licence("", {_tag(term): told[:LONGEST_TITLE]} if told else {})
        about = self._nodes.about(term[1])
        uri = "" if told.startswith("_:") else told
        label = vocabularies.licence_label(uri) or self.text(about, *_LABELS, longest=LONGEST_TITLE)
        found = _licence(uri, label)
        if found.kind in (LicenceClass.BESPOKE, LicenceClass.NOT_STATED):
            # A portal's own name for a licence that it says is the same as a known one, or of what type it is.
            same = self.values(
                about, SKOS + "exactMatch", OWL + "sameAs", DCT + "source", DCT + "identifier", SCHEMA + "url"
            )
            kinds: list[LicenceClass] = [kind for kind in map(odrl.classify, same) if kind != LicenceClass.BESPOKE]
            kinds = kinds or [odrl.classify(value) for value in self.values(about, DCT + "type")]
            return found.model_copy(update={"kind": odrl.strictest(kinds)}) if kinds else found
        return found

    def access(self, node: Node, distributions: Sequence[Distribution], offers: bool) -> Access:
        files = (self._nodes.about(term[1]) for term in node.get(DCAT + "distribution", ())[:MOST_VALUES])
        told = self._access_words(node) or " ".join(map(self._access_words, files))
        if re.search(_CLOSED, told):
            return Access.RESTRICTED
        offers = offers or any(distribution.policies for distribution in distributions)
        direct = any(distribution.download_url or distribution.access_url for distribution in distributions)
        if offers and not direct:
            return Access.CONTRACT
        if re.search(_ACCESSIBLE, told):
            return Access.PUBLIC
        return Access.NOT_STATED

    def _access_words(self, node: Node) -> str:
        """What a thing says about access to it; of an address only its end: ``publications`` is not ``public``."""
        if not (node.get(DCT + "accessRights") or node.get(DCT + "rights")):
            return ""
        told = [*self.values(node, DCT + "accessRights"), *self.labels(node, DCT + "accessRights").values()]
        told += [value for value in self.values(node, DCT + "rights") if "/access-right/" in value]
        words = (
            "/".join(urlsplit(value).path.rstrip("/").rsplit("/", 2)[1:]) if is_link(value) else value for value in told
        )
        return re.sub(_NO_LIMITS, "open", " ".join(words).lower().replace("_", " "))

    def places(self, node: Node) -> Iterator[str]:
        for term in node.get(DCT + "spatial", ())[:MOST_VALUES]:
            about = self._nodes.about(term[1]) if term[0] == "i" else {}
            label = vocabularies.in_language(self.text(about, *_LABELS, LOCN + "geographicName"), "en")
            named = self.first(about, DCT + "identifier", DCATAPIT + "geographicalIdentifier", LOCN + "adminUnitL2")
            told = label or self._geometry(about) or named or ("" if term[1].startswith("_:") else clean(term[1]))
            if told:
                yield told[:2000]

    def _geometry(self, about: Node) -> str:
        """As WKT or GeoJSON if it is there in one of these; GML says the same in more words."""
        inner = (self._nodes.about(term[1]) for term in about.get(LOCN + "geometry", ()) if term[0] == "i")
        shapes = [*self.values(about, DCAT + "bbox", LOCN + "geometry", DCAT + "centroid", WKT)]
        shapes += [value for node in inner for value in self.values(node, WKT)]
        return next((shape for shape in shapes if not shape.startswith("<gml")), shapes[0] if shapes else "")

    def periods(self, node: Node) -> Iterator[tuple[str, str]]:
        for term in node.get(DCT + "temporal", ())[:MOST_VALUES]:
            about = self._nodes.about(term[1]) if term[0] == "i" else {}
            start = self._moment(about, "startDate", TIME + "hasBeginning")
            end = self._moment(about, "endDate", TIME + "hasEnd")
            if not start and not end:
                told = clean(term[1]) if term[0] == "l" else self.first(about, RDF + "value")
                parts = [part.strip()[:30] for part in told.split("/")]  # an interval of ISO 8601
                start, end = parts if len(parts) == 2 and any(map(_date, parts)) else ("", "")
            if start or end:
                yield start, end

    def _moment(self, about: Node, name: str, instant: str) -> str:
        told = self.first(about, DCAT + name, SCHEMA + name, DCATAPIT + name)
        for term in about.get(instant, ()):
            at = self._nodes.about(term[1]) if term[0] == "i" else {}
            told = told or self.first(at, *(key for key in sorted(at) if key.startswith(TIME + "inXSD")))
        return told[:30]

    def distributions(self, node: Node, kind: Kind) -> Iterator[Distribution]:
        told = set[str]()
        for predicate in (DCAT + "distribution", ADMS + "sample", IT6 + "hasFile"):
            for term in node.get(predicate, ())[:MOST_VALUES]:
                found = self._distribution(term[1], is_file=predicate == IT6 + "hasFile")
                told |= {found.access_url, found.endpoint_url}
                yield found
        if kind == Kind.SERVICE and (endpoint := self.link(node, DCAT + "endpointURL")):
            yield Distribution(access_url=endpoint, endpoint_url=endpoint)
        by_contract = bool(node.get(ODRL + "hasPolicy"))
        for term in node.get(DCAT + "accessService", ())[:MOST_VALUES]:
            service = self._nodes.about(term[1])
            endpoint = self.link(service, DCAT + "endpointURL")
            if endpoint and endpoint not in told:
                title = self.text(service, DCT + "title", longest=LONGEST_TITLE)
                yield Distribution(title=title, access_url="" if by_contract else endpoint, endpoint_url=endpoint)

    def _distribution(self, identity: str, *, is_file: bool) -> Distribution:
        node = self._nodes.about(identity)
        policies = (self.tree(term, _POLICY_DEPTH) for term in node.get(ODRL + "hasPolicy", ()) if term[0] == "i")
        # A model's file is an address; a distribution that is described nowhere is only a name.
        own = clean(identity) if is_file and is_link(identity) else ""
        return Distribution(
            uri="" if identity.startswith("_:") else clean(identity),
            title=self.text(node, DCT + "title", RDFS + "label", longest=LONGEST_TITLE),
            description=self.text(node, DCT + "description"),
            access_url=self.link(node, DCAT + "accessURL", IT6 + "url", SCHEMA + "url") or own,
            download_url=self.link(node, DCAT + "downloadURL"),
            endpoint_url=self._endpoint(node),
            format=self._format(node),
            media_type=self._media_type(node),
            packaging=vocabularies.file_type(self.first(node, DCAT + "compressFormat", DCAT + "packageFormat")),
            bytes=_count(self.first(node, DCAT + "byteSize")),
            checksum=self._checksum(node),
            licence=self.licence(node),
            rights=self.labels(node, DCT + "rights"),
            modified=self.date(node, DCT + "modified", DCT + "issued"),
            policies=tuple(tree for tree in policies if isinstance(tree, dict)),
            extra=self.further(node, _READ_OF_DISTRIBUTIONS),
        )

    def _endpoint(self, node: Node) -> str:
        for term in node.get(DCAT + "accessService", ()):
            if found := self.link(self._nodes.about(term[1]), DCAT + "endpointURL"):
                return found
        return ""

    def _format(self, node: Node) -> str:
        for predicate in (DCT + "format", *_MEDIA_TYPES, IT6 + "format"):
            for term in node.get(predicate, ()):
                told = clean(term[1])
                if term[0] == "i" and not re.search("/file-type/|/media-types/", told):
                    about = self._nodes.about(term[1])
                    own = vocabularies.in_language(self.text(about, *_LABELS, RDF + "value"), "en")
                    told = own or ("" if told.startswith("_:") else told)
                if told:
                    return vocabularies.file_type(told)
        return ""

    def _media_type(self, node: Node) -> str:
        told = (value.rpartition("media-types/")[2] for value in self.values(node, *_MEDIA_TYPES, DCT + "format"))
        return next((value.lower() for value in told if re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,80}", value)), "")

    def _checksum(self, node: Node) -> Checksum | None:
        for term in [*node.get(SPDX + "checksum", ()), *node.get(IT6 + "checksum", ())][:1]:
            about = self._nodes.about(term[1])
            value = self.first(about, SPDX + "checksumValue").lower()
            told = re.sub("[^a-z0-9]", "", self.first(about, SPDX + "algorithm").lower()).rpartition("algorithm")[2]
            if re.fullmatch(r"[0-9a-f]{32,128}", value):
                named = (name for name in _DIGITS if told.endswith(name))
                by_length = (name for name, digits in _DIGITS.items() if not told and digits == len(value))
                return Checksum(algorithm=next(chain(named, by_length), told[:40]), value=value)
        return None

    def further(self, node: Node, read: frozenset[str]) -> dict[str, tuple[Any, ...]]:
        """Everything nobody above has read."""
        kept = [name for name in sorted(node) if name not in read or not self._is_read(name, node)][:MOST_EXTRAS]
        return {name: tuple(self.tree(term, _EXTRA_DEPTH) for term in node[name][:MOST_VALUES]) for name in kept}

    def _is_read(self, name: str, node: Node) -> bool:
        """Of predicates that are read, some have values that no field has room for."""
        if name in (DCAT + "accessURL", DCAT + "downloadURL"):
            return bool(self.link(node, name))
        return name != DCAT + "theme" or all(map(self._theme, node[name][:MOST_VALUES]))

    def tree(self, term: Term, depth: int, path: tuple[str, ...] = ()) -> Any:
        """A term with everything below it, as JSON-LD in expanded form would have it; circles are cut."""
        if term[0] == "l":
            told = {"@value": clean(term[1])[:LONGEST_TEXT], "@language": term[2], "@type": term[3]}
            return {key: value for key, value in told.items() if value} or {"@value": ""}
        self._branches_left -= 1
        about = self._nodes.about(term[1]) if depth and term[1] not in path and self._branches_left > 0 else {}
        if kind_of(about) is not None and ODRL + "permission" not in about:
            about = {}  # another record: it is told elsewhere, its name is enough
        if RDF + "first" in about:
            return self._list(term, depth, path)
        found: dict[str, Any] = {} if term[1].startswith("_:") else {"@id": clean(term[1])}
        for predicate, terms in sorted(about.items()):
            if predicate == RDF + "type":
                found["@type"] = sorted(str(one[1]) for one in terms)
            else:
                found[predicate] = [self.tree(one, depth - 1, (*path, term[1])) for one in terms[:MOST_VALUES]]
        return found

    def _list(self, term: Term, depth: int, path: tuple[str, ...]) -> Any:
        """An RDF list, whose length is no depth. One that does not end as it should keeps its ``rest``."""
        members: list[Any] = []
        seen: set[str] = set()
        while term[1] != RDF + "nil":
            cell = self._nodes.about(term[1])
            first, rest = cell.get(RDF + "first", ()), cell.get(RDF + "rest", ())
            self._branches_left -= 1
            whole = len(first) == len(rest) == 1 and rest[0][0] == "i"
            if not whole or term[1] in seen or len(members) >= MOST_VALUES or self._branches_left <= 0:
                return {"@list": members, RDF + "rest": [{"@id": clean(term[1])}]}
            seen.add(term[1])
            members.append(self.tree(first[0], depth - 1, (*path, term[1])))
            term = rest[0]
        return {"@list": members}


_READ = frozenset((
    RDF + "type",
    ODRL + "hasPolicy",
    FOAF + "page",
    *(DCT + name for name in ("title", "description", "publisher", "creator", "language", "license", "accessRights")),
    *(DCT + name for name in ("issued", "created", "modified", "provenance", "source", "spatial", "temporal")),
    *(DCT + name for name in ("accrualPeriodicity", "conformsTo", "subject", "identifier")),
    *(DCAT + name for name in ("keyword", "theme", "contactPoint", "version", "landingPage", "distribution")),
    DCAT + "accessService",
    *(IT6 + name for name in ("hasFile", "trainedOn", "fineTunedFrom", "hasProvider", "hasUploader", "hasRepository")),
    ADMS + "sample",
    ADMS + "contactPoint",
    PROV + "wasDerivedFrom",
))  # fmt: skip
_READ_OF_DISTRIBUTIONS = frozenset((
    RDF + "type",
    ODRL + "hasPolicy",
    SPDX + "checksum",
    *(DCT + name for name in ("title", "description", "format", "license", "rights", "issued", "modified")),
    DCT + "identifier",
    *(DCAT + name for name in ("accessURL", "downloadURL", "accessService", "mediaType", "byteSize")),
    *(DCAT + name for name in ("compressFormat", "packageFormat")),
    *(IT6 + name for name in ("url", "format", "checksum")),
))  # fmt: skip
_DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""Checksums, by how many hexadecimal digits they have."""
_NO_LIMITS = (
    r"limitationsonpublicaccess/nolimitations?|"
    r"\b(no|without|sans|aucune|keine?)\b[\w ]{0,20}(restric|limit|beschr)\w*"
)
_CLOSED = (
    r"\bno[nt][-_ ]?(public|open)|restrict|restreint|confidential|vertraulich|sensitive|closed|private|embargo|"
    r"beschränkt|limitationsonpublicaccess|nicht öffentlich|c[ _](16ec|14cb|f1cf)\b"
)
"""How sources say that not everybody gets it: words, the EU authority's, INSPIRE's and COAR's terms."""
_ACCESSIBLE = r"\bpublic\b|\bopen|öffentlich|c[ _]abf2\b"


def _strictest(stated: Sequence[Licence]) -> Licence | None:
    stated = [licence for licence in stated if licence.kind != LicenceClass.NOT_STATED]
    if len(stated) < 2:
        return stated[0] if stated else None
    hardest = odrl.strictest(licence.kind for licence in stated)
    return next((licence for licence in stated if licence.kind == hardest), None)


def _licence(uri: str, label: Text) -> Licence:
    return Licence(uri=uri, label=label, kind=odrl.classify(uri, vocabularies.in_language(label, "en")))


def _licence_of(own: Licence, distributions: Sequence[Distribution]) -> Licence:
    """The record's own licence, or the strictest among its distributions'."""
    if own.kind != LicenceClass.NOT_STATED:
        return own
    return _strictest([distribution.licence for distribution in distributions]) or own


def _fallback_title(identity: str, identifier: str) -> str:
    return (identifier or identity.rstrip("/").rsplit("/", 1)[-1] or identity)[:LONGEST_TITLE]


def clean(text: str) -> str:
    """Without control characters, and without the signs that turn the direction of what follows."""
    return _CONTROLS.sub("", str(text)).strip()


_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def is_link(value: str) -> bool:
    """Whether an address may stand behind a link: http, https or s3, with a host, without signs that end a tag."""
    if re.search(r"[\s<>\"{}|\\^`]", value) or len(value) > 2000:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme.lower() in _SERVED and bool(parts.hostname)
    except ValueError:
        return False


def _tag(term: Term) -> str:
    """BCP 47 has two letters where there are two: ``deu`` is ``de``."""
    tag = (term[2] or "und").lower().replace("_", "-")[:20]
    first, dash, rest = tag.partition("-")
    if len(first) != 3 or first == "und":
        return str(tag)
    return (vocabularies.language(first) or first) + dash + rest


def _email(told: str) -> str:
    """An address of a mailbox; a source that forgets ``mailto:`` has it as the end of an address of its own."""
    told = re.sub("^mailto:", "", clean(told), flags=re.I).partition("?")[0].strip()
    if is_link(told):
        told = told.rsplit("/", 1)[-1]
    return told[:200] if re.fullmatch(r"[^@\s<>\"'/:]+@[^@\s<>\"'/:]+", told) else ""


def _date(text: str) -> date | None:
    """A day, or the first one of a month or year; 31.12.2020 is one as well, 1/2/2020 could be two."""
    found = re.match(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?))?|(\d\d)(\d\d))?(?!\d)", text)
    turned = re.fullmatch(r"(\d\d?)\.(\d\d?)\.(\d{4})", text)
    if turned:
        year, month, day = turned[3], turned[2], turned[1]
    elif found:
        year, month, day = found[1], found[2] or found[4] or "1", found[3] or found[5] or "1"
    else:
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def _count(text: str) -> int | None:
    """Bytes: a plain number, one with commas between thousands, or one with a unit."""
    found = re.fullmatch(r"([\d.,]+(?:e\+?\d+)?)\s*([kmgt]i?)?(?:b|o|bytes?|octets?)?", text.strip().lower())
    if not found:
        return None
    digits = found[1].replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d*)?", found[1]) else found[1]
    try:
        number = int(float(digits.replace(",", ".")) * _UNITS[found[2] or ""])
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 2**60 else None
