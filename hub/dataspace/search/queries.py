"""Search requests -> queries of the engine. It never parses what a person types: queries are built from words."""

from __future__ import annotations

from collections.abc import Sequence

import tantivy

from hub.dataspace.search.analysis import is_cjk, stems, theme_codes
from hub.dataspace.search.engine import SearchRequest
from hub.dataspace.search.schema import COLUMN_OF_FACET, RESTRICTED, TEXT_FIELDS, filter_term, project_term, schema
from hub.dataspace.search.spelling import Spelling
from hub.dataspace.search.syntax import Alternatives, Clause, parse

MOST_COMPLETIONS = 24
"""Words that begin like an unfinished one, in each language."""
_TITLE_BOOST = 2.0
_COMPOUND_BOOST = 0.3
Must, Should, MustNot = tantivy.Occur.Must, tantivy.Occur.Should, tantivy.Occur.MustNot


class QueryBuilder:
    """Builds queries for one state of the index (``searcher``); terms that no record has are left out."""

    def __init__(self, searcher: tantivy.Searcher, spelling: Spelling) -> None:
        self._searcher = searcher
        self._spelling = spelling

    def most_hits(self, text: str) -> int:
        """Upper limit of the records that match a text."""
        required = [group for group in parse(text) if not group[0].excluded]
        return min(
            (sum(self._most_hits(clause) for clause in group) for group in required),
            default=int(self._searcher.num_docs),
        )

    def _most_hits(self, clause: Clause) -> int:
        if clause.field:
            return int(self._searcher.num_docs)
        return min(self.frequency(word) for word in clause.words)

    def frequency(self, word: str) -> int:
        """Upper limit of the records that have a word or a compound with it."""
        terms = [*self._terms(word), *(("sectors", filter_term("sector", code)) for code in theme_codes(word))]
        return sum(self._searcher.doc_freq(*term) for term in terms)

    def unknown_words(self, text: str, projects: frozenset[str]) -> list[str]:
        """Words of a text that no record of the person has; those in quotes are meant as they are."""
        clauses = [clause for group in parse(text) for clause in group]
        plain = [clause for clause in clauses if not (clause.phrase or clause.field or clause.excluded)]
        return [word for clause in plain for word in clause.words if not self._is_visible(word, projects)]

    def _is_visible(self, word: str, projects: frozenset[str]) -> bool:
        if not self.frequency(word):
            return False
        request = SearchRequest(projects=projects)
        query = self.filtered(self._word(word, complete=False), request)
        return bool(self._searcher.search(query, 1, count=False).hits)

    def text(self, request: SearchRequest) -> tantivy.Query:
        """Records that match a text; those with a word in their title rank higher. Nothing for punctuation alone."""
        groups = parse(request.text)
        if not groups:
            return tantivy.Query.empty_query() if request.text.strip() else tantivy.Query.all_query()
        last = groups[-1][-1]
        is_unfinished = request.typing and not last.phrase and not request.text[-1:].isspace()
        unfinished = last if is_unfinished and not last.field else None
        parts = [self._group(group, unfinished) for group in groups]
        if all(occur is MustNot for occur, _ in parts):
            parts.append((Must, tantivy.Query.all_query()))
        parts += [
            (Should, tantivy.Query.boost_query(_term("title", word), _TITLE_BOOST))
            for word in _required_words(groups)
            if self._searcher.doc_freq("title", word)
        ]
        if len(parts) == 1:
            return parts[0][1]
        return tantivy.Query.boolean_query(parts)

    def _group(self, group: Alternatives, unfinished: Clause | None) -> tuple[tantivy.Occur, tantivy.Query]:
        any_of = [self._clause(clause, unfinished=clause is unfinished) for clause in group]
        return MustNot if group[0].excluded else Must, _any(any_of)

    def _clause(self, clause: Clause, *, unfinished: bool) -> tantivy.Query:
        if clause.field == "format":
            name = clause.typed.partition(":")[2].strip('"')
            return _any([_filter("format", value) for value in dict.fromkeys((name, name.upper()))])
        if clause.field == "publisher":
            return _all([_term("publisher_name", word) for word in clause.words])
        if clause.phrase and len(clause.words) > 1:
            return self._phrase(clause.words)
        last = clause.words[-1]
        is_cut = unfinished or (len(clause.words) == 1 and len(last) == 1 and is_cjk(last))
        return _all([self._word(word, complete=is_cut and word is last) for word in clause.words])

    def _phrase(self, phrase: Sequence[str]) -> tantivy.Query:
        """Records with these words in this order, in any language."""
        stems_by_language: dict[str, list[str]] = {}
        for word in phrase:
            for language, stem in stems(word):
                stems_by_language.setdefault(language, []).append(stem)
        fields = [(TEXT_FIELDS[language], terms) for language, terms in stems_by_language.items()]
        return _any(
            [
                tantivy.Query.phrase_query(schema(), name, list(terms))
                for name, terms in [("title", list(phrase)), *fields]
                if len(terms) == len(phrase) and all(self._searcher.doc_freq(name, term) for term in terms)
            ]
        )

    def _word(self, word: str, *, complete: bool) -> tantivy.Query:
        """Records with a word in any language, under a theme of that name, or with a word that begins like it."""
        terms = dict.fromkeys(_text_terms(word))
        if complete and (len(word) > 1 or is_cjk(word)):
            for name in TEXT_FIELDS.values():
                completions = self._searcher.terms_with_prefix(name, word, limit=MOST_COMPLETIONS)
                terms |= dict.fromkeys((name, term) for term, _ in completions)
        any_of = [_term(*term) for term in terms if self._searcher.doc_freq(*term)]
        any_of += [
            tantivy.Query.boost_query(_term(*term), _COMPOUND_BOOST) for term in self._terms(word) if term not in terms
        ]
        for code in theme_codes(word):
            if self._searcher.doc_freq("sectors", filter_term("sector", code)):
                any_of.append(_filter("sector", code))
        return _any(any_of)

    def _terms(self, word: str) -> list[tuple[str, str]]:
        """Field and stem of a word in every language that has it, and titles' compounds with it.

        The rest of a compound has to be a word, too, unless no record has the word by itself.
        """
        terms = [term for term in _text_terms(word) if self._searcher.doc_freq(*term)]
        compounds = self._spelling.compounds(word, rest_is_known=bool(terms))
        return [*terms, *(("title", compound) for compound in compounds)]

    def filtered(self, text: tantivy.Query, request: SearchRequest, *, without: str = "") -> tantivy.Query:
        """``text`` with the filters of every facet but ``without``, for records that the person may see."""
        parts = [(Must, text)]
        for facet, values in request.filters.items():
            if facet != without:
                any_of = _any([_filter(facet, value) for value in values])
                parts.append((Must, tantivy.Query.const_score_query(any_of, 0.0)))
        if request.changed_after is not None:
            later = tantivy.Query.range_query(
                schema(), "changed", tantivy.FieldType.Unsigned, request.changed_after, None, include_lower=False
            )
            parts.append((Must, tantivy.Query.const_score_query(later, 0.0)))
        parts.append((MustNot, _hidden_from(request.projects)))
        return tantivy.Query.boolean_query(parts)


def _hidden_from(projects: frozenset[str]) -> tantivy.Query:
    """Records of other projects. As few records belong to a project, excluding them is cheapest."""
    own = [(MustNot, _term("project", project_term(project))) for project in sorted(projects)]
    return tantivy.Query.boolean_query([(Must, _term("project", RESTRICTED)), *own])


def _text_terms(word: str) -> list[tuple[str, str]]:
    """Field and stem of a word in every language."""
    return [(TEXT_FIELDS[language], stem) for language, stem in stems(word)]


def _term(name: str, value: str | int) -> tantivy.Query:
    return tantivy.Query.term_query(schema(), name, value, "freq" if name.startswith(("text", "title")) else "basic")


def _filter(facet: str, value: str) -> tantivy.Query:
    return _term(COLUMN_OF_FACET[facet], filter_term(facet, value))


def _required_words(groups: Sequence[Alternatives]) -> list[str]:
    """Words that raise the rank of a title."""
    clauses = [clause for group in groups for clause in group if not (clause.excluded or clause.field)]
    return list(dict.fromkeys(word for clause in clauses for word in clause.words))


def _all(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(Must, query) for query in queries])


def _any(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(Should, query) for query in queries])
