"""Words of titles: those that are nearly a word somebody typed, and those that contain it. Used by the index."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache

MOST_TERMS = 100_000
"""Words, the most frequent ones: some 40 MB, and a few seconds to prepare."""
MOST_COMPOUNDS = 24
MOST_CORRECTIONS = 5
_SHORTEST_WORD, _LONGEST_WORD = 4, 40
_SHORTEST_PART, _SHORTEST_REST = 4, 3
_PREFIX = 7
"""Letters whose deletions are stored; the rest of a word is compared."""
_LINKING_LETTERS = ("", "s", "n", "e", "es", "en", "er", "ns", "ens", "i", "o", "u", "a")
_SHORT_ENDING, _LONGEST_ENDING = 2, 4
_MOST_OCCURRENCES = 2000
_BUCKETS = 256
_MOST_CACHED = 10_000
_INDEX_BITS = 24


class Spelling:
    """Frequent words and how often each occurs (``frequencies``), stored by their prefixes without one or two letters.

    Two words that differ by at most two edits have such a shortened prefix in common (the SymSpell algorithm).
    """

    def __init__(self, frequencies: Iterable[tuple[str, int]]) -> None:
        self._frequencies = {word: count for word, count in frequencies if is_correctable(word)}
        self._words = list(self._frequencies)
        self._lines = "\n".join(["", *self._words, ""])
        buckets: list[array[int]] = [array("Q") for _ in range(_BUCKETS)]
        for index, word in enumerate(self._words):
            for shortened in _shortened(word):
                bucket, key = _address(shortened)
                buckets[bucket].append(key << _INDEX_BITS | index)
        # One bucket at a time: a longer sort would hold up every other thread.
        self._buckets = [array("Q", sorted(bucket)) for bucket in buckets]
        self.compounds = lru_cache(_MOST_CACHED)(self._compounds)

    def corrections(self, word: str) -> list[str]:
        """Words that this one may have been meant to be, the likeliest first."""
        most_edits = 1 if len(word) < 5 else 2
        if not is_correctable(word):
            return []
        ranked = []
        for candidate in self._candidates(word):
            distance = edits(word, candidate)
            if 0 < distance <= most_edits:
                ranked.append((distance, candidate[0] != word[0], -self._frequencies[candidate], candidate))
        corrections = [candidate for *_, candidate in sorted(ranked)]
        return list(dict.fromkeys([*corrections, *self._with_other_ending(word)]))[:MOST_CORRECTIONS]

    def _with_other_ending(self, word: str) -> list[str]:
        """Words that differ from this one in their last letters only, the most alike first: ``vody`` for ``voda``."""
        for beginning in (word[:-1], word[:-2]):
            if len(beginning) < _SHORTEST_PART:
                break
            others: list[str] = []
            position = self._lines.find(f"\n{beginning}")
            while position >= 0 and len(others) < _MOST_OCCURRENCES:
                end = self._lines.find("\n", position + 1)
                candidate = self._lines[position + 1 : end]
                if candidate != word and len(candidate) - len(beginning) <= _LONGEST_ENDING:
                    others.append(candidate)
                position = self._lines.find(f"\n{beginning}", end)
            if others:
                return sorted(others, key=lambda candidate: (len(candidate), -self._frequencies[candidate]))
        return []

    def _candidates(self, word: str) -> set[str]:
        candidates: set[str] = set()
        for shortened in _shortened(word):
            bucket, key = _address(shortened)
            entries = self._buckets[bucket]
            position = bisect_left(entries, key << _INDEX_BITS)
            while position < len(entries) and entries[position] >> _INDEX_BITS == key:
                candidates.add(self._words[entries[position] & (1 << _INDEX_BITS) - 1])
                position += 1
        return candidates

    def _compounds(self, part: str, *, rest_is_known: bool) -> tuple[str, ...]:
        """Longer words that contain this one, the most frequent first.

        ``rest_is_known``: only those whose rest, without linking letters, is a word of a title, too.
        """
        if len(part) < _SHORTEST_PART or not is_correctable(part):
            return ()
        compounds = {
            word: self._frequencies[word]
            for word, rest in self._containing(part)
            if not rest_is_known or self._is_known(rest)
        }
        return tuple(sorted(compounds, key=lambda word: (-compounds[word], word))[:MOST_COMPOUNDS])

    def _containing(self, part: str) -> Iterator[tuple[str, str]]:
        """Words with this part, and the rest of each; an ending after the part does not count as rest."""
        position = self._lines.find(part)
        for _ in range(_MOST_OCCURRENCES):
            if position < 0:
                return
            start, end = self._lines.rfind("\n", 0, position) + 1, self._lines.find("\n", position)
            head, tail = self._lines[start:position], self._lines[position + len(part) : end]
            if not head and tail:
                yield self._lines[start:end], tail
            elif len(head) >= _SHORTEST_REST and len(tail) <= _SHORT_ENDING:
                yield self._lines[start:end], head
            elif len(head) >= _SHORTEST_REST and len(tail) >= _SHORTEST_REST:
                yield self._lines[start:end], head + tail
            position = self._lines.find(part, end)

    def _is_known(self, rest: str) -> bool:
        without_links = {rest.removeprefix(letters) for letters in _LINKING_LETTERS}
        without_links |= {rest.removesuffix(letters) for letters in _LINKING_LETTERS}
        return any(len(word) >= _SHORTEST_PART and word in self._frequencies for word in without_links)


def is_correctable(word: str) -> bool:
    """Whether a word has letters only and a usual length: numbers and codes are never replaced."""
    return _SHORTEST_WORD <= len(word) <= _LONGEST_WORD and word.isalpha()


def edits(first: str, second: str, most: int = 2) -> int:
    """Letters to add, remove, replace or swap with their neighbour, up to ``most`` and one more for "too many"."""
    if abs(len(first) - len(second)) > most:
        return most + 1
    previous: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        above, previous, row = previous, row, [i]
        for j, other in enumerate(second, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (letter != other))
            if above and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _shortened(word: str) -> set[str]:
    """The beginning of a word, and what is left of it without each one and each two of its letters."""
    start = word[:_PREFIX]
    without_one = {start[:i] + start[i + 1 :] for i in range(len(start))}
    without_two = {text[:i] + text[i + 1 :] for text in without_one for i in range(len(text))}
    return {start} | without_one | without_two


def _address(shortened: str) -> tuple[int, int]:
    """Bucket and key of a shortened word; words that share a key by chance are told apart by comparing them."""
    number = hash(shortened) & (1 << 48) - 1
    return number % _BUCKETS, number // _BUCKETS
