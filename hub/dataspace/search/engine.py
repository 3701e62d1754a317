"""What a search engine has to offer, and the values it takes and returns. Used by indexing, answers and saved searches.

``tests/hub/dataspace/search/test_index.py`` is the conformance test of an engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True)
class Entry:
    """One record as the index stores it."""

    id: int
    card: str
    """The hit as JSON, which the index returns unchanged."""
    title: str
    """In all languages."""
    texts: Mapping[str, str]
    """All text by language (two letters)."""
    facets: Mapping[str, Sequence[str]]
    name: str = ""
    """The title by which records are sorted."""
    keywords: Sequence[str] = ()
    project: str | None = None
    """Set if only members of this project may see the record."""
    updated: int = 0
    """Days since 0001-01-01, 0 for unknown."""
    bytes: int = 0
    changed: int = 0
    """Seconds since 1970 at which the record was new or last changed here."""


@dataclass(frozen=True)
class SearchRequest:
    """A search as the engine takes it. ``projects``: of the person who searches; ``filters``: values by facet.

    ``keywords`` are filters, too: a record has one of them. ``updated``: the first and the last day (as those of an
    :class:`Entry`), 0 for no limit.
    """

    text: str = ""
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    projects: frozenset[str] = frozenset()
    keywords: Sequence[str] = ()
    updated: tuple[int, int] = (0, 0)
    sort: Literal["relevance", "date", "oldest", "size", "name"] = "relevance"
    offset: int = 0
    limit: int = 20
    typing: bool = False
    """The last word may be unfinished."""
    changed_after: int | None = None
    counts: bool = True
    """Whether values of facets are counted."""


@dataclass(frozen=True)
class SearchResult:
    """Hits as JSON, their total, and counts by facet and value."""

    total: int
    cards: tuple[str, ...]
    facets: Mapping[str, Mapping[str, int]]


class Engine(Protocol):
    def generation(self) -> int:
        """A number that grows whenever answers may have changed; cheap to look up."""

    def search(self, request: SearchRequest) -> SearchResult: ...

    def values(self, request: SearchRequest, facet: str) -> Mapping[str, int]:
        """All values of a facet with their counts, whatever the request's own filters of that facet are."""

    def keywords(self, beginning: str, projects: frozenset[str], most: int) -> Mapping[str, int]:
        """Keywords that begin like this, the most frequent first, and in how many records a person sees each."""

    def most_hits(self, text: str, projects: frozenset[str]) -> int:
        """Upper limit of the records that have all of these words; much cheaper than a search."""

    def learn_words(self) -> None:
        """Take new words into account for compounds and corrections; takes seconds in a large index.

        Those of records that belong to a project are for its members alone.
        """

    def corrections(self, text: str, projects: frozenset[str]) -> Mapping[str, Sequence[str]]:
        """Words of a text that no record of the person has, and what each may have been meant to be, likeliest first.

        They come from titles of records that the person may see.
        """

    def common_words(self, most: int) -> list[str]:
        """Words that are in most titles: they are searched for often, and cost most."""

    def projects_with_records(self, projects: frozenset[str]) -> frozenset[str]:
        """Those of these projects that have records of their own; the others change no answer."""


class Writer(Protocol):
    def replace(self, entries: Iterable[Entry], removed: Iterable[int] = ()) -> None:
        """Store entries in place of those with the same id, delete those in ``removed``, and show both to readers."""
