"""Nodes as trees of JSON: policies, and properties that no field of a record has room for.

A tree is what JSON-LD in expanded form would say about a term. Used for records and their distributions.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from hub.dataspace.metadata.literals import clean
from hub.dataspace.metadata.namespaces import ODRL, RDF, Node, Term
from hub.dataspace.metadata.nodes import LONGEST_TEXT, MOST_VALUES, Nodes, kind_of

MOST_EXTRAS = 100
MOST_BRANCHES = 5000
"""Of all trees of one record together: a few nodes that refer to each other would otherwise grow without end."""
_EXTRA_DEPTH = 4
_POLICY_DEPTH = 10


class TreeBuilder:
    """Builds the trees of one record and counts their branches; circles are cut."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._branches_left = MOST_BRANCHES

    def policies(self, node: Node) -> tuple[dict[str, Any], ...]:
        """The node's ODRL policies."""
        trees = (self._tree(term, _POLICY_DEPTH) for term in node.get(ODRL + "hasPolicy", ()) if term[0] == "i")
        return tuple(tree for tree in trees if isinstance(tree, dict))

    def remaining(self, node: Node, read_predicates: Set[str]) -> dict[str, tuple[Any, ...]]:
        """Properties of a node that are not among ``read_predicates``, each with the trees of its values."""
        predicates = [name for name in sorted(node) if name not in read_predicates][:MOST_EXTRAS]
        return {name: tuple(self._tree(term, _EXTRA_DEPTH) for term in node[name][:MOST_VALUES]) for name in predicates}

    def _tree(self, term: Term, depth: int, path: tuple[str, ...] = ()) -> Any:
        """A term with everything below it, ``depth`` levels deep. ``path``: the nodes above it."""
        if term[0] == "l":
            literal = {"@value": clean(term[1])[:LONGEST_TEXT], "@language": term[2], "@type": term[3]}
            return {key: value for key, value in literal.items() if value} or {"@value": ""}
        self._branches_left -= 1
        node = self._nodes.about(term[1]) if depth and term[1] not in path and self._branches_left > 0 else {}
        if kind_of(node) is not None and ODRL + "permission" not in node:
            node = {}  # another record, which is read on its own: its address is enough here
        if RDF + "first" in node:
            return self._list(term, depth, path)
        tree: dict[str, Any] = {} if term[1].startswith("_:") else {"@id": clean(term[1])}
        for predicate, terms in sorted(node.items()):
            if predicate == RDF + "type":
                tree["@type"] = sorted(str(type_term[1]) for type_term in terms)
            else:
                tree[predicate] = [self._tree(inner, depth - 1, (*path, term[1])) for inner in terms[:MOST_VALUES]]
        return tree

    def _list(self, term: Term, depth: int, path: tuple[str, ...]) -> Any:
        """An RDF list; its length does not count as depth. A list that is broken or too long has an ``rdf:rest``."""
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
            members.append(self._tree(first[0], depth - 1, (*path, term[1])))
            term = rest[0]
        return {"@list": members}
