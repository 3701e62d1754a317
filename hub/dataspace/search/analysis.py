"""Text -> words and stems, the same for records and for what people type."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

import tantivy

from hub.dataspace.search import stemming

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
"""Languages that the engine stems itself."""
NO_LANGUAGE = "xx"
LANGUAGES = (*STEMMERS, *stemming.LANGUAGES, NO_LANGUAGE)
"""Languages with a field of their own. Texts in those of :mod:`.stemming` are also indexed word by word."""
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


def indexed_words(language: str, text: str) -> list[str]:
    """The words of a text as the field of a language has them."""
    return list(analyser(language).analyze(prepared(language, text)))


def prepared(language: str, text: str) -> str:
    """A text as the engine takes it for the field of a language: folded, and with stems where it has no stemmer."""
    return fold(stemming.stemmed(language, text) if language in stemming.LANGUAGES else text)


def words(text: str) -> list[str]:
    """The words that somebody typed, folded, at most :data:`MOST_WORDS`; punctuation and operators are ignored."""
    distinct = dict.fromkeys(analyser(NO_LANGUAGE).analyze(fold(text)))
    return list(distinct)[:MOST_WORDS]


def spellings(text: str) -> dict[str, str]:
    """Folded words with their spelling in a text that somebody typed: stems of some languages depend on accents."""
    spelling_by_word: dict[str, str] = {}
    for spelling in stemming.words(text):
        folded = words(spelling)
        if len(folded) == 1:
            spelling_by_word.setdefault(folded[0], spelling)
    return spelling_by_word


@lru_cache(maxsize=10_000)
def stems(word: str, spelling: str = "") -> tuple[tuple[str, str], ...]:
    """Every language with the stem that a word has in it. ``spelling``: as it was typed, with its accents."""
    return tuple(
        (language, stem)
        for language in LANGUAGES
        for stem in indexed_words(language, spelling or word if language in stemming.LANGUAGES else word)
    )
