"""First rows of a file. Runs in the sandbox, and needs next to nothing, so that it starts at once.

Nothing is unpacked to disk, and nothing is unpacked further than what is shown: a bomb stays folded.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from hub.dataspace.metadata.file_types import TEXT_TABLES, extension

Line = dict[str, Any]
BEGINNING = 2 * 2**20
"""Bytes of a text that are looked at."""
ROWS, COLUMNS, CELL = 20, 100, 200
_MOST_MEMBERS = 1000


class Refused(Exception):
    """Why nothing can be shown, as a sentence."""


def rows(request: Line) -> Iterator[Line]:
    """One line: ``columns``, ``types``, ``rows`` and ``complete``; or ``refused`` with the reason.

    ``request``: ``path``, ``kind`` (one of ``file_types.TEXT_TABLES``), and whether the file is ``truncated``.
    """
    try:
        with Path(request["path"]).open("rb") as file:
            data, complete = _unpacked(file, complete=not request["truncated"])
        if request["kind"] in ("CSV", "TSV"):
            yield _csv(data, complete=complete)
        else:
            yield _json(data, complete=complete)
    except Refused as reason:
        yield {"refused": str(reason)}


def parquet_rows(request: Line) -> Iterator[Line]:
    """As :func:`rows`, of a Parquet file that is there whole and whose parts have at most ``most`` bytes."""
    try:
        yield _parquet(Path(request["path"]), request["most"])
    except Refused as reason:
        yield {"refused": str(reason)}


def _unpacked(file: BinaryIO, *, complete: bool) -> tuple[bytes, bool]:
    """The beginning of a text, out of gzip, zstd or zip if it is in one, and whether that is all of it."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        unzip = zlib.decompressobj(wbits=31)
        data = unzip.decompress(file.read(), BEGINNING)
        return data, complete and unzip.eof
    if start == b"\x28\xb5\x2f\xfd":
        import zstandard

        # A window is what a decompressor has to hold at once; 8 MiB is what the format asks everybody to bear.
        with zstandard.ZstdDecompressor(max_window_size=8 * 2**20).stream_reader(file) as reader:
            data = reader.read(BEGINNING)
            return data, complete and not reader.read(1)
    if start.startswith(b"PK\x03\x04"):
        return _out_of_zip(file)
    data = file.read(BEGINNING)
    return data, complete and not file.read(1)


def _out_of_zip(file: BinaryIO) -> tuple[bytes, bool]:
    """The first table in an archive. Names in it are only compared, never used as a path."""
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()[:_MOST_MEMBERS]
            wanted = [m for m in members if extension(m.filename) in TEXT_TABLES and not m.flag_bits & 1]
            if not wanted:
                raise Refused("There is no CSV or JSON file in the archive.")
            with archive.open(wanted[0]) as member:
                data = member.read(BEGINNING)
                return data, not member.read(1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise Refused("The archive cannot be read.") from error


def _csv(data: bytes, *, complete: bool) -> Line:
    from hub.dataspace.readers.pages import as_utf8

    text = as_utf8(data, "").decode(errors="replace")
    if not complete:
        text = text.rpartition("\n")[0]  # the last line may be cut
    sample = text[:20_000]
    try:
        dialect: Any = csv.Sniffer().sniff(sample, delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    csv.field_size_limit(BEGINNING)
    try:
        reader = csv.reader(io.StringIO(text), dialect)
        found = [row for _, row in zip(range(ROWS + 2), reader, strict=False)]
    except csv.Error as error:
        raise Refused(f"The file is not CSV: {error}.") from error
    if not found:
        raise Refused("The file is empty.")
    head, body = found[0], found[1 : ROWS + 1]
    return _table(head, body, complete=complete and len(found) <= ROWS + 1)


def _json(data: bytes, *, complete: bool) -> Line:
    """Rows of the first list of objects: of the document, of one of its values, or one object a line."""
    from hub.dataspace.readers.pages import as_utf8

    text = as_utf8(data, "").decode(errors="replace")
    decoder, found = json.JSONDecoder(), list[Any]()
    at = text.find("[") + 1
    stripped = text.lstrip()
    first_line, _, more = stripped.partition("\n")
    if more.strip() and _parses(first_line):
        at = text.find("{")
    elif not at:
        raise Refused("There is no list of objects in the file.")
    while at < len(text) and len(found) <= ROWS:
        while at < len(text) and text[at] in ", \t\r\n":
            at += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        found.append(value)
    objects = [_flat(value) for value in found]
    if not objects:
        raise Refused("There is no list of objects in the file.")
    columns = list(dict.fromkeys(name for one in objects for name in one))
    body = [[one.get(name, "") for name in columns] for one in objects[:ROWS]]
    return _table(columns, body, complete=complete and len(found) <= ROWS)


def _parses(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _flat(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {"value": value}
    if value.get("type") == "Feature" and isinstance(value.get("properties"), dict):
        return dict(value["properties"])
    return value


def _parquet(path: Path, most: int) -> Line:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path, memory_map=False, thrift_string_size_limit=2**24)
        about = file.metadata
        if about.num_columns > 5000:
            raise Refused(f"The file has {about.num_columns:,} columns, which is too many to show.")
        names = file.schema_arrow.names[:COLUMNS]
        if about.num_row_groups and about.row_group(0).total_byte_size > most:
            raise Refused(f"Its first part has more than {most:,} bytes once unpacked.")
        batch = next(file.iter_batches(batch_size=ROWS, columns=names, use_threads=False), None)
    except (pyarrow.ArrowException, OSError, MemoryError) as error:
        raise Refused(f"The Parquet file cannot be read ({type(error).__name__}).") from error
    body = [[row.get(name) for name in names] for row in batch.to_pylist()] if batch else []
    types = [str(file.schema_arrow.field(name).type) for name in names]
    return _table(names, body, complete=about.num_rows <= ROWS) | {"types": types}


def _table(head: Sequence[Any], body: Sequence[Sequence[Any]], *, complete: bool) -> Line:
    columns = [_cell(name) for name in head[:COLUMNS]]
    shown = [[_cell(value) for value in row[: len(columns)]] for row in body]
    shown = [row + [""] * (len(columns) - len(row)) for row in shown]
    types = [_type([row[number] for row in shown]) for number in range(len(columns))]
    return {"columns": columns, "types": types, "rows": shown, "complete": complete and len(head) <= COLUMNS}


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= CELL else text[:CELL] + "…"


def _type(values: Sequence[str]) -> str:
    there = [value for value in values if value]
    if not there:
        return "text"
    for name, kind in (("integer", int), ("number", float)):
        try:
            for value in there:
                kind(value)
        except ValueError:
            continue
        return name
    return "text"
