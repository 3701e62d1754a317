"""Publishers, creators and contacts of a record."""

from __future__ import annotations

from collections.abc import Iterator

from hub.dataspace.metadata.literals import clean, language_tag, mailbox
from hub.dataspace.metadata.namespaces import FOAF, SCHEMA, VCARD, Node, Term
from hub.dataspace.metadata.nodes import LABELS, LONGEST_TITLE, MOST_VALUES, NodeReader
from hub.dataspace.models import Agent

_EMAIL = (VCARD + "hasEmail", FOAF + "mbox", VCARD + "email", SCHEMA + "email")
_HOMEPAGE = (FOAF + "homepage", VCARD + "hasURL", VCARD + "url", FOAF + "workplaceHomepage", SCHEMA + "url")


def agents(reader: NodeReader, node: Node, *predicates: str) -> Iterator[Agent]:
    """People and organisations that these properties of a node name."""
    for predicate in predicates:
        for term in node.get(predicate, ())[:MOST_VALUES]:
            yield _agent(reader, term)


def _agent(reader: NodeReader, term: Term) -> Agent:
    if term[0] == "l":
        return Agent(name={language_tag(term): clean(term[1])[:LONGEST_TITLE]})
    node = reader.about(term[1])
    uri = "" if term[1].startswith("_:") else clean(term[1])
    email = _email(reader, node) or (mailbox(uri) if uri.lower().startswith("mailto:") else "")
    fallback_name = email or uri
    return Agent(
        uri=uri,
        name=reader.text(node, *LABELS, longest=LONGEST_TITLE) or ({"und": fallback_name} if fallback_name else {}),
        email=email,
        homepage=reader.link(node, *_HOMEPAGE),
    )


def _email(reader: NodeReader, node: Node) -> str:
    for predicate in _EMAIL:
        for term in node.get(predicate, ()):
            value = term[1]
            if value.startswith("_:"):
                value = reader.first(reader.about(value), VCARD + "hasValue", VCARD + "value")
            if address := mailbox(value):
                return address
    return ""
