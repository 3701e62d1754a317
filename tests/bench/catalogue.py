"""Synthetic records with words and facets distributed as in a real catalogue (Zipf), always the same for one seed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hub.dataspace.metadata.vocabularies import country_labels
from hub.dataspace.search.engine import Entry

SEED = 7
VOCABULARY = 200_000
WORDS = 38
"""A record has: 8 in its title and 30 in its description."""
BATCH = 10_000
_SECTORS = ("AGRI", "ECON", "EDUC", "ENER", "ENVI", "GOVE", "HEAL", "INTR", "JUST", "REGI", "SOCI", "TECH", "TRAN")
_LICENCES = ("open", "attribution", "share-alike", "non-commercial", "bespoke", "not-stated")
_ACCESS = ("public", "restricted", "contract", "not-stated")
_KINDS = ("dataset", "service", "series", "model")
_BADGES = ("fair", "poor", "good")
_COUNTRIES = tuple(sorted(country_labels()))
_LANGUAGES = ("en", "de", "fr", "nl", "it", "es", "pl", "sv", "fi", "el")


def vocabulary() -> list[str]:
    """Words by rank, the most common first."""
    rng = np.random.default_rng(SEED)
    letters = [rng.integers(97, 123, rng.integers(4, 11)) for _ in range(VOCABULARY)]
    return ["".join(map(chr, word)) for word in letters]


def entries(count: int) -> Iterator[list[Entry]]:
    """``count`` records in batches."""
    rng = np.random.default_rng(SEED + 1)
    words = np.array(vocabulary())
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        texts = words[np.minimum(rng.zipf(1.1, (size, WORDS)) - 1, VOCABULARY - 1)]
        ranks = {name: np.minimum(rng.zipf(1.4, size) - 1, most - 1) for name, most in _MOST.items()}
        yield [_entry(start + n + 1, texts[n], {name: int(of[n]) for name, of in ranks.items()}) for n in range(size)]


_MOST = {"publisher": 5000, "space": 20, "sector": 13, "other": 26, "licence": 6, "access": 4, "format": 60, "year": 15}
_MOST |= {"kind": 4, "quality": 3, "country": 40, "keyword": 50_000}


def _entry(identity: int, words: np.ndarray, rank: dict[str, int]) -> Entry:
    title, text = " ".join(words[:8]), " ".join(words[8:])
    language = _LANGUAGES[rank["year"] % len(_LANGUAGES)]
    sectors = (
        {_SECTORS[rank["sector"]], _SECTORS[rank["other"] % 13]} if rank["other"] < 13 else {_SECTORS[rank["sector"]]}
    )
    formats = {f"F{rank['format']}", f"F{rank['other'] % 7}"}
    card = {
        "id": identity,
        "uri": f"https://catalogue.example/{identity}",
        "kind": "dataset",
        "title": {language: title},
        "summary": {language: text[:200]},
        "publisher": {"en": f"Publisher number {rank['publisher']}"},
        "space": f"space-{rank['space']}",
        "licence_class": _LICENCES[rank["licence"]],
        "access": _ACCESS[rank["access"]],
        "formats": sorted(formats),
        "usable": "ask",
        "reason": "No licence is stated: ask the publisher.",
    }
    return Entry(
        id=identity,
        card=json.dumps(card),
        title=title,
        texts={language: f"{title} {text}"},
        facets={
            "sector": sorted(sectors),
            "space": [f"space-{rank['space']}"],
            "publisher": [f"Publisher number {rank['publisher']}"],
            "licence": [_LICENCES[rank["licence"]]],
            "access": [_ACCESS[rank["access"]]],
            "format": sorted(formats),
            "language": [language],
            "updated": [str(2026 - rank["year"])],
            "kind": [_KINDS[rank["kind"]]],
            "quality": [_BADGES[rank["quality"]]],
            "high_value": ["yes"] if rank["keyword"] % 50 == 49 else [],
            "country": [_COUNTRIES[rank["country"]]],
        },
        name=title,
        keywords=[f"keyword {rank['keyword']}", f"about {title.partition(' ')[0]}"],
        updated=738_000 + identity % 1500,
        bytes=identity * 7919 % 10**9,
        changed=identity,
    )


def write(path: Path, count: int) -> None:
    """The records on disk, so that making them is no part of a measurement."""
    with path.open("wb") as file:
        for batch in entries(count):
            pickle.dump(batch, file, protocol=pickle.HIGHEST_PROTOCOL)


def read(path: Path) -> Iterator[list[Entry]]:
    """The same batches again."""
    with path.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                return
