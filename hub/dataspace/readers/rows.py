"""First rows of a file. Runs in the sandbox, and imports little, so that it starts quickly.

Nothing is unpacked to disk, and nothing further than what is shown, so that a decompression bomb does no harm.
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
"""Bytes of a text that are read."""
ROWS, COLUMNS, CELL = 20, 100, 200
_MOST_MEMBERS = 1000


class Refused(Exception):
    """Nothing can be shown; the message says why, as a sentence."""


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
    """As :func:`rows`, of a whole Parquet file whose row groups have at most ``most`` bytes."""
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

        # The window is held in memory; the format recommends that every decoder supports 8 MiB.
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
            tables = [m for m in members if extension(m.filename) in TEXT_TABLES and not m.flag_bits & 1]
            if not tables:
                raise Refused("There is no CSV or JSON file in the archive.")
            with archive.open(tables[0]) as member:
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
        lines = [row for _, row in zip(range(ROWS + 2), reader, strict=False)]
    except csv.Error as error:
        raise Refused(f"The file is not CSV: {error}.") from error
    if not lines:
        raise Refused("The file is empty.")
    head, body = lines[0], lines[1 : ROWS + 1]
    return _table(head, body, complete=complete and len(lines) <= ROWS + 1)


def _json(data: bytes, *, complete: bool) -> Line:
    """Rows of the first list of objects: of the document, of one of its values, or one object a line."""
    from hub.dataspace.readers.pages import as_utf8

    text = as_utf8(data, "").decode(errors="replace")
    decoder, values = json.JSONDecoder(), list[Any]()
    at = text.find("[") + 1
    stripped = text.lstrip()
    first_line, _, more = stripped.partition("\n")
    if more.strip() and _parses(first_line):
        at = text.find("{")
    elif not at:
        raise Refused("There is no list of objects in the file.")
    while at < len(text) and len(values) <= ROWS:
        while at < len(text) and text[at] in ", \t\r\n":
            at += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        values.append(value)
    objects = [_flat(value) for value in values]
    if not objects:
        raise Refused("There is no list of objects in the file.")
    columns = list(dict.fromkeys(name for row in objects for name in row))
    body = [[row.get(name, "") for name in columns] for row in objects[:ROWS]]
    return _table(columns, body, complete=complete and len(values) <= ROWS)


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
    cells = [[_cell(value) for value in row[: len(columns)]] for row in body]
    cells = [row + [""] * (len(columns) - len(row)) for row in cells]
    types = [_type([row[number] for row in cells]) for number in range(len(columns))]
    return {"columns": columns, "types": types, "rows": cells, "complete": complete and len(head) <= COLUMNS}


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= CELL else text[:CELL] + "…"


def _type(values: Sequence[str]) -> str:
    not_empty = [value for value in values if value]
    if not not_empty:
        return "text"
    for name, kind in (("integer", int), ("number", float)):
        try:
            for value in not_empty:
                kind(value)
        except ValueError:
            continue
        return name
    return "text"
