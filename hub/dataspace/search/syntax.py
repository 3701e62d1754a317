"""What somebody typed -> words, phrases, exclusions and alternatives. Used by queries and suggestions.

``"air quality"``, ``-noise``, ``water OR air``, ``publisher:Ghent`` and ``format:csv``; everything else is words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from hub.dataspace.search.analysis import MOST_WORDS, is_cjk, spellings, words

LONGEST_TEXT = 500
"""Characters of a search; what follows is cut off."""
_TOKEN = re.compile(r'(?<!\S)(?P<minus>-?)(?:(?P<field>publisher|format):)?(?:"(?P<phrase>[^"]*)"?|(?P<bare>\S+))|\S+')
OR = "OR"


@dataclass(frozen=True)
class Clause:
    """Words that a record has to have, in this order if ``phrase``, or must not have if ``excluded``."""

    typed: str
    words: tuple[str, ...]
    """Folded; :attr:`spellings` has them as they were typed."""
    field: str = ""
    """``publisher`` or ``format`` if the words are searched for there alone."""
    phrase: bool = False
    excluded: bool = False

    @cached_property
    def spellings(self) -> dict[str, str]:
        return spellings(self.typed)


Alternatives = tuple[Clause, ...]
"""Clauses of which a record has to match one."""


def shortened(text: str) -> str:
    """At most :data:`LONGEST_TEXT` characters, cut between words."""
    if len(text) <= LONGEST_TEXT:
        return text
    return text[: LONGEST_TEXT + 1].rsplit(None, 1)[0][:LONGEST_TEXT]


def parse(text: str) -> list[Alternatives]:
    """What a record has to match, at most :data:`MOST_WORDS` words of it; empty for text without any word."""
    groups: list[Alternatives] = []
    joined = False
    for token in _tokens(shortened(text)):
        if token.typed == OR and groups and not joined:
            groups.append((replace(token, typed=OR),))
            joined = True
        elif joined and not token.excluded and not groups[-2][0].excluded:
            groups[-2:] = [(*groups[-2], token)]
            joined = False
        else:
            joined = False
            groups.append((token,))
    return _limited(groups)


def _tokens(text: str) -> Iterator[Clause]:
    for match in _TOKEN.finditer(text):
        minus, field, phrase, bare = match.group("minus", "field", "phrase", "bare")
        value = match.group() if phrase is None and bare is None else phrase if bare is None else bare
        value_words = tuple(words(value))
        if not value_words:
            continue
        in_order = phrase is not None or any(is_cjk(word) for word in value_words)
        yield Clause(match.group(), value_words, field or "", in_order, bool(minus))


def _limited(groups: list[Alternatives]) -> list[Alternatives]:
    """The first groups, without repetitions, that have at most :data:`MOST_WORDS` words together."""
    limited: list[Alternatives] = []
    rest = MOST_WORDS
    for group in dict.fromkeys(groups):
        clauses = []
        for clause in group:
            if rest > 0:
                clauses.append(replace(clause, words=clause.words[:rest]))
                rest -= len(clause.words)
        if clauses:
            limited.append(tuple(clauses))
    return limited
