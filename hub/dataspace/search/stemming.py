"""Stems of languages that the search engine has no stemmer for. Used by analysis, for records and typed words alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache, partial

import Stemmer
from simplemma.strategies import DictionaryLookupStrategy
from simplemma.strategies.dictionaries import LOW_MEMORY_DICTIONARY_FACTORY

_SNOWBALL = {"cs": "czech", "et": "estonian", "ga": "irish", "hr": "serbian", "lt": "lithuanian", "pl": "polish"}
"""Snowball's Serbian stemmer is one for Serbo-Croatian, in both alphabets."""
_DICTIONARIES = ("bg", "lv", "sk", "sl")
LANGUAGES = (*_SNOWBALL, *_DICTIONARIES)
_MOST_CACHED = 100_000
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The words of a text as they are written, in lower case."""
    return _WORD.findall(_composed(text))


def stemmed(language: str, text: str) -> str:
    """A text with each word in lower case, and its stem or its form in a dictionary in its place.

    A word that no dictionary has stays as it is.
    """
    stem = _stemmer(language)
    return _WORD.sub(lambda match: stem(match.group()), _composed(text))


def _composed(text: str) -> str:
    """Text in lower case, each letter and its accents as one character: stemmers and dictionaries expect that."""
    return unicodedata.normalize("NFC", text).lower()


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    stem = _from_dictionary if language in _DICTIONARIES else _by_snowball
    return lru_cache(_MOST_CACHED)(partial(stem, language))


def _by_snowball(language: str, word: str) -> str:
    # A stemmer must not be used by two threads at once; a new one costs less than a lock.
    return str(Stemmer.Stemmer(_SNOWBALL[language], 0).stemWord(word))


def _from_dictionary(language: str, word: str) -> str:
    return (_LOOKUP.get_lemma(word, language) or word).lower()


_LOOKUP = DictionaryLookupStrategy(LOW_MEMORY_DICTIONARY_FACTORY)
"""Some 20 MB for the four languages, and half a second for each at its first word."""
