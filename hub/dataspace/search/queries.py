"""Search requests -> queries of the engine. It never parses what a person types: queries are built from words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest

import tantivy

from hub.dataspace.search import stemming
from hub.dataspace.search.analysis import is_cjk, stems
from hub.dataspace.search.engine import SearchRequest
from hub.dataspace.search.labels import filters_named
from hub.dataspace.search.schema import (
    COLUMN_OF_FACET,
    COMPLETED_FIELDS,
    OWN,
    RESTRICTED,
    TEXT_FIELDS,
    filter_term,
    keyword_of,
    keyword_term,
    own_term,
    project_term,
    schema,
)
from hub.dataspace.search.spelling import MOST_CORRECTIONS, Spelling
from hub.dataspace.search.syntax import Alternatives, Clause, parse

MOST_COMPLETIONS = 24
"""Words that begin like an unfinished one, in each language."""
_TITLE_BOOST = 2.0
_COMPOUND_BOOST = 0.3
_LABEL_BOOST = 0.3
_STEM_BOOST = 0.3
"""Of stems in languages whose texts are also indexed word by word: both count."""
_STEMS = frozenset(TEXT_FIELDS[language] for language in stemming.LANGUAGES)
Term = tuple[str, str]
"""A field and a word, stem or filter of it."""
Must, Should, MustNot = tantivy.Occur.Must, tantivy.Occur.Should, tantivy.Occur.MustNot


class QueryBuilder:
    """Builds queries for one state of the index (``searcher``); terms that no record has are left out.

    ``spelling`` has words of titles for everybody, ``own`` those of each project of the person who searches. Words of
    other projects' records are never looked up.
    """

    def __init__(self, searcher: tantivy.Searcher, spelling: Spelling, own: Mapping[str, Spelling]) -> None:
        self._searcher = searcher
        self._spelling = spelling
        self._own = own
        self._projects = sorted(own)

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
        return min(self._frequency(clause, word) for word in clause.words)

    def _frequency(self, clause: Clause, word: str) -> int:
        """Upper limit of the records that have a word or a compound with it."""
        stem_terms = self._stem_terms(clause, word)
        compounds = self._compounds(word, rest_is_known=bool(stem_terms))
        return sum(self._searcher.doc_freq(*term) for term in (*stem_terms, *compounds, *self._label_terms(word)))

    def corrections(self, text: str) -> dict[str, list[str]]:
        """Words of a text that no record of the person has, and what each may have been meant to be."""
        return {word: self._corrections(word) for word in self._unknown_words(text)}

    def _corrections(self, word: str) -> list[str]:
        ranked = [spelling.corrections(word) for spelling in (self._spelling, *self._own.values())]
        return list(dict.fromkeys(filter(None, chain.from_iterable(zip_longest(*ranked)))))[:MOST_CORRECTIONS]

    def _unknown_words(self, text: str) -> list[str]:
        """Those in quotes are meant as they are."""
        clauses = [clause for group in parse(text) for clause in group]
        plain = [clause for clause in clauses if not (clause.phrase or clause.field or clause.excluded)]
        return [word for clause in plain for word in clause.words if not self._is_visible(clause, word)]

    def _is_visible(self, clause: Clause, word: str) -> bool:
        if not self._frequency(clause, word):
            return False
        query = self.filtered(self._word(clause, word, complete=False), SearchRequest())
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
            (Should, tantivy.Query.boost_query(_term(*term), _TITLE_BOOST))
            for word in _required_words(groups)
            for term in self._existing("title", word)
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
            return _all([_any_term(self._existing("publisher_name", word)) for word in clause.words])
        if clause.phrase and len(clause.words) > 1:
            return self._phrase(clause)
        last = clause.words[-1]
        is_cut = unfinished or (len(clause.words) == 1 and len(last) == 1 and is_cjk(last))
        return _all([self._word(clause, word, complete=is_cut and word is last) for word in clause.words])

    def _phrase(self, clause: Clause) -> tantivy.Query:
        """Records with the words of a clause in this order, in any language."""
        terms_by_field: dict[str, list[str]] = {"title": list(clause.words)}
        for word in clause.words:
            for name, stem in _text_terms(clause, word):
                terms_by_field.setdefault(name, []).append(stem)
        phrases = [(name, terms) for name, terms in terms_by_field.items() if len(terms) == len(clause.words)]
        own = [
            (OWN, [own_term(project, name, term) for term in terms])
            for project in self._projects
            for name, terms in phrases
        ]
        return _any(
            [
                tantivy.Query.phrase_query(schema(), name, list(terms))
                for name, terms in [*phrases, *own]
                if all(self._searcher.doc_freq(name, term) for term in terms)
            ]
        )

    def _word(self, clause: Clause, word: str, *, complete: bool) -> tantivy.Query:
        """Records with a word in any language, under a label of that name, or with a word that begins like it."""
        stem_terms = self._stem_terms(clause, word)
        boosts = dict.fromkeys(self._label_terms(word), _LABEL_BOOST)
        boosts |= dict.fromkeys(self._compounds(word, rest_is_known=bool(stem_terms)), _COMPOUND_BOOST)
        if complete and (len(word) > 1 or is_cjk(word)):
            boosts |= dict.fromkeys(self._completions(word), 1.0)
        boosts |= stem_terms
        return _any([_boosted(term, boost) for term, boost in boosts.items()])

    def _completions(self, word: str) -> Iterator[Term]:
        """Words that begin like this one."""
        for name in COMPLETED_FIELDS:
            for completion, _ in self._searcher.terms_with_prefix(name, word, limit=MOST_COMPLETIONS):
                yield name, completion
            for project in self._projects:
                beginning = own_term(project, name, word)
                for completion, _ in self._searcher.terms_with_prefix(OWN, beginning, limit=MOST_COMPLETIONS):
                    yield OWN, completion

    def _stem_terms(self, clause: Clause, word: str) -> dict[Term, float]:
        """Stems of a word in every language that has it, and how much each counts."""
        return {
            term: _STEM_BOOST if name in _STEMS else 1.0
            for name, stem in _text_terms(clause, word)
            for term in self._existing(name, stem)
        }

    def _compounds(self, word: str, *, rest_is_known: bool) -> Iterator[Term]:
        """Compounds with a word in titles.

        ``rest_is_known``: the rest of a compound has to be a word, too, as a record that the person sees has the word
        by itself.
        """
        for compound in self._spelling.compounds(word, rest_is_known=rest_is_known):
            yield "title", compound
        for project, spelling in self._own.items():
            for compound in spelling.compounds(word, rest_is_known=rest_is_known):
                yield OWN, own_term(project, "title", compound)

    def _label_terms(self, word: str) -> list[Term]:
        """Filters whose value has this name, as far as records have them."""
        terms = [(COLUMN_OF_FACET[facet], filter_term(facet, value)) for facet, value in filters_named(word)]
        return [term for term in terms if self._searcher.doc_freq(*term)]

    def _existing(self, name: str, word: str) -> list[Term]:
        """A word of a field in records for everybody and in those of the person's projects, as far as it is there."""
        own = [(OWN, own_term(project, name, word)) for project in self._projects]
        return [term for term in [(name, word), *own] if self._searcher.doc_freq(*term)]

    def filtered(self, text: tantivy.Query, request: SearchRequest, *, without: str = "") -> tantivy.Query:
        """``text`` with the filters of every facet but ``without``, for records that the person may see."""
        parts = [(Must, text)]
        for facet, values in request.filters.items():
            if facet != without:
                parts.append(_only(_any([_filter(facet, value) for value in values])))
        if request.keywords:
            parts.append(_only(_any_term([term for word in request.keywords for term in self._keyword(word)])))
        if request.changed_after is not None:
            parts.append(_only(_range("changed", request.changed_after + 1, 0)))
        if any(request.updated):
            parts.append(_only(_range("updated", *request.updated)))
        parts.append((MustNot, self._hidden()))
        return tantivy.Query.boolean_query(parts)

    def _keyword(self, keyword: str) -> list[Term]:
        return self._existing("keyword", keyword_term(keyword))

    def keywords(self, beginning: str, most: int) -> dict[str, int]:
        """Keywords that begin like this and how many records that the person sees have them."""
        start, counts = keyword_term(beginning), dict[str, int]()
        own = [(OWN, own_term(project, "keyword", "")) for project in self._projects]
        for name, prefix in [("keyword", ""), *own]:
            for term, count in self._searcher.terms_with_prefix(name, prefix + start, limit=most):
                keyword = keyword_of(term.removeprefix(prefix))
                counts[keyword] = counts.get(keyword, 0) + count
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most])

    def _hidden(self) -> tantivy.Query:
        """Records of other projects. As few records belong to a project, excluding them is cheapest."""
        own = [(MustNot, _term("project", project_term(project))) for project in self._projects]
        return tantivy.Query.boolean_query([(Must, _term("project", RESTRICTED)), *own])


def _only(query: tantivy.Query) -> tuple[tantivy.Occur, tantivy.Query]:
    """A condition that changes no rank."""
    return Must, tantivy.Query.const_score_query(query, 0.0)


def _range(name: str, first: int, last: int) -> tantivy.Query:
    """Records with a number between two, both included; 0 for no limit. A record without the number has none."""
    return tantivy.Query.range_query(schema(), name, tantivy.FieldType.Unsigned, first or None, last or None)


def _text_terms(clause: Clause, word: str) -> list[Term]:
    """Field and stem of a word in every language."""
    return [(TEXT_FIELDS[language], stem) for language, stem in stems(word, clause.spellings.get(word, ""))]


def _term(name: str, value: str | int) -> tantivy.Query:
    counted = name.startswith(("text", "title")) or name == OWN
    return tantivy.Query.term_query(schema(), name, value, "freq" if counted else "basic")


def _boosted(term: Term, boost: float) -> tantivy.Query:
    return _term(*term) if boost == 1.0 else tantivy.Query.boost_query(_term(*term), boost)


def _any_term(terms: Sequence[Term]) -> tantivy.Query:
    return _any([_term(*term) for term in terms])


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
