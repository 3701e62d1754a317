"""The search index: millions of records, found by words and counted by facets. tantivy behind :mod:`.engine`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import tantivy

from hub.dataspace.models import FACETS
from hub.dataspace.search.engine import Entry, SearchRequest, SearchResult
from hub.dataspace.search.queries import QueryBuilder
from hub.dataspace.search.schema import (
    COLUMN_OF_FACET,
    FACETS_OF_COLUMN,
    OWN,
    counts_by_facet,
    document,
    folder_of,
    open_index,
    own_term,
    project_term,
)
from hub.dataspace.search.spelling import MOST_TERMS, Spelling

_HEAP = 512 * 2**20
"""Bytes, used as needed. What fills them becomes one segment; each segment costs every search further look-ups."""
_MOST_BUCKETS = 60_000
_FEW_RECORDS = 1000
"""Records whose words are learned in a few hundredths of a second."""
_MOST_OWN_TERMS = 5000
_MOST_OWN_SPELLINGS = 64
"""Projects whose words are kept in memory, 2 MB each."""
_ORDERS = {
    "date": ("updated", tantivy.Order.Desc),
    "oldest": ("updated", tantivy.Order.Asc),
    "size": ("bytes", tantivy.Order.Desc),
    "name": ("name", tantivy.Order.Asc),
}
"""Field and direction of each sort; records without a value come last in both directions."""


class TantivyWriter:
    """The one writer, in the worker; the engine's own lock keeps a second one out, and ends with its process."""

    def __init__(self, folder: Path) -> None:
        self._index = open_index(folder)

    def replace(self, entries: Iterable[Entry], removed: Iterable[int] = ()) -> None:
        highest_id = self._highest_id()
        writer = self._index.writer(_HEAP, 1)
        try:
            for record_id in removed:
                writer.delete_documents_by_term("id", record_id)
            for entry in entries:
                if entry.id <= highest_id:
                    writer.delete_documents_by_term("id", entry.id)
                writer.add_document(document(entry))
            writer.commit()
        except BaseException:
            writer.rollback()
            raise
        finally:
            writer.wait_merging_threads()

    def _highest_id(self) -> int:
        """Ids grow: a record with a higher id is new, and there is nothing to replace."""
        self._index.reload()
        answer = self._index.searcher().aggregate(tantivy.Query.all_query(), {"highest": {"max": {"field": "id"}}})
        return int(answer["highest"]["value"] or 0)


class TantivyIndex:
    """A reader of the index; any number of them, in any process, beside the writer."""

    def __init__(self, folder: Path) -> None:
        self._index = open_index(folder)
        self._meta_file = folder_of(folder) / "meta.json"
        self._learned: tuple[int, Spelling] = (0, Spelling(()))
        self._loaded: tuple[int, tantivy.Searcher] = (0, self._index.searcher())
        self._own_spelling = lru_cache(_MOST_OWN_SPELLINGS)(self._learned_of)

    def generation(self) -> int:
        return self._current()[0] // 1_000_000

    def _current(self) -> tuple[int, tantivy.Searcher]:
        """Time of the last change in nanoseconds, and the index as it was then."""
        changed = self._meta_file.stat().st_mtime_ns
        if changed != self._loaded[0]:
            self._index.reload()
            self._loaded = (changed, self._index.searcher())
        return self._loaded

    def size(self) -> int:
        """Number of records."""
        return int(self._current()[1].num_docs)

    def search(self, request: SearchRequest) -> SearchResult:
        searcher, queries = self._queries(request.projects)
        text = queries.text(request)
        query = queries.filtered(text, request)
        field, order = _ORDERS.get(request.sort, (None, tantivy.Order.Desc))
        hits = searcher.search(query, request.limit, order_by_field=field, offset=request.offset, order=order)
        total = int(hits.count)  # type: ignore[attr-defined]  # missing in its stub
        cards = tuple(bytes(searcher.doc(address)["card"][0]).decode() for _, address in hits.hits)
        if not request.counts:
            return SearchResult(total, cards, {})
        counts = _count(searcher, query, tuple(FACETS_OF_COLUMN), most=total)
        facets = {facet: counts[column].get(facet, {}) for facet, column in COLUMN_OF_FACET.items()}
        for facet in request.filters:
            # Within a facet, counts ignore its own filters: they show what choosing another value would give.
            others = queries.filtered(text, request, without=facet)
            column = COLUMN_OF_FACET[facet]
            facets[facet] = _count(searcher, others, (column,), most=_MOST_BUCKETS)[column].get(facet, {})
        return SearchResult(total, cards, {facet: facets[facet] for facet in FACETS})

    def _queries(self, projects: frozenset[str]) -> tuple[tantivy.Searcher, QueryBuilder]:
        changed, searcher = self._current()
        own = {project: self._own_spelling(project, changed) for project in self.projects_with_records(projects)}
        return searcher, QueryBuilder(searcher, self._spelling(), own)

    def values(self, request: SearchRequest, facet: str) -> dict[str, int]:
        searcher, queries = self._queries(request.projects)
        query = queries.filtered(queries.text(request), request, without=facet)
        column = COLUMN_OF_FACET[facet]
        return _count(searcher, query, (column,), most=_MOST_BUCKETS)[column].get(facet, {})

    def keywords(self, beginning: str, projects: frozenset[str], most: int) -> dict[str, int]:
        return self._queries(projects)[1].keywords(beginning, most)

    def most_hits(self, text: str, projects: frozenset[str]) -> int:
        return self._queries(projects)[1].most_hits(text)

    def learn_words(self) -> None:
        changed, searcher = self._current()
        if changed != self._learned[0]:
            self._learned = (changed, Spelling(searcher.terms_with_prefix("title", "", limit=MOST_TERMS)))

    def _spelling(self) -> Spelling:
        """Words of titles for everybody as last learned; those of a small index are always up to date."""
        if self.size() <= _FEW_RECORDS:
            self.learn_words()
        return self._learned[1]

    def _learned_of(self, project: str, _changed: int) -> Spelling:
        """Words of the titles of a project's records, which its members alone see."""
        prefix = own_term(project, "title", "")
        terms = self._current()[1].terms_with_prefix(OWN, prefix, limit=_MOST_OWN_TERMS)
        return Spelling((term.removeprefix(prefix), count) for term, count in terms)

    def corrections(self, text: str, projects: frozenset[str]) -> dict[str, list[str]]:
        return self._queries(projects)[1].corrections(text)

    def common_words(self, most: int) -> list[str]:
        return [word for word, _ in self._current()[1].terms_with_prefix("title", "", limit=most)]

    def projects_with_records(self, projects: frozenset[str]) -> frozenset[str]:
        searcher = self._current()[1]
        return frozenset(project for project in projects if searcher.doc_freq("project", project_term(project)))


def _count(
    searcher: tantivy.Searcher, query: tantivy.Query, columns: Sequence[str], *, most: int
) -> dict[str, dict[str, dict[str, int]]]:
    """Counts by column, facet and value. ``most``: hits of the query, as memory is reserved for each value."""
    size = min(most, _MOST_BUCKETS)
    if not size:
        return {column: {} for column in columns}
    answer = searcher.aggregate(query, {column: {"terms": {"field": column, "size": size}} for column in columns})
    return {
        column: counts_by_facet((bucket["key"], bucket["doc_count"]) for bucket in answer[column]["buckets"])
        for column in columns
    }
