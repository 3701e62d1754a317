"""The index on disk: its fields, and how a record is stored in them. Used by the reader and the writer of the index."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import tantivy

from hub.dataspace.search.analysis import LANGUAGES, NO_LANGUAGE, analyser, fold
from hub.dataspace.search.engine import Entry

VERSION = "4"
"""Part of the folder's name: an index with another schema is a new one, built from the database."""
FACETS_OF_COLUMN = {
    "rights": ("licence", "access"),
    "spaces": ("space", "updated"),
    "sectors": ("sector",),
    "formats": ("format",),
    "languages": ("language",),
    "publishers": ("publisher",),
}
COLUMN_OF_FACET = {facet: column for column, facets in FACETS_OF_COLUMN.items() for facet in facets}
TEXT_FIELDS = {language: f"text_{language}" for language in LANGUAGES}
RESTRICTED = "restricted"
"""In the field ``project`` of every record that belongs to a project."""
_FILTERS = "chips"
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
    builder.add_text_field("project", tokenizer_name="raw", index_option="basic")
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


def document(entry: Entry) -> tantivy.Document:
    """A record as a document of the index."""
    stored = tantivy.Document()
    stored.add_integer("id", entry.id)
    stored.add_text("title", fold(entry.title))
    stored.add_text("publisher_name", fold(" ".join(entry.facets.get("publisher", ()))))
    for language, text in entry.texts.items():
        stored.add_text(TEXT_FIELDS.get(language, TEXT_FIELDS[NO_LANGUAGE]), fold(text))
    for column, facets in FACETS_OF_COLUMN.items():
        terms = [filter_term(facet, value) for facet in facets for value in entry.facets.get(facet, ())]
        stored.add_text(column, " ".join(terms))
    if entry.project is not None:
        stored.add_text("project", RESTRICTED)
        stored.add_text("project", project_term(entry.project))
    stored.add_unsigned("updated", entry.updated)
    stored.add_unsigned("bytes", entry.bytes)
    stored.add_unsigned("changed", entry.changed)
    stored.add_bytes("card", entry.card.encode())
    return stored
