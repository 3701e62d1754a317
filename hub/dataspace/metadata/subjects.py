"""Themes and keywords of a record. A theme of another vocabulary than the EU's is found like a keyword."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hub.dataspace.metadata import vocabularies
from hub.dataspace.metadata.literals import clean, language_tag
from hub.dataspace.metadata.namespaces import DCAT, DCT, Node, Term
from hub.dataspace.metadata.nodes import MOST_VALUES, NodeReader

_LONGEST_KEYWORD = 200
_SUBJECTS = (DCAT + "theme", DCT + "subject")


class SubjectReader:
    """Reads the themes and keywords of one record; looks each theme up once."""

    def __init__(self, reader: NodeReader) -> None:
        self._reader = reader
        self._codes: dict[str, str | None] = {}

    def themes(self, node: Node) -> tuple[str, ...]:
        """Codes of the EU data themes."""
        return tuple(sorted(set(filter(None, map(self._code, _subject_terms(node))))))

    def keywords(self, node: Node) -> dict[str, tuple[str, ...]]:
        """Keywords by language, and the names of themes that are not the EU's."""
        keywords: dict[str, list[str]] = {}
        terms = [term for term in node.get(DCAT + "keyword", ())[:MOST_VALUES] if term[0] == "l"]
        for term in terms:
            # A single text may be a list of keywords.
            parts = re.split("[,;]", term[1]) if len(terms) == 1 else [term[1]]
            for keyword in filter(None, map(clean, parts)):
                keywords.setdefault(language_tag(term), []).append(keyword[:_LONGEST_KEYWORD])
        for term in _subject_terms(node):
            if not self._code(term):
                names = {language_tag(term): clean(term[1])} if term[0] == "l" else self._reader.names(term)
                for tag, name in names.items():
                    keywords.setdefault(tag.lower()[:20], []).append(name[:_LONGEST_KEYWORD])
        return {tag: tuple(sorted(set(values))) for tag, values in sorted(keywords.items())}

    def has_other_themes(self, node: Node) -> bool:
        """Whether a value of ``dcat:theme`` is no EU data theme."""
        return not all(map(self._code, node.get(DCAT + "theme", ())[:MOST_VALUES]))

    def _code(self, term: Term) -> str | None:
        """Code of the EU data theme that a term names by its address, as a text, or by a label of the node."""
        if term[1] not in self._codes:
            names = () if term[0] == "l" else self._reader.names(term).values()
            codes = map(vocabularies.theme, (clean(term[1]), *names))
            self._codes[term[1]] = next(filter(None, codes), None)
        return self._codes[term[1]]


def _subject_terms(node: Node) -> Iterator[Term]:
    for predicate in _SUBJECTS:
        yield from node.get(predicate, ())[:MOST_VALUES]
