"""Finds the rows in the beginning of a JSON text, which may be cut. Pure."""

from __future__ import annotations

import json
from typing import Any

_DEEPEST = 4
"""Levels of objects in which a list of rows is looked for."""
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"


class _Cut(Exception):
    """The text ends here, or is no JSON from here on."""


class Rows:
    """``values``: rows; ``complete``: whether the text holds all of them; ``are_features``: of a GeoJSON collection."""

    def __init__(self, values: list[Any], *, complete: bool, are_features: bool = False) -> None:
        self.values, self.complete, self.are_features = values, complete, are_features


def rows_in(text: str, most: int) -> Rows | None:
    """The rows of a text, at most ``most`` and one more; None if there are none.

    These are one object on each line, the features of a GeoJSON collection, or else the longest list of objects that
    is not within another; a document without such a list is one row.
    """
    text = text.strip(_SPACE)
    if (values := _lines(text, most)) is not None:
        return values
    finder = _Finder(text, most)
    try:
        document, end = finder.value(0, depth=0, path=())
        complete = not text[end:].strip(_SPACE)
    except _Cut:
        document, complete = None, False
    if (features := finder.lists.get(("features",))) and finder.is_collection:
        return Rows(features.values, complete=features.complete, are_features=True)
    if isinstance(document, dict) and document.get("type") == "Feature":
        return Rows([document], complete=complete)
    of_objects = [rows for rows in finder.lists.values() if any(isinstance(value, dict) for value in rows.values)]
    if of_objects:
        return max(of_objects, key=lambda rows: len(rows.values))
    if () in finder.lists and finder.lists[()].values:
        return finder.lists[()]
    return Rows([document], complete=complete) if isinstance(document, dict) and document else None


def _lines(text: str, most: int) -> Rows | None:
    """One object a line, if the first two lines are objects."""
    lines = text.split("\n", most + 2)
    if len(lines) < 2 or not _is_object(lines[0]):
        return None
    values = list[Any]()
    for line in lines[: most + 1]:
        if not line.strip(_SPACE):
            continue
        try:
            values.append(json.loads(line))
        except (ValueError, RecursionError):
            return Rows(values, complete=False)
    return Rows(values, complete=len(lines) <= most + 1)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class _Finder:
    """Reads one value after the other, and remembers lists by the names that lead to them."""

    def __init__(self, text: str, most: int) -> None:
        self._text = text
        self._most = most
        self.lists: dict[tuple[str, ...], Rows] = {}
        self.is_collection = False

    def value(self, at: int, *, depth: int, path: tuple[str, ...]) -> tuple[Any, int]:
        """The value at a position, and where it ends. Raises _Cut."""
        at = self._skip(at)
        if self._text[at] == "[":
            return self._list(at, path)
        if self._text[at] == "{" and depth < _DEEPEST:
            return self._object(at, depth, path)
        return self._whole(at)

    def _whole(self, at: int) -> tuple[Any, int]:
        try:
            return _DECODER.raw_decode(self._text, at)
        except (ValueError, RecursionError):
            raise _Cut from None

    def _object(self, at: int, depth: int, path: tuple[str, ...]) -> tuple[dict[str, Any], int]:
        members = dict[str, Any]()
        at = self._skip(at + 1)
        while self._text[at] != "}":
            name, at = self._whole(at)
            at = self._skip(at)
            if not isinstance(name, str) or self._text[at] != ":":
                raise _Cut
            members[name], at = self.value(at + 1, depth=depth + 1, path=(*path, name))
            if not path and name == "type":
                self.is_collection = members[name] == "FeatureCollection"
            elif not path and name == "features":
                self.is_collection = self.is_collection or "type" not in members
            at = self._skip(at)
            if self._text[at] == ",":
                at = self._skip(at + 1)
            elif self._text[at] != "}":
                raise _Cut
        return members, at + 1

    def _list(self, at: int, path: tuple[str, ...]) -> tuple[list[Any], int]:
        """All values are read to find the end of the list; rows after ``most`` are not kept."""
        rows = self.lists.setdefault(path, Rows([], complete=False))
        at = self._skip(at + 1)
        count = 0
        while self._text[at] != "]":
            value, at = self._whole(at)
            count += 1
            if len(rows.values) <= self._most:
                rows.values.append(value)
            at = self._skip(at)
            if self._text[at] == ",":
                at = self._skip(at + 1)
            elif self._text[at] != "]":
                raise _Cut
        rows.complete = count <= self._most
        return rows.values, at + 1

    def _skip(self, at: int) -> int:
        text = self._text
        while at < len(text) and text[at] in _SPACE:
            at += 1
        if at >= len(text):
            raise _Cut
        return at
