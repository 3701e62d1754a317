"""Nodes as trees of JSON: policies, and properties that no field of a record has room for.

A tree is what JSON-LD in expanded form would say about a term. Used for records and their distributions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Any

from hub.dataspace.metadata.literals import clean
from hub.dataspace.metadata.namespaces import DCT, ODRL, RDF, UNEXPLAINED, Node, Term
from hub.dataspace.metadata.nodes import LONGEST_TEXT, MOST_VALUES, Nodes, kind_of

MOST_EXTRAS = 100
MOST_BRANCHES = 5000
"""Of all trees of one record together: a few nodes that refer to each other would otherwise grow without end."""
_EXTRA_DEPTH = 4
_POLICY_DEPTH = 10
POLICY_PARTS = {ODRL + name for name in ("permission", "prohibition", "obligation")}
"""Properties that make a node a policy, whatever its type is."""
_NOT_ITS_OWN = {ODRL + "hasPolicy", ODRL + "uid"}
_CUT = UNEXPLAINED + "cut"
_RIGHTS = tuple(DCT + name for name in ("license", "rights", "accessRights"))
"""Properties besides ``odrl:hasPolicy`` that may refer to a policy."""


def policy_targets(policy: str, about: Callable[[str], Node]) -> Iterator[str]:
    """Assets that a policy or its rules name, and the collections of which they name members."""
    node = about(policy)
    rules = (about(term[1]) for part in POLICY_PARTS for term in node.get(part, ()) if term[0] == "i")
    for stating in (node, *rules):
        for term in stating.get(ODRL + "target", ()):
            yield from (inner[1] for inner in (term, *about(term[1]).get(ODRL + "source", ())) if inner[0] == "i")


class TreeBuilder:
    """Builds the trees of one record and counts their branches; circles are cut."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._branches_left = MOST_BRANCHES
        self._is_cut = False

    def policies(self, node: Node) -> tuple[dict[str, Any], ...]:
        """The node's ODRL policies, wherever it states them, and its own ODRL properties as one more.

        A policy that is only named in a text is its text. One that is too large has a part that nobody understands.
        """
        terms = [*node.get(ODRL + "hasPolicy", ())]
        terms += [term for name in _RIGHTS for term in node.get(name, ()) if self._is_policy(term)]
        own = {name: values for name, values in node.items() if name.startswith(ODRL) and name not in _NOT_ITS_OWN}
        trees = [self._policy(term) for term in terms]
        if own:
            self._is_cut = False
            trees.append(self._with_mark(self._properties(own, _POLICY_DEPTH, ())))
        return tuple(trees)

    def _is_policy(self, term: Term) -> bool:
        return bool(term[0] == "i" and POLICY_PARTS & self._nodes.about(term[1]).keys())

    def _policy(self, term: Term) -> dict[str, Any]:
        if term[0] == "l":
            return {"@value": clean(term[1])[:LONGEST_TEXT]}
        self._is_cut = False
        tree = self._tree(term, _POLICY_DEPTH)
        return self._with_mark(tree if isinstance(tree, dict) else {})

    def _with_mark(self, policy: dict[str, Any]) -> dict[str, Any]:
        """The policy; one that was cut gets a property that is no part of ODRL, so that it permits nothing."""
        return policy | {_CUT: [{"@value": "The policy is too large to be read in full."}]} if self._is_cut else policy

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
        is_above = term[1] in path
        node = {} if is_above else self._nodes.about(term[1])
        if kind_of(node) is not None:  # a record, which is read on its own: here it counts as a policy, if it is one
            is_policy = bool(POLICY_PARTS & node.keys())
            node = {name: node[name] for name in node if is_policy and name.startswith((ODRL, RDF + "type"))}
        if node and (depth <= 0 or self._branches_left <= 0):
            self._is_cut = True
            node = {}
        if RDF + "first" in node:
            return self._list(term, depth, path)
        address: dict[str, Any] = {} if term[1].startswith("_:") else {"@id": clean(term[1])}
        return address | self._properties(node, depth, (*path, term[1]))

    def _properties(self, node: Node, depth: int, path: tuple[str, ...]) -> dict[str, Any]:
        """Properties of the last node of the path. Policies of the assets that a policy is about are not part of it."""
        tree: dict[str, Any] = {}
        for predicate, terms in sorted(node.items()):
            if predicate == RDF + "type":
                tree["@type"] = sorted(str(type_term[1]) for type_term in terms)
            elif predicate != ODRL + "hasPolicy":
                self._is_cut = self._is_cut or len(terms) > MOST_VALUES
                tree[predicate] = [self._tree(inner, depth - 1, path) for inner in terms[:MOST_VALUES]]
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
