"""The index on disk: its fields, and how a record is stored in them. Used by the reader and the writer of the index."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

import tantivy

from hub.dataspace.search import stemming
from hub.dataspace.search.analysis import LANGUAGES, NO_LANGUAGE, STEMMERS, analyser, fold, indexed_words, prepared
from hub.dataspace.search.engine import Entry

VERSION = "5"
"""Part of the folder's name: an index with another schema is a new one, built from the database."""
FACETS_OF_COLUMN = {
    "rights": ("licence", "access"),
    "spaces": ("space", "updated"),
    "sectors": ("sector",),
    "formats": ("format",),
    "languages": ("language",),
    "publishers": ("publisher",),
    "kinds": ("kind", "quality", "high_value"),
    "countries": ("country",),
}
COLUMN_OF_FACET = {facet: column for column, facets in FACETS_OF_COLUMN.items() for facet in facets}
TEXT_FIELDS = {language: f"text_{language}" for language in LANGUAGES}
COMPLETED_FIELDS = tuple(TEXT_FIELDS[language] for language in (*STEMMERS, NO_LANGUAGE))
"""Fields in which unfinished words are looked up; texts of the other languages are word by word in the last one."""
OWN = "own"
"""Every word of the records that belong to a project, with the project and the field that another record's is in.

So that no word of a record that a person may not see is in a list, a count or a rank of theirs.
"""
RESTRICTED = "restricted"
"""In the field ``project`` of every record that belongs to a project."""
_FILTERS = "chips"
_NO_WORD = re.compile(r"^[\W_]+")
_LONGEST_SORT_KEY = 40
_SPACE = "\x1f"
"""Replaces a space within a filter, as spaces separate filters."""


@cache
def schema() -> tantivy.Schema:
    """A column holds all filters of a record that are counted together, joined: found one by one, counted as one value.

    Counting one value a record is seven times faster than counting many. Two facets with few values share a column;
    more of them would have so many combinations that reading these took longer than the columns saved.
    """
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("id", indexed=True, fast=True)
    builder.add_text_field("title", tokenizer_name=NO_LANGUAGE, index_option="position")
    builder.add_text_field("publisher_name", tokenizer_name=NO_LANGUAGE, index_option="basic")
    for language, name in TEXT_FIELDS.items():
        builder.add_text_field(name, tokenizer_name=language, index_option="position")
    for column in FACETS_OF_COLUMN:
        builder.add_text_field(column, fast=True, tokenizer_name=_FILTERS, index_option="basic")
    builder.add_text_field("keyword", tokenizer_name="raw", index_option="basic")
    builder.add_text_field(OWN, tokenizer_name=_FILTERS, index_option="position")
    builder.add_text_field("project", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("name", fast=True, tokenizer_name="raw", index_option="basic")
    for number in ("updated", "bytes", "changed"):
        builder.add_unsigned_field(number, fast=True)
    builder.add_bytes_field("card", stored=True)
    return builder.build()


def folder_of(folder: Path) -> Path:
    """Where the index with the current schema is."""
    return folder / f"index-{VERSION}"


def open_index(folder: Path) -> tantivy.Index:
    """The index in this folder, created if it does not exist."""
    index_folder = folder_of(folder)
    index_folder.mkdir(parents=True, exist_ok=True)
    index = tantivy.Index(schema(), path=str(index_folder))
    for language in LANGUAGES:
        index.register_tokenizer(language, analyser(language))
    index.register_tokenizer(_FILTERS, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    index.register_fast_field_tokenizer(_FILTERS, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw()).build())
    return index


@lru_cache(maxsize=50_000)
def filter_term(facet: str, value: str) -> str:
    """A facet and one of its values, as a term of the facet's column."""
    return f"{facet}:{_SPACE.join(value.split())}"


def project_term(project: str) -> str:
    """A project, as a term of the field ``project``."""
    return f"={project}"


def counts_by_facet(counts: Iterable[tuple[str, int]]) -> dict[str, dict[str, int]]:
    """Counts by facet and value, out of counts of a column's values (filters that are joined by spaces)."""
    sums: dict[str, int] = {}
    for joined, records in counts:
        for term in joined.split(" "):
            sums[term] = sums.get(term, 0) + records
    sums.pop("", None)
    facets: dict[str, dict[str, int]] = {}
    for term, records in sums.items():
        facet, _, value = term.partition(":")
        facets.setdefault(facet, {})[value.replace(_SPACE, " ")] = records
    return facets


def own_term(project: str, name: str, word: str) -> str:
    """A word of a field in a project's records, as a term of the field :data:`OWN`."""
    return f"{project}{_SPACE}{name}{_SPACE}{word}"


def keyword_term(keyword: str) -> str:
    """A keyword as a term: capitals, accents and spaces do not tell keywords apart."""
    return _SPACE.join(fold(keyword).lower().split())


def keyword_of(term: str) -> str:
    """The keyword of a term."""
    return term.replace(_SPACE, " ")


def document(entry: Entry) -> tantivy.Document:
    """A record as a document of the index."""
    stored = tantivy.Document()
    stored.add_integer("id", entry.id)
    if entry.project is None:
        _add_texts(stored, entry)
    else:
        _add_own_texts(stored, entry, entry.project)
    for column, facets in FACETS_OF_COLUMN.items():
        terms = [filter_term(facet, value) for facet in facets for value in entry.facets.get(facet, ())]
        stored.add_text(column, " ".join(terms))
    if name := _sort_key(entry.name):
        stored.add_text("name", name)
    if entry.updated:
        stored.add_unsigned("updated", entry.updated)
    stored.add_unsigned("bytes", entry.bytes)
    stored.add_unsigned("changed", entry.changed)
    stored.add_bytes("card", entry.card.encode())
    return stored


def _add_texts(stored: tantivy.Document, entry: Entry) -> None:
    for name, language, text in _texts(entry):
        stored.add_text(name, prepared(language, text))
    for keyword in entry.keywords:
        stored.add_text("keyword", keyword_term(keyword))


def _add_own_texts(stored: tantivy.Document, entry: Entry, project: str) -> None:
    stored.add_text("project", RESTRICTED)
    stored.add_text("project", project_term(project))
    for name, language, text in _texts(entry):
        stored.add_text(OWN, " ".join(own_term(project, name, word) for word in indexed_words(language, text)))
    for keyword in entry.keywords:
        stored.add_text(OWN, own_term(project, "keyword", keyword_term(keyword)))


def _texts(entry: Entry) -> Iterator[tuple[str, str, str]]:
    """Field, language and text of everything in a record that is searched by words."""
    yield "title", NO_LANGUAGE, entry.title
    yield "publisher_name", NO_LANGUAGE, " ".join(entry.facets.get("publisher", ()))
    for language, text in entry.texts.items():
        field_language = language if language in TEXT_FIELDS else NO_LANGUAGE
        yield TEXT_FIELDS[field_language], field_language, text
        if field_language in stemming.LANGUAGES:
            yield TEXT_FIELDS[NO_LANGUAGE], NO_LANGUAGE, text


def _sort_key(name: str) -> str:
    """The beginning of a name, from its first letter or digit on, in lower case and without accents."""
    return _NO_WORD.sub("", fold(name).lower())[:_LONGEST_SORT_KEY]
