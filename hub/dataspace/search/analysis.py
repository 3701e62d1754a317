"""Text -> words and stems, the same for records and for what people type."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

import tantivy

from hub.dataspace.metadata.vocabularies import theme_labels

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
NO_LANGUAGE = "xx"
LANGUAGES = (*STEMMERS, NO_LANGUAGE)
MOST_WORDS = 12
LONGEST_WORD = 60
_CJK = re.compile("[\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")
_ACCENTS = re.compile("[\u0300-\u036f]")


def fold(text: str) -> str:
    """Text without accents, in every script; Chinese, Japanese and Korean as overlapping pairs of characters.

    The engine's own filter knows Latin letters only, and takes a sentence without spaces for one word.
    """
    if text.isascii():
        return text
    # Composed again: Korean syllables and Japanese voiced letters are otherwise cut into pieces.
    folded = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    return _CJK.sub(_pairs, folded.replace("ς", "σ"))


def _pairs(run: re.Match[str]) -> str:
    characters = run.group()
    pairs = (characters[i : i + 2] for i in range(max(len(characters) - 1, 1)))
    return f" {' '.join(pairs)} "


def is_cjk(word: str) -> bool:
    """Whether a word is a pair of Chinese, Japanese or Korean characters, or one of them."""
    return _CJK.fullmatch(word) is not None


@cache
def analyser(language: str) -> tantivy.TextAnalyzer:
    """Cuts text into lower-case words, stemmed where the language has a stemmer."""
    chain = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.remove_long(LONGEST_WORD))
    chain = chain.filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.ascii_fold())
    if language in STEMMERS:
        chain = chain.filter(tantivy.Filter.stemmer(STEMMERS[language]))
    return chain.build()


def words(text: str) -> list[str]:
    """The words that somebody typed, folded, at most :data:`MOST_WORDS`; punctuation and operators are ignored."""
    distinct = dict.fromkeys(analyser(NO_LANGUAGE).analyze(fold(text)))
    return list(distinct)[:MOST_WORDS]


@lru_cache(maxsize=10_000)
def stems(word: str) -> tuple[tuple[str, str], ...]:
    """Every language with the stem that a word has in it."""
    return tuple((language, stem) for language in LANGUAGES for stem in analyser(language).analyze(word))


def theme_codes(word: str) -> frozenset[str]:
    """The EU data theme that has this word in its name in any language: ``landbrug`` is agriculture."""
    return _theme_codes_by_word().get(word, frozenset())


@cache
def _theme_codes_by_word() -> dict[str, frozenset[str]]:
    codes_by_word: dict[str, set[str]] = {}
    for code, labels in theme_labels().items():
        for label in labels.values():
            for word in words(label):
                if len(word) > 4:
                    codes_by_word.setdefault(word, set()).add(code)
    return {word: frozenset(codes) for word, codes in codes_by_word.items() if len(codes) == 1}
