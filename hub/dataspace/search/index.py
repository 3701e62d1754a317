"""The index: what has to be found by words, and counted by facets, among millions. tantivy behind one interface.

The engine never parses what a person typed: words are cut out here, and queries are built from them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, Protocol

import tantivy

from hub.dataspace.metadata.vocabularies import theme_labels
from hub.dataspace.models import FACETS


@dataclass(frozen=True)
class Entry:
    """One record as the index takes it."""

    id: int
    card: str
    """What a hit shows, as JSON; handed back as it is."""
    title: str
    texts: Mapping[str, str]
    """All words by language (two letters)."""
    facets: Mapping[str, Sequence[str]]
    project: str | None = None
    """Set when only this project's members may know of it."""
    updated: int = 0
    """Days since 0001-01-01, 0 for unknown."""
    bytes: int = 0
    changed: int = 0
    """Second at which it was new or last changed here, since 1970."""


@dataclass(frozen=True)
class SearchRequest:
    """A search as the engine takes it. ``projects`` are those of the person who asks."""

    text: str = ""
    chips: Mapping[str, Sequence[str]] = field(default_factory=dict)
    projects: frozenset[str] = frozenset()
    sort: Literal["relevance", "date", "size"] = "relevance"
    offset: int = 0
    limit: int = 20
    typing: bool = False
    changed_after: int | None = None
    counts: bool = True


@dataclass(frozen=True)
class Found:
    total: int
    cards: tuple[str, ...]
    facets: Mapping[str, Mapping[str, int]]


class Engine(Protocol):
    """What an index has to do; ``tests/hub/dataspace/search/test_index.py`` is its conformance test."""

    def generation(self) -> int:
        """A number that grows whenever answers may have changed; cheap to ask."""

    def search(self, wanted: SearchRequest) -> Found: ...

    def at_most(self, text: str) -> int:
        """How many records can have all of these words, at most; much cheaper than looking for them."""

    def common_words(self, most: int) -> list[str]:
        """Words that stand in most titles, which are asked for often and cost most."""

    def concerned(self, projects: frozenset[str]) -> frozenset[str]:
        """Those of them that have records of their own: leaving out the others changes no answer."""


class Writer(Protocol):
    def replace(self, entries: Iterable[Entry], gone: Iterable[int] = ()) -> None:
        """Put entries in place of those with the same id, forget those in ``gone``, and make it so for readers."""


# -- words ------------------------------------------------------------------------------------------------------------

STEMMERS = {
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "sv": "swedish",
}
"""Languages with a stemmer; texts in the others are folded and matched word by word."""
MOST_WORDS = 12
MOST_COMPLETIONS = 24
LONGEST_WORD = 60
_PLAIN = "xx"
_MARKS = re.compile("[\u0300-\u036f]")


def fold(text: str) -> str:
    """Without accents, in every script; the engine's own filter only knows Latin letters."""
    if text.isascii():
        return text
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).replace("ς", "σ")


@cache
def _analyser(language: str) -> tantivy.TextAnalyzer:
    chain = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.remove_long(LONGEST_WORD))
    chain = chain.filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.ascii_fold())
    if language in STEMMERS:
        chain = chain.filter(tantivy.Filter.stemmer(STEMMERS[language]))
    return chain.build()


def words(text: str) -> list[str]:
    """Words of what somebody typed, at most :data:`MOST_WORDS`, folded; everything else in it means nothing."""
    found = dict.fromkeys(_analyser(_PLAIN).analyze(fold(text)))
    return list(found)[:MOST_WORDS]


@lru_cache(maxsize=10_000)
def _stems(word: str) -> tuple[tuple[str, str], ...]:
    """Every language's field, and what the word is in it."""
    return tuple((name, stem) for language, name in _FIELD_OF.items() for stem in _analyser(language).analyze(word))


@cache
def _themes_of_word() -> dict[str, frozenset[str]]:
    """Words of the EU data themes in all languages -> their codes: ``landbrug`` finds what is under agriculture."""
    found: dict[str, set[str]] = {}
    for code, labels in theme_labels().items():
        for label in labels.values():
            for word in words(label):
                if len(word) > 4:
                    found.setdefault(word, set()).add(code)
    return {word: frozenset(codes) for word, codes in found.items() if len(codes) == 1}


# -- tantivy ----------------------------------------------------------------------------------------------------------

SHAPE = "3"
"""Part of the folder's name: another shape of the index is another index, built anew from the database."""
_COLUMNS = {
    "rights": ("licence", "access"),
    "spaces": ("space", "updated"),
    "sectors": ("sector",),
    "formats": ("format",),
    "languages": ("language",),
    "publishers": ("publisher",),
}
_COLUMN_OF = {facet: column for column, facets in _COLUMNS.items() for facet in facets}
_CHIPS = "chips"
_SPACE = "\x1f"
"""Stands for a space within a chip, as spaces are between them."""
_LANGUAGES = (*STEMMERS, _PLAIN)
_FIELD_OF = {language: f"text_{language}" for language in _LANGUAGES}
_MOST_BUCKETS = 60_000
_HEAP = 512 * 2**20
"""Used as needed. What fills it becomes one part of the index, and each part costs every search its own look-ups."""
_TITLE_BOOST = 2.0


@cache
def _schema() -> tantivy.Schema:
    """A column holds all chips of a record that are counted together, joined: found one by one, counted as one value.

    Counting one value a record is seven times faster than counting many. Two facets with few values share a pass;
    more of them would have so many combinations that reading those took longer than the passes saved.
    """
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("id", indexed=True, fast=True)
    builder.add_text_field("title", tokenizer_name=_PLAIN, index_option="freq")
    for language, name in _FIELD_OF.items():
        builder.add_text_field(name, tokenizer_name=language, index_option="freq")
    for column in _COLUMNS:
        builder.add_text_field(column, fast=True, tokenizer_name=_CHIPS, index_option="basic")
    builder.add_text_field("project", tokenizer_name="raw", index_option="basic")
    for number in ("updated", "bytes", "changed"):
        builder.add_unsigned_field(number, fast=True)
    builder.add_bytes_field("card", stored=True)
    return builder.build()


def _open(folder: Path) -> tantivy.Index:
    place = folder / f"index-{SHAPE}"
    place.mkdir(parents=True, exist_ok=True)
    index = tantivy.Index(_schema(), path=str(place))
    for language in _LANGUAGES:
        index.register_tokenizer(language, _analyser(language))
    index.register_tokenizer(_CHIPS, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    index.register_fast_field_tokenizer(_CHIPS, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw()).build())
    return index


@lru_cache(maxsize=50_000)
def _chip(facet: str, value: str) -> str:
    return f"{facet}:{_SPACE.join(value.split())}"


class TantivyWriter:
    """The one writer, in the worker; the engine's own lock keeps a second one out, and falls with its process."""

    def __init__(self, folder: Path) -> None:
        self._index = _open(folder)

    def replace(self, entries: Iterable[Entry], gone: Iterable[int] = ()) -> None:
        highest = self._highest()
        writer = self._index.writer(_HEAP, 1)
        try:
            for identity in gone:
                writer.delete_documents_by_term("id", identity)
            for entry in entries:
                if entry.id <= highest:
                    writer.delete_documents_by_term("id", entry.id)
                writer.add_document(_document(entry))
            writer.commit()
        except BaseException:
            writer.rollback()
            raise
        finally:
            writer.wait_merging_threads()

    def _highest(self) -> int:
        """Ids grow: what is above all that is there is new, and nothing has to be looked for to replace it."""
        self._index.reload()
        answer = self._index.searcher().aggregate(tantivy.Query.all_query(), {"highest": {"max": {"field": "id"}}})
        return int(answer["highest"]["value"] or 0)


def _document(entry: Entry) -> tantivy.Document:
    document = tantivy.Document()
    document.add_integer("id", entry.id)
    document.add_text("title", fold(entry.title))
    for language, text in entry.texts.items():
        document.add_text(_FIELD_OF.get(language, _FIELD_OF[_PLAIN]), fold(text))
    for column, facets in _COLUMNS.items():
        chips = [_chip(facet, value) for facet in facets for value in entry.facets.get(facet, ())]
        document.add_text(column, " ".join(chips))
    if entry.project is not None:
        document.add_text("project", _RESTRICTED)
        document.add_text("project", f"={entry.project}")
    document.add_unsigned("updated", entry.updated)
    document.add_unsigned("bytes", entry.bytes)
    document.add_unsigned("changed", entry.changed)
    document.add_bytes("card", entry.card.encode())
    return document


_RESTRICTED = "restricted"
_ORDER = {"date": "updated", "size": "bytes"}
Must, Should, MustNot = tantivy.Occur.Must, tantivy.Occur.Should, tantivy.Occur.MustNot


class TantivyIndex:
    """A reader; any number of them, in any process, beside the writer."""

    def __init__(self, folder: Path) -> None:
        self._index = _open(folder)
        self._meta = folder / f"index-{SHAPE}" / "meta.json"
        self._read: tuple[int, tantivy.Searcher] = (0, self._index.searcher())

    def generation(self) -> int:
        moment = self._meta.stat().st_mtime_ns
        if moment != self._read[0]:
            self._index.reload()
            self._read = (moment, self._index.searcher())
        return moment // 1_000_000

    def size(self) -> int:
        self.generation()
        return int(self._read[1].num_docs)

    def search(self, wanted: SearchRequest) -> Found:
        self.generation()
        searcher = self._read[1]
        text = self._text(searcher, wanted)
        query = self._narrowed(text, wanted)
        order = _ORDER.get(wanted.sort)
        result = searcher.search(query, wanted.limit, order_by_field=order, offset=wanted.offset)
        total = int(result.count)  # type: ignore[attr-defined]  # its stub forgot it
        cards = tuple(bytes(searcher.doc(address)["card"][0]).decode() for _, address in result.hits)
        facets = self._facets(searcher, text, query, wanted, total) if wanted.counts else {}
        return Found(total, cards, facets)

    def at_most(self, text: str) -> int:
        self.generation()
        searcher = self._read[1]
        return min((self._frequency(searcher, word) for word in words(text)), default=int(searcher.num_docs))

    def common_words(self, most: int) -> list[str]:
        self.generation()
        return [word for word, _ in self._read[1].terms_with_prefix("title", "", limit=most)]

    def concerned(self, projects: frozenset[str]) -> frozenset[str]:
        self.generation()
        searcher = self._read[1]
        return frozenset(project for project in projects if searcher.doc_freq("project", f"={project}"))

    # -- queries

    def _frequency(self, searcher: tantivy.Searcher, word: str) -> int:
        themes = tuple(("sectors", _chip("sector", code)) for code in _themes_of_word().get(word, ()))
        return sum(searcher.doc_freq(*term) for term in _stems(word) + themes)

    def _term(self, name: str, value: str | int) -> tantivy.Query:
        return tantivy.Query.term_query(
            _schema(), name, value, "freq" if name.startswith(("text", "title")) else "basic"
        )

    def _chip_term(self, facet: str, value: str) -> tantivy.Query:
        return self._term(_COLUMN_OF[facet], _chip(facet, value))

    def _text(self, searcher: tantivy.Searcher, wanted: SearchRequest) -> tantivy.Query:
        asked = words(wanted.text)
        if not asked:
            return tantivy.Query.all_query()
        unfinished = asked[-1] if wanted.typing and not wanted.text[-1:].isspace() else None
        needed = [(Must, self._word(searcher, word, completed=word == unfinished)) for word in asked]
        nice = [
            (Should, tantivy.Query.boost_query(self._term("title", word), _TITLE_BOOST))
            for word in asked
            if searcher.doc_freq("title", word)
        ]
        if len(needed) == 1 and not nice:
            return needed[0][1]
        return tantivy.Query.boolean_query(needed + nice)

    def _word(self, searcher: tantivy.Searcher, word: str, *, completed: bool) -> tantivy.Query:
        """Records with a word in any language, under a theme of that name, or with a word that begins like it."""
        terms = dict.fromkeys(_stems(word))
        if completed and len(word) > 1:
            for name in _FIELD_OF.values():
                found = searcher.terms_with_prefix(name, word, limit=MOST_COMPLETIONS)
                terms |= dict.fromkeys((name, term) for term, _ in found)
        any_of = [self._term(*term) for term in terms if searcher.doc_freq(*term)]
        for code in _themes_of_word().get(word, ()):
            if searcher.doc_freq("sectors", _chip("sector", code)):
                any_of.append(self._chip_term("sector", code))
        return _any(any_of)

    def _narrowed(self, text: tantivy.Query, wanted: SearchRequest, *, without: str = "") -> tantivy.Query:
        """``text`` with the chips of every facet but ``without``, for what the asking person may see."""
        parts = [(Must, text)]
        for facet, values in wanted.chips.items():
            if facet != without:
                one_of = _any([self._chip_term(facet, value) for value in values])
                parts.append((Must, tantivy.Query.const_score_query(one_of, 0.0)))
        if wanted.changed_after is not None:
            later = tantivy.Query.range_query(
                _schema(), "changed", tantivy.FieldType.Unsigned, wanted.changed_after, None, include_lower=False
            )
            parts.append((Must, tantivy.Query.const_score_query(later, 0.0)))
        parts.append((MustNot, self._hidden_from(wanted.projects)))
        return tantivy.Query.boolean_query(parts)

    def _hidden_from(self, projects: frozenset[str]) -> tantivy.Query:
        """Few records belong to a project, so it costs least to take away those that are somebody else's."""
        mine = [(MustNot, self._term("project", f"={project}")) for project in sorted(projects)]
        return tantivy.Query.boolean_query([(Must, self._term("project", _RESTRICTED)), *mine])

    # -- counts

    def _facets(
        self, searcher: tantivy.Searcher, text: tantivy.Query, query: tantivy.Query, wanted: SearchRequest, total: int
    ) -> dict[str, dict[str, int]]:
        """Counts by facet. Within a facet they are as if none of its own chips were set: what one would get."""
        counted = _count(searcher, query, tuple(_COLUMNS), most=total)
        facets = {facet: counted[column].get(facet, {}) for facet, column in _COLUMN_OF.items()}
        for facet in wanted.chips:
            column = _COLUMN_OF[facet]
            others = _count(searcher, self._narrowed(text, wanted, without=facet), (column,), most=_MOST_BUCKETS)
            facets[facet] = others[column].get(facet, {})
        return {facet: facets[facet] for facet in FACETS}


def _any(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(Should, query) for query in queries])


def _count(
    searcher: tantivy.Searcher, query: tantivy.Query, columns: Sequence[str], *, most: int
) -> dict[str, dict[str, dict[str, int]]]:
    """Counts by column, facet and value. ``most``: records that can be found, which it costs to have room for."""
    size = min(most, _MOST_BUCKETS)
    if not size:
        return {column: {} for column in columns}
    answer = searcher.aggregate(query, {column: {"terms": {"field": column, "size": size}} for column in columns})
    return {column: _split((one["key"], one["doc_count"]) for one in answer[column]["buckets"]) for column in columns}


def _split(counted: Iterable[tuple[str, int]]) -> dict[str, dict[str, int]]:
    """Counts by facet and value out of those of joined chips."""
    sums: dict[str, int] = {}
    for joined, records in counted:
        for chip in joined.split(" "):
            sums[chip] = sums.get(chip, 0) + records
    sums.pop("", None)
    facets: dict[str, dict[str, int]] = {}
    for chip, records in sums.items():
        facet, _, value = chip.partition(":")
        facets.setdefault(facet, {})[value.replace(_SPACE, " ")] = records
    return facets
