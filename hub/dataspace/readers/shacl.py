"""Quality of records: the DCAT-AP shapes, and the properties that DCAT-AP recommends. Runs in the sandbox.

``sh:class`` is left out: authority tables are not part of a harvest, so it would report faults where there are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hub.dataspace.metadata.namespaces import DCAT, DCT, RDF, SPDX, VCARD

Line = dict[str, Any]
SHAPES = Path(__file__).parent / "shapes" / "dcat-ap.ttl"
RECOMMENDED = {
    DCAT + "contactPoint": "who to ask",
    DCAT + "distribution": "where to get it",
    DCAT + "keyword": "keywords",
    DCAT + "theme": "a theme",
    DCT + "publisher": "who published it",
    DCT + "license": "a licence",
}
"""Properties of a record or its distributions -> their names. Each that is missing counts as a failed check."""
GOOD, FAIR = 85, 60
MOST_FINDINGS = 20
_SH = "http://www.w3.org/ns/shacl#"
_CHECKED = (DCAT + "Dataset", DCAT + "DatasetSeries", DCAT + "DataService", DCAT + "Distribution", SPDX + "Checksum",
            VCARD + "Kind", "http://xmlns.com/foaf/0.1/Agent", DCT + "PeriodOfTime")  # fmt: skip


def shapes(request: Line) -> Iterator[Line]:
    """Score and findings of each record of a batch.

    ``request``: ``path`` of the statements as N-Triples, and ``records``: for each record the names of its nodes, its
    own first.
    """
    import pyshacl
    from rdflib import Graph

    data = Graph().parse(request["path"], format="nt")
    profile = _profile()
    _, report, _ = pyshacl.validate(data, shacl_graph=profile, inference="none", meta_shacl=False, advanced=False)
    failed = _failed(report)
    applying = _Applying(profile, data)
    for names in request["records"]:
        yield _scored(names, failed, applying)


def _profile() -> Any:
    from rdflib import RDF as A
    from rdflib import Graph, URIRef

    profile = Graph().parse(SHAPES, format="turtle")
    profile.remove((None, URIRef(_SH + "class"), None))
    defined = set(profile.subjects(A.type, URIRef(_SH + "PropertyShape"))) | set(profile.subjects(URIRef(_SH + "path")))
    for shape, _, property_shape in list(profile.triples((None, URIRef(_SH + "property"), None))):
        if property_shape not in defined:  # the published file has two references to missing shapes
            profile.remove((shape, URIRef(_SH + "property"), property_shape))
    return profile


def _failed(report: Any) -> Mapping[str, set[tuple[str, str]]]:
    """Node -> path and message of each check that failed for it."""
    from rdflib import URIRef

    failed: dict[str, set[tuple[str, str]]] = {}
    for result in report.subjects(URIRef(_SH + "focusNode")):
        focus = str(report.value(result, URIRef(_SH + "focusNode")))
        path = str(report.value(result, URIRef(_SH + "resultPath")) or "")
        message = str(report.value(result, URIRef(_SH + "resultMessage")) or "")
        failed.setdefault(focus, set()).add((path, message))
    return failed


class _Applying:
    """Checks that apply to a node: those of its class for properties that it has or has to have."""

    def __init__(self, profile: Any, data: Any) -> None:
        from rdflib import URIRef

        self._data = data
        self._paths: dict[str, dict[str, bool]] = {}
        for name in _CHECKED:
            for shape in profile.subjects(URIRef(_SH + "targetClass"), URIRef(name)):
                for check in profile.objects(shape, URIRef(_SH + "property")):
                    path = str(profile.value(check, URIRef(_SH + "path")))
                    needed = profile.value(check, URIRef(_SH + "minCount")) is not None
                    paths = self._paths.setdefault(name, {})
                    paths[path] = paths.get(path, False) or needed

    def predicates(self, name: str) -> set[str]:
        """Properties that a node has."""
        from rdflib import URIRef

        return {str(predicate) for predicate in self._data.predicates(URIRef(name))}

    def count(self, name: str) -> int:
        """Number of checks that apply to a node."""
        from rdflib import URIRef

        predicates = self.predicates(name)
        kinds = {str(kind) for kind in self._data.objects(URIRef(name), URIRef(RDF + "type"))}
        paths: dict[str, bool] = {}
        for kind in kinds:
            paths |= self._paths.get(kind, {})
        return sum(1 for path, needed in paths.items() if needed or path in predicates)


def _scored(names: list[str], failed: Mapping[str, set[tuple[str, str]]], applying: _Applying) -> Line:
    wrong = {(name, path): message for name in names for path, message in failed.get(name, ())}
    predicates = set().union(*(applying.predicates(name) for name in names))
    missing = [label for predicate, label in RECOMMENDED.items() if predicate not in predicates]
    checks = sum(map(applying.count, names)) + len(RECOMMENDED)
    score = max(0, round(100 * (1 - (len(wrong) + len(missing)) / max(checks, 1))))
    badge = "good" if score >= GOOD else "fair" if score >= FAIR else "poor"
    findings = [f"It does not say: {', '.join(missing)}."] if missing else []
    findings += sorted({f"{_short(path)}: {_plain(message)}" for (_, path), message in wrong.items()})
    return {"record": names[0], "score": score, "badge": badge, "findings": findings[:MOST_FINDINGS]}


def _short(iri: str) -> str:
    return iri.rstrip("/").rsplit("/", 1)[-1].rsplit("#", 1)[-1] or iri


def _plain(message: str) -> str:
    return " ".join(message.split())[:200]


def name_of(identity: str) -> str:
    """Name of a node in N-Triples: a blank node gets an address, so that findings can refer to it."""
    return f"urn:blank:{identity[2:]}" if identity.startswith("_:") else identity


def triples(quads: Iterable[tuple[str, str, list[Any]]]) -> bytes:
    """Statements as N-Triples, with names by :func:`name_of`; statements that N-Triples cannot express are left out."""
    import pyoxigraph as ox

    def name(identity: str) -> ox.NamedNode:
        return ox.NamedNode(name_of(identity))

    def term(value: list[Any]) -> ox.NamedNode | ox.Literal:
        if value[0] == "i":
            return name(value[1])
        kind = ox.NamedNode(value[3]) if value[3] and not value[2] else None
        return ox.Literal(value[1], language=value[2], datatype=kind)

    statements = []
    for subject, predicate, value in quads:
        try:
            statements.append(ox.Triple(name(subject), ox.NamedNode(predicate), term(value)))
        except ValueError:
            continue
    serialised = ox.serialize(statements, format=ox.RdfFormat.N_TRIPLES)
    assert serialised is not None  # noqa: S101
    return serialised
