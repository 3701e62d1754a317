"""Pages of catalogues as bytes: unpacked, in UTF-8, and JSON parsed within limits.

Used by the readers of RDF, CKAN and first rows. Runs in the sandbox.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from pathlib import Path
from typing import Any

DEEPEST = 200
"""Levels of lists and objects in JSON."""


class Unreadable(Exception):
    """A page cannot be read; the text says why."""


class NotJson(Unreadable):
    """A page that begins as JSON and is cut off or has a syntax error: it may still contain a link to the next page."""


def page_of(request: dict[str, Any]) -> bytes:
    """The bytes of the file ``path``; gzip is unpacked to at most ``most`` bytes.

    :raises Unreadable: it is longer once unpacked, cut off, or no gzip although it begins like one.
    """
    data = Path(request["path"]).read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    unzip = zlib.decompressobj(wbits=31)
    try:
        data = unzip.decompress(data, request["most"])
    except zlib.error as error:
        raise Unreadable("it says it is gzip, and is not") from error
    if not unzip.eof:
        raise Unreadable(f"it has more than {request['most']:,} bytes once unpacked, or ends too soon")
    return data


def as_utf8(data: bytes, media_type: str) -> bytes:
    """Text as UTF-8. Its encoding is that of its byte order mark or as it states, else UTF-8, cp1252 or Latin-1."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data.removeprefix(mark).decode(encoding, errors="replace").encode()
    stated = re.search(rb"""^\s*<\?xml[^>]*encoding=["']([\w.-]+)""", data[:200]) or re.search(
        rb"charset=[\"']?([\w.-]+)", media_type.encode()
    )
    for encoding in (stated[1].decode() if stated else "utf-8", "utf-8", "cp1252"):
        try:
            return data.decode(encoding).encode()
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1").encode()


def parsed_json(data: bytes) -> Any:
    """A JSON document.

    :raises NotJson: it has a syntax error.
    :raises Unreadable: it is nested deeper than :data:`DEEPEST`.
    """
    try:
        document = json.loads(data)
    except RecursionError:
        raise Unreadable(f"JSON nested deeper than {DEEPEST}") from None
    except ValueError as error:
        raise NotJson(f"not JSON: {one_line(error)}") from error
    if _is_deeper_than(document, DEEPEST):
        raise Unreadable(f"JSON nested deeper than {DEEPEST}")
    return document


def json_or_json_lines(data: bytes) -> Any:
    """A JSON document, or a list of the documents on each line. Raises as :func:`parsed_json`."""
    try:
        return parsed_json(data)
    except Unreadable:
        lines = [line for line in data.split(b"\n") if line.strip()]
        if len(lines) < 2 or not all(line.lstrip().startswith(b"{") for line in lines):
            raise
        return [parsed_json(line) for line in lines]


def _is_deeper_than(value: Any, depth: int) -> bool:
    level: list[Any] = [value]
    for _ in range(depth):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def one_line(error: Exception) -> str:
    """An error's message on one line, at most 300 characters."""
    return re.sub(r"\s+", " ", str(error))[:300]
