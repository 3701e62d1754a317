"""Answers to searches: made once, kept until the index changes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from hub.dataspace.metadata import vocabularies
from hub.dataspace.models import Query, Suggestion
from hub.dataspace.search.index import Engine, Found, SearchRequest, TantivyIndex, words

logger = logging.getLogger(__name__)
VALUES_SHOWN = 20
"""Of a facet; chips that are set are shown in any case."""
MOST_ANSWERS = 5000
MOST_ANSWER_BYTES = 128 * 2**20
COMMON_WORDS = 300
FEW = 1000
"""Records that are found and counted in less than a millisecond."""
LOOK_SECONDS = 2.0
"""How often it is looked whether the index has changed."""


class SearchCache:
    """The index, and answers it gave. An answer counts until the index changes; whose it is is part of its name:
    not the person, but which of their projects have records that nobody else may see. Most people have none.

    Common words are asked for most and cost most, and there are few of them, so they are answered ahead.
    """

    def __init__(self, folder: Path, *, open_index: Callable[[Path], Engine] = TantivyIndex) -> None:
        self._folder = folder
        self._open = open_index
        self._index: Engine | None = None
        self._answers: LRUCache[tuple[Any, ...], bytes] = LRUCache(MOST_ANSWER_BYTES, getsizeof=len)
        self._generation = 0
        self._lock = threading.Lock()

    @property
    def index(self) -> Engine:
        """Opened when it is needed first."""
        if self._index is None:
            self._index = self._open(self._folder)
        return self._index

    def remembered(self, query: Query, projects: frozenset[str]) -> bytes | None:
        """An answer that is there already, in microseconds."""
        with self._lock:
            if self.index.generation() != self._generation:
                return None
            return self._answers.get((query, self.index.concerned(projects)))

    def is_quick(self, query: Query) -> bool:
        """Whether a new answer takes less than handing the question to a thread does."""
        return not query.typing and self.index.at_most(query.text) < FEW

    def answer(self, query: Query, projects: frozenset[str]) -> bytes:
        """A :class:`hub.dataspace.models.SearchAnswer` as JSON, new if it has to be."""
        generation = self.index.generation()
        known = self.remembered(query, projects)
        if known is not None:
            return known
        concerned = self.index.concerned(projects)
        answer = _told(query, self.index.search(wanted(query, concerned)), generation)
        with self._lock:
            if generation != self._generation:
                self._answers.clear()
                self._generation = generation
            self._answers[query, concerned] = answer
            if len(self._answers) > MOST_ANSWERS:
                self._answers.popitem()
        return answer

    def prepare(self, stopped: threading.Event) -> None:
        """Answer what will be asked most: everything, and each common word."""
        for text in ("", *self.index.common_words(COMMON_WORDS)):
            if stopped.is_set():
                return
            self.answer(Query(text=text), frozenset())

    @contextmanager
    def kept_prepared(self) -> Iterator[None]:
        """A thread that prepares after each change of the index, for as long as the context lasts."""
        stopped = threading.Event()
        thread = threading.Thread(target=self._keep_prepared, args=(stopped,), name="dataspace-answers", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def _keep_prepared(self, stopped: threading.Event) -> None:
        seen = 0
        while not stopped.wait(LOOK_SECONDS):
            try:
                generation = self.index.generation()
                if generation != seen:
                    self.prepare(stopped)
                    seen = generation
            except (OSError, ValueError, RuntimeError):
                logger.exception("common searches could not be prepared; they are answered when they are asked")
                stopped.wait(60)


def wanted(query: Query, projects: frozenset[str]) -> SearchRequest:
    """A query as the engine takes it."""
    chips: dict[str, list[str]] = {}
    for chip in query.chips:
        facet, _, value = chip.partition(":")
        chips.setdefault(facet, []).append(value)
    return SearchRequest(
        text=query.text,
        chips=chips,
        projects=projects,
        sort=query.sort,
        offset=(query.page - 1) * query.per_page,
        limit=query.per_page,
        typing=query.typing,
    )


def _told(query: Query, found: Found, generation: int) -> bytes:
    """The answer as JSON around cards that are JSON already: nothing is parsed only to be written again."""
    facets = {
        facet: [
            {"value": value, "label": vocabularies.facet_label(facet, value, query.language), "count": count}
            for value, count in _shown(query, facet, counts)
        ]
        for facet, counts in found.facets.items()
    }
    told = json.dumps({"total": found.total, "facets": facets, "generation": generation}, ensure_ascii=False)
    return f'{told[:-1]}, "hits": [{",".join(found.cards)}]}}'.encode()


def _shown(query: Query, facet: str, counts: Mapping[str, int]) -> list[tuple[str, int]]:
    chosen = {chip.partition(":")[2] for chip in query.chips if chip.startswith(f"{facet}:")}
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    top = ordered[:VALUES_SHOWN]
    rest = [(value, counts.get(value, 0)) for value in sorted(chosen) if value not in dict(top)]
    return top + rest


def suggestions(index: Engine, query: Query, projects: frozenset[str]) -> tuple[Suggestion, ...]:
    """What to leave out of a search that found nothing: each chip, each word, all chips; the best first."""
    tries: list[tuple[str, Query]] = []
    for chip in query.chips:
        facet, _, value = chip.partition(":")
        label = vocabularies.facet_label(facet, value, query.language)
        rest = tuple(other for other in query.chips if other != chip)
        tries.append((f"Without “{label}”", query.model_copy(update={"chips": rest, "page": 1})))
    typed = words(query.text)
    if len(typed) > 1:
        for word in typed:
            rest_of = " ".join(other for other in typed if other != word)
            tries.append((f"Without the word “{word}”", query.model_copy(update={"text": rest_of, "page": 1})))
    if len(query.chips) > 1:
        tries.append(("Without any filter", query.model_copy(update={"chips": (), "page": 1})))
    if typed and not query.typing:
        tries.append(("Words that begin like this", query.model_copy(update={"typing": True, "page": 1})))
    found = [
        Suggestion(text=text, query=relaxed, total=index.search(wanted(relaxed, projects)).total)
        for text, relaxed in tries
    ]
    return tuple(sorted((one for one in found if one.total), key=lambda one: -one.total)[:5])
