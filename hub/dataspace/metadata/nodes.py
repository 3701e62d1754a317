"""Access to the nodes of a catalogue: plain values, texts by language, labels, links and dates of a node.

Used by every module that reads a part of a record. What nodes say is never trusted to be of the right kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Protocol

from hub.dataspace.metadata import addresses
from hub.dataspace.metadata.dates import day
from hub.dataspace.metadata.literals import clean, language_tag
from hub.dataspace.metadata.namespaces import (
    DCT,
    FOAF,
    KINDS,
    RDF,
    RDFS,
    SCHEMA,
    SKOS,
    VCARD,
    Node,
    Term,
)
from hub.dataspace.models import Kind, Text

LONGEST_TITLE = 1000
LONGEST_TEXT = 50_000
MOST_VALUES = 200
"""Values of one property that are read; the rest is ignored."""
LABELS = (FOAF + "name", VCARD + "fn", VCARD + "hasFN", VCARD + "organization-name", VCARD + "hasOrganizationName",
          VCARD + "organization-unit", DCT + "title", RDFS + "label", SCHEMA + "name", SKOS + "prefLabel")  # fmt: skip


class Nodes(Protocol):
    """Nodes by their identity; an unknown identity gives an empty node."""

    def about(self, identity: str) -> Node: ...


def kind_of(node: Node) -> Kind | None:
    """The kind of record that a node is; None if it is no record."""
    types = {term[1] for term in node.get(RDF + "type", ())}
    kinds = [KINDS[name] for name in types if name in KINDS]
    # A series is a dataset as well; the more specific kind counts.
    return max(kinds, key=list(Kind).index, default=None)


class NodeReader:
    """Reads values of nodes; of each property at most :data:`MOST_VALUES`."""

    def __init__(self, nodes: Nodes) -> None:
        self.about = nodes.about

    def linked_node(self, term: Term) -> Node:
        """The node that a term refers to; an empty one for a literal."""
        return self.about(term[1]) if term[0] == "i" else {}

    def values(self, node: Node, *predicates: str) -> Iterator[str]:
        """Texts and addresses, without blank nodes."""
        for predicate in predicates:
            for term in node.get(predicate, ())[:MOST_VALUES]:
                if not str(term[1]).startswith("_:") and (value := clean(term[1])):
                    yield value

    def first(self, node: Node, *predicates: str) -> str:
        """The first value, or an empty text."""
        return next(self.values(node, *predicates), "")

    def text(self, node: Node, *predicates: str, longest: int = LONGEST_TEXT) -> Text:
        """A text by language, from the first predicate that has one; at most ``longest`` characters each."""
        for predicate in predicates:
            text = {
                language_tag(term): clean(term[1])[:longest]
                for term in reversed(node.get(predicate, ())[:MOST_VALUES])
                if term[0] == "l" and term[1].strip()
            }
            if text:
                return dict(sorted(text.items()))
        return {}

    def names(self, term: Term) -> Text:
        """Short labels of the node that a term refers to, by language."""
        return self.text(self.about(term[1]), *LABELS, longest=200)

    def labels(self, node: Node, predicate: str) -> Text:
        """A text by language: a literal, else the label of the node referred to, else that node's address."""
        text = self.text(node, predicate)
        for term in node.get(predicate, ())[:MOST_VALUES]:
            if term[0] == "i" and not text:
                text = self.text(self.about(term[1]), *LABELS, DCT + "description", RDFS + "comment")
                if not text and not term[1].startswith("_:"):
                    text = {"und": clean(term[1])}
        return text

    def link(self, node: Node, *predicates: str) -> str:
        """The first address that may be used as a link, or an empty text."""
        return next(iter(self.links(node, *predicates)), "")

    def links(self, node: Node, *predicates: str) -> list[str]:
        """All different addresses that may be used as links."""
        values = self.values(node, *predicates)
        return list(dict.fromkeys(address for value in values for address in addresses.usable(value)))

    def unusable_addresses(self, node: Node, *predicates: str) -> list[str]:
        """All different values that are stated as addresses and cannot be used as links."""
        values = self.values(node, *predicates)
        return list(dict.fromkeys(address for value in values for address in addresses.unusable(value)))

    def date(self, node: Node, *predicates: str) -> date | None:
        """The first value that is a date."""
        return next(filter(None, map(day, self.values(node, *predicates))), None)

    def without_date(self, node: Node, *predicates: str) -> Iterator[str]:
        """Those of the predicates of which a value is no date, which its source means as one."""
        yield from (name for name in predicates if not all(map(day, self.values(node, name))))
