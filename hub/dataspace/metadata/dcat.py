"""Records out of the nodes of a DCAT catalogue. Pure; used by harvests, publications and quality checks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

from hub.dataspace.metadata import coverage, rights
from hub.dataspace.metadata.agents import agents
from hub.dataspace.metadata.distributions import DistributionReader
from hub.dataspace.metadata.namespaces import (
    ADMS,
    DCAT,
    DCT,
    EDC,
    FOAF,
    IT6,
    ODRL,
    OWL,
    PROV,
    RDF,
    RDFS,
    SCHEMA,
    Node,
    Term,
)
from hub.dataspace.metadata.nodes import LONGEST_TITLE, MOST_VALUES, NodeReader, Nodes, kind_of
from hub.dataspace.metadata.subjects import SubjectReader
from hub.dataspace.metadata.trees import TreeBuilder
from hub.dataspace.models import Agent, Kind, Record, Text

READING = 2
"""Grows when pages are read, or records put together, in another way: sources are read anew at their next harvest."""
MOST_NODES = 500
"""Nodes that belong to one record, at most."""
READ_PREDICATES = frozenset((
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
"""Properties of a record that have a field of their own; the others are kept in ``extra``."""
_TITLES = (DCT + "title", RDFS + "label", SCHEMA + "name", EDC + "name")
_DESCRIPTIONS = (DCT + "description", DCT + "abstract", IT6 + "shortDescription", SCHEMA + "description",
                 RDFS + "comment")  # fmt: skip
_ORIGINS = (DCT + "source", PROV + "wasDerivedFrom", IT6 + "trainedOn", IT6 + "fineTunedFrom")
_ISSUED = (DCT + "issued", DCT + "created")
_MODIFIED = DCT + "modified"
_PAGES = (DCAT + "landingPage", FOAF + "page", IT6 + "hasRepository", SCHEMA + "url")


def record(identity: str, nodes: Nodes) -> Record | None:
    """The record with this identity; None if the node is no record, or a service without a title (a bare connector)."""
    node = nodes.about(identity)
    kind = kind_of(node)
    if kind is None:
        return None
    reader, trees = NodeReader(nodes), TreeBuilder(nodes)
    subjects = SubjectReader(reader)
    title = reader.text(node, *_TITLES, longest=LONGEST_TITLE)
    if not title and kind == Kind.SERVICE:
        return None
    distributions, distributions_stated = DistributionReader(reader, trees).distributions(node, kind)
    policies = trees.policies(node)
    own_licence = rights.licence(reader, node)
    own_access, words = rights.access(reader, node)
    unread = {DCAT + "theme"} if subjects.has_other_themes(node) else set[str]()
    unread |= set(reader.without_date(node, *_ISSUED, _MODIFIED))
    return Record(
        uri=identity,
        kind=kind,
        title=title or _fallback_title(identity, reader.first(node, DCT + "identifier")),
        description=reader.text(node, *_DESCRIPTIONS),
        keywords=subjects.keywords(node),
        themes=subjects.themes(node),
        publisher=next(agents(reader, node, DCT + "publisher", IT6 + "hasProvider"), Agent()),
        creators=tuple(agents(reader, node, DCT + "creator", IT6 + "hasUploader")),
        contact=tuple(agents(reader, node, DCAT + "contactPoint", ADMS + "contactPoint")),
        languages=tuple(dict.fromkeys(coverage.languages(reader, node))),
        licence=rights.licence_of_record(own_licence, distributions),
        own_licence=own_licence,
        access=rights.access_of_record(own_access, words, distributions, has_policies=bool(policies)),
        own_access=own_access,
        access_rights=reader.labels(node, DCT + "accessRights"),
        rights_in_words=words,
        issued=reader.date(node, *_ISSUED),
        modified=reader.date(node, _MODIFIED),
        version=reader.first(node, DCAT + "version", OWL + "versionInfo", SCHEMA + "version")[:100],
        landing_page=reader.link(node, *_PAGES),
        unusable_addresses=tuple(reader.unusable_addresses(node, *_PAGES, DCAT + "endpointURL")),
        distributions=tuple(distributions),
        distributions_stated=distributions_stated if distributions_stated > len(distributions) else None,
        policies=policies,
        provenance=reader.labels(node, DCT + "provenance"),
        origins=tuple(reader.values(node, *_ORIGINS)),
        spatial=tuple(coverage.places(reader, node)),
        temporal=tuple(coverage.periods(reader, node)),
        frequency=re.split("[/#]", reader.first(node, DCT + "accrualPeriodicity"))[-1],
        conforms_to=tuple(reader.values(node, DCT + "conformsTo")),
        extra=trees.remaining(node, READ_PREDICATES - unread),
    )


def _fallback_title(identity: str, identifier: str) -> Text:
    """The record's identifier, or else the last part of its address. The names of blank nodes are none."""
    is_nameless = identity.startswith("_:") or "/.well-known/genid/" in identity
    last_part = "" if is_nameless else identity.rstrip("/").rsplit("/", 1)[-1] or identity
    name = identifier or last_part
    return {"und": name[:LONGEST_TITLE]} if name else {"en": "Without a title"}


def with_address(nameless: Record, node: Node, source_address: str, more: str = "") -> Record:
    """A record that is a blank node in its source, with an address below the source's.

    The address is made from the record's identifier, or else from its landing pages, title and publisher.

    :param more: makes the address differ from that of another record of which all these are the same.
    """
    identifier = next((term[1] for term in node.get(DCT + "identifier", ())), "")
    pages = sorted(term[1] for term in node.get(DCAT + "landingPage", ()))
    key = more + (identifier or json.dumps([pages, nameless.title, nameless.publisher.name], sort_keys=True))
    return nameless.model_copy(update={"uri": f"{source_address}#{hashlib.sha256(key.encode()).hexdigest()[:16]}"})


def content_hash(content: Record) -> str:
    """SHA-256 of a record. It has no names of blank nodes in it, which could differ from page to page."""
    return hashlib.sha256(content.model_dump_json().encode()).hexdigest()


def statements(identity: str, nodes: Nodes) -> Iterator[tuple[str, str, Term]]:
    """All statements about a record and the nodes that belong to it; those about other records are left out."""
    waiting, seen = [identity], set[str]()
    while waiting and len(seen) < MOST_NODES:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        node = nodes.about(name)
        if name != identity and kind_of(node) is not None:
            continue
        for predicate, terms in node.items():
            for term in terms[:MOST_VALUES]:
                yield name, predicate, term
                if term[0] == "i" and term[1] not in seen:
                    waiting.append(term[1])
