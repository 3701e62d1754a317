"""Search requests -> queries of the engine. It never parses what a person types: queries are built from words."""

from __future__ import annotations

from collections.abc import Sequence

import tantivy

from hub.dataspace.search.analysis import stems, theme_codes, words
from hub.dataspace.search.engine import SearchRequest
from hub.dataspace.search.schema import COLUMN_OF_FACET, RESTRICTED, TEXT_FIELDS, filter_term, project_term, schema

MOST_COMPLETIONS = 24
"""Words that begin like an unfinished one, in each language."""
_TITLE_BOOST = 2.0
Must, Should, MustNot = tantivy.Occur.Must, tantivy.Occur.Should, tantivy.Occur.MustNot


class QueryBuilder:
    """Builds queries for one state of the index (``searcher``); terms that no record has are left out."""

    def __init__(self, searcher: tantivy.Searcher) -> None:
        self._searcher = searcher

    def frequency(self, word: str) -> int:
        """Upper limit of the records that have a word."""
        terms = [*_text_terms(word), *(("sectors", filter_term("sector", code)) for code in theme_codes(word))]
        return sum(self._searcher.doc_freq(*term) for term in terms)

    def text(self, request: SearchRequest) -> tantivy.Query:
        """Records with every word of the request; those with a word in their title rank higher."""
        typed = words(request.text)
        if not typed:
            return tantivy.Query.all_query()
        unfinished = typed[-1] if request.typing and not request.text[-1:].isspace() else None
        required = [(Must, self._word(word, complete=word == unfinished)) for word in typed]
        in_title = [
            (Should, tantivy.Query.boost_query(_term("title", word), _TITLE_BOOST))
            for word in typed
            if self._searcher.doc_freq("title", word)
        ]
        if len(required) == 1 and not in_title:
            return required[0][1]
        return tantivy.Query.boolean_query(required + in_title)

    def _word(self, word: str, *, complete: bool) -> tantivy.Query:
        """Records with a word in any language, under a theme of that name, or with a word that begins like it."""
        terms = dict.fromkeys(_text_terms(word))
        if complete and len(word) > 1:
            for name in TEXT_FIELDS.values():
                completions = self._searcher.terms_with_prefix(name, word, limit=MOST_COMPLETIONS)
                terms |= dict.fromkeys((name, term) for term, _ in completions)
        any_of = [_term(*term) for term in terms if self._searcher.doc_freq(*term)]
        for code in theme_codes(word):
            if self._searcher.doc_freq("sectors", filter_term("sector", code)):
                any_of.append(_filter("sector", code))
        return _any(any_of)

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


def _any(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(Should, query) for query in queries])
