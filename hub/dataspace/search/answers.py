"""Answers to searches as JSON, cached until the index changes. Used by the routes and by saved searches."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from hub.dataspace.metadata import vocabularies
from hub.dataspace.models import KEYWORD, FacetValue, Query, Suggestion, ValueQuery
from hub.dataspace.search import syntax
from hub.dataspace.search.analysis import fold, words
from hub.dataspace.search.engine import Engine, SearchRequest, SearchResult
from hub.dataspace.search.index import TantivyIndex

logger = logging.getLogger(__name__)
VALUES_SHOWN = 20
"""Values of a facet; those that are set as filters are always shown."""
MOST_ANSWERS = 5000
MOST_ANSWER_BYTES = 128 * 2**20
COMMON_WORDS = 300
QUICK_HITS = 1000
"""Hits that are found and counted in less than a millisecond."""
LOOK_SECONDS = 2.0
"""Interval of looking whether the index has changed."""
LEARNING_SHARE = 20
"""Words are learned again after this many times as long as learning them takes."""
_WORD = re.compile(r"\w+")


class SearchCache:
    """The index, and its answers until it changes.

    The key of an answer is the query and those of the person's projects that have records of their own. Most people
    have none, and share their answers. Common words are searched for most and cost most, and they are few: their
    answers are prepared after each change.
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
        """The index, opened at the first search."""
        if self._index is None:
            self._index = self._open(self._folder)
        return self._index

    def cached(self, query: Query, projects: frozenset[str]) -> bytes | None:
        """An answer from the cache, in microseconds; None if there is none."""
        with self._lock:
            if self.index.generation() != self._generation:
                return None
            return self._answers.get((query, self.index.projects_with_records(projects)))

    def is_quick(self, query: Query, projects: frozenset[str]) -> bool:
        """Whether a new answer takes less time than a thread takes to start."""
        return not query.typing and self.index.most_hits(query.text, projects) < QUICK_HITS

    def answer(self, query: Query, projects: frozenset[str]) -> bytes:
        """A :class:`hub.dataspace.models.SearchAnswer` as JSON, from the cache if it is there."""
        generation = self.index.generation()
        cached = self.cached(query, projects)
        if cached is not None:
            return cached
        own_projects = self.index.projects_with_records(projects)
        answer = _as_json(query, *search(self.index, query, own_projects), generation)
        with self._lock:
            if generation != self._generation:
                self._answers.clear()
                self._generation = generation
            self._answers[query, own_projects] = answer
            if len(self._answers) > MOST_ANSWERS:
                self._answers.popitem()
        return answer

    def prepare(self, stopped: threading.Event) -> None:
        """Answer the most frequent searches: without words, and with each common word."""
        for text in ("", *self.index.common_words(COMMON_WORDS)):
            if stopped.is_set():
                return
            self.answer(Query(text=text), frozenset())

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Prepare answers after each change of the index, in a thread that runs as long as the context."""
        stopped = threading.Event()
        thread = threading.Thread(
            target=self._prepare_after_changes, args=(stopped,), name="dataspace-answers", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def _prepare_after_changes(self, stopped: threading.Event) -> None:
        prepared, learn_again = 0, 0.0
        while not stopped.wait(LOOK_SECONDS):
            try:
                generation = self.index.generation()
                if generation != prepared:
                    self.prepare(stopped)
                    prepared = generation
                if time.monotonic() >= learn_again:
                    learn_again = self._learn_words()
            except (OSError, ValueError, RuntimeError):
                logger.exception("answers to common searches cannot be prepared; each is computed at its first search")
                stopped.wait(60)

    def _learn_words(self) -> float:
        """Learn the words of titles, which takes seconds in a large index; returns when to do so again."""
        started = time.monotonic()
        self.index.learn_words()
        return time.monotonic() + LEARNING_SHARE * (time.monotonic() - started)


def search(index: Engine, query: Query, projects: frozenset[str]) -> tuple[SearchResult, str]:
    """The result, and the corrected text if that was searched for: the text has no hits, its correction has some."""
    result = index.search(search_request(query, projects))
    if result.total or not query.text:
        return result, ""
    for text in corrected_texts(query.text, index.corrections(query.text, projects)):
        request = search_request(query.model_copy(update={"text": text, "typing": False}), projects)
        corrected = index.search(request)
        # A title may have lost the word since it was learned, and filters may leave out what has it.
        if corrected.total:
            return corrected, text
    return result, ""


def corrected_texts(text: str, corrections: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The text with each unknown word replaced, the likeliest first; none if a word has no correction."""
    if not corrections or not all(corrections.values()):
        return
    for position in range(max(map(len, corrections.values()))):
        yield _replaced(text, {word: nth[min(position, len(nth) - 1)] for word, nth in corrections.items()})


def _replaced(text: str, corrections: Mapping[str, str]) -> str:
    """The text with corrected words; what is typed is compared as it is indexed."""

    def correction(match: re.Match[str]) -> str:
        folded = words(match.group())
        return corrections.get(folded[0], match.group()) if len(folded) == 1 else match.group()

    return _WORD.sub(correction, syntax.shortened(text))


def search_request(query: Query, projects: frozenset[str]) -> SearchRequest:
    """A query as the engine takes it. ``projects``: of the person who searches."""
    filters: dict[str, list[str]] = {}
    for chip in query.chips:
        facet, _, value = chip.partition(":")
        filters.setdefault(facet, []).append(value)
    return SearchRequest(
        text=query.text,
        keywords=filters.pop(KEYWORD, ()),
        filters=filters,
        updated=(_day_number(query.updated_from), _day_number(query.updated_to)),
        projects=projects,
        sort=query.sort,
        offset=(query.page - 1) * query.per_page,
        limit=query.per_page,
        typing=query.typing,
    )


def _day_number(day: date | None) -> int:
    """A day as the index counts them, 0 for none."""
    return day.toordinal() if day else 0


def _as_json(query: Query, result: SearchResult, corrected: str, generation: int) -> bytes:
    """The answer as JSON. Its cards are JSON already and are not parsed."""
    facets = {
        facet: [
            {"value": value, "label": vocabularies.facet_label(facet, value, query.language), "count": count}
            for value, count in _shown(query, facet, counts)
        ]
        for facet, counts in result.facets.items()
    }
    values = {"total": result.total, "facets": facets, "generation": generation, "corrected": corrected}
    values["shortened"] = len(query.text) > syntax.LONGEST_TEXT
    head = json.dumps(values, ensure_ascii=False)
    return f'{head[:-1]}, "hits": [{",".join(result.cards)}]}}'.encode()


def _shown(query: Query, facet: str, counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent values of a facet with their counts, and those that the query filters by."""
    filtered = {chip.partition(":")[2] for chip in query.chips if chip.startswith(f"{facet}:")}
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    top = ordered[:VALUES_SHOWN]
    rest = [(value, counts.get(value, 0)) for value in sorted(filtered) if value not in dict(top)]
    return top + rest


def values(index: Engine, query: ValueQuery, projects: frozenset[str]) -> tuple[FacetValue, ...]:
    """Values of a facet whose label has a text in it, and that records of a search have; the most frequent first.

    Of keywords, those that begin like the text, whatever is searched for.
    """
    if query.facet == KEYWORD:
        counts = index.keywords(query.find, projects, VALUES_SHOWN)
        return tuple(FacetValue(value=keyword, label=keyword, count=count) for keyword, count in counts.items())
    part = _comparable(query.find)
    labelled = [
        FacetValue(value=value, label=vocabularies.facet_label(query.facet, value, query.language), count=count)
        for value, count in index.values(search_request(query, projects), query.facet).items()
    ]
    matching = [each for each in labelled if part in _comparable(each.label)]
    return tuple(sorted(matching, key=lambda each: (-each.count, each.label))[:VALUES_SHOWN])


def _comparable(label: str) -> str:
    return " ".join(fold(label).casefold().split())


def suggestions(index: Engine, query: Query, projects: frozenset[str]) -> tuple[Suggestion, ...]:
    """What to leave out of a search without hits: each filter, each word, the dates, all filters; most hits first."""
    relaxations: list[tuple[str, Query]] = []
    for chip in query.chips:
        facet, _, value = chip.partition(":")
        label = vocabularies.facet_label(facet, value, query.language)
        rest = tuple(other for other in query.chips if other != chip)
        relaxations.append((f"Without “{label}”", query.model_copy(update={"chips": rest, "page": 1})))
    typed = [f" {syntax.OR} ".join(clause.typed for clause in group) for group in syntax.parse(query.text)]
    if len(typed) > 1:
        for word in typed:
            rest_of = " ".join(other for other in typed if other != word)
            relaxations.append((f"Without the word “{word}”", query.model_copy(update={"text": rest_of, "page": 1})))
    no_days = {"updated_from": None, "updated_to": None, "page": 1}
    if query.updated_from or query.updated_to:
        relaxations.append(("Of any date", query.model_copy(update=no_days)))
    if len(query.chips) > 1:
        relaxations.append(("Without any filter", query.model_copy(update={"chips": (), **no_days})))
    if typed and not query.typing:
        relaxations.append(("Words that begin like this", query.model_copy(update={"typing": True, "page": 1})))
    suggested = [
        Suggestion(text=text, query=relaxed, total=index.search(search_request(relaxed, projects)).total)
        for text, relaxed in relaxations
    ]
    return tuple(sorted((each for each in suggested if each.total), key=lambda each: -each.total)[:5])
