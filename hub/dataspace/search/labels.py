"""Labels of vocabularies as synonyms: records are found by names of themes, countries and file types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from hub.dataspace.metadata.vocabularies import country_labels, file_type_labels, theme_labels
from hub.dataspace.models import Text
from hub.dataspace.search.analysis import words

_SHORTEST_THEME_WORD = 5
_LONGEST_ARTICLE = 2


def filters_named(word: str) -> tuple[tuple[str, str], ...]:
    """Facet and value of what has this name in any language: ``landbrug`` is agriculture, ``csv`` a format."""
    return tuple((facet, value) for facet, names in _values_by_name().items() for value in names.get(word, ()))


@cache
def _values_by_name() -> dict[str, dict[str, tuple[str, ...]]]:
    return {
        "sector": _unique(theme_labels(), _theme_names),
        "country": _unique(country_labels(), _single_words),
        "format": _unique({code: {**labels, "": code} for code, labels in file_type_labels().items()}, _single_words),
    }


def _unique(
    labels_by_code: Mapping[str, Text], names_of: Callable[[Sequence[str]], Iterable[str]]
) -> dict[str, tuple[str, ...]]:
    """Names that mean one code only."""
    codes: dict[str, set[str]] = {}
    for code, labels in labels_by_code.items():
        for label in labels.values():
            for name in names_of(words(label)):
                codes.setdefault(name, set()).add(code)
    return {name: tuple(same) for name, same in codes.items() if len(same) == 1}


def _theme_names(label: Sequence[str]) -> Iterable[str]:
    """Every longer word: a theme has several subjects in its name."""
    return (word for word in label if len(word) >= _SHORTEST_THEME_WORD)


def _single_words(label: Sequence[str]) -> Iterable[str]:
    """The label if it is one word: ``united`` or ``republic`` alone mean no country. Articles do not count."""
    if len(label) > 1 and len(label[0]) <= _LONGEST_ARTICLE:
        label = label[1:]
    return label if len(label) == 1 else ()
