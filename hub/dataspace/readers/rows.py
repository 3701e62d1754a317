"""First rows of a file. Runs in the sandbox, and imports little, so that it starts quickly.

Nothing is unpacked to disk, and nothing further than what is shown, so that a decompression bomb does no harm.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
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
_INTEGER = re.compile(r" *-?(?:0|[1-9][0-9]*) *")
_NUMBER = re.compile(r" *-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *|NaN|-?Infinity|-?inf")


class Refused(Exception):
    """Nothing can be shown; the message says why, as a sentence."""


def rows(request: Line) -> Iterator[Line]:
    """One line: ``columns``, ``types``, ``rows``, ``complete`` and perhaps a ``note``; or ``refused`` with the reason.

    ``request``: ``path``, ``kind`` (one of ``file_types.TEXT_TABLES``), and whether the file is ``truncated``.
    """
    try:
        with Path(request["path"]).open("rb") as file:
            data, complete = _unpacked(file, complete=not request["truncated"])
        yield _text_table(data, request["kind"], complete=complete)
    except Refused as reason:
        yield {"refused": str(reason)}


def _text_table(data: bytes, kind: str, *, complete: bool) -> Line:
    """A table by its content: JSON under another name is read as JSON, anything else under one is refused."""
    from hub.dataspace.readers.contents import content_of

    content = content_of(data, complete=complete, stated=(kind,))
    if content is not None and content.name != "JSON":
        raise Refused(content.sentence())
    if content is not None:
        return _json(data, complete=complete) | {"note": f"This is JSON, although its record or its name says {kind}."}
    return _csv(data, kind, complete=complete) if kind in ("CSV", "TSV") else _json(data, complete=complete)


def parquet_rows(request: Line) -> Iterator[Line]:
    """As :func:`rows`, of a whole Parquet file whose row groups have at most ``most`` bytes."""
    from hub.dataspace.readers.contents import LOOKED_AT, content_of

    path = Path(request["path"])
    try:
        with path.open("rb") as file:
            beginning = file.read(LOOKED_AT)
            content = content_of(beginning, complete=not file.read(1), stated=("PARQUET",))
        if content is not None and not beginning.startswith(b"PAR1"):
            raise Refused(content.sentence())
        yield _parquet(path, request["most"])
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
            if any(m.filename == "xl/workbook.xml" for m in members):
                raise Refused("This is an Excel workbook.")
            tables = [m for m in members if extension(m.filename) in TEXT_TABLES and not m.flag_bits & 1]
            if not tables:
                raise Refused("There is no CSV or JSON file in the archive.")
            with archive.open(tables[0]) as member:
                data = member.read(BEGINNING)
                return data, not member.read(1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise Refused("The archive cannot be read.") from error


def _text(data: bytes, *, complete: bool) -> str:
    """The text of bytes. A letter that the end of the bytes cuts is left out: the rest says what its encoding is."""
    from hub.dataspace.readers.pages import as_utf8

    if not complete:
        try:
            return codecs.getincrementaldecoder("utf-8-sig")().decode(data, final=False)
        except UnicodeDecodeError:
            pass
    return as_utf8(data, "").decode(errors="replace")


def _csv(data: bytes, kind: str, *, complete: bool) -> Line:
    text = _text(data, complete=complete)
    csv.field_size_limit(BEGINNING)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), _dialect(text[:20_000], kind))
        lines = [row for _, row in zip(range(ROWS + 2), reader, strict=False)]
    except csv.Error as error:
        raise Refused(f"The file is not CSV: {error}.") from error
    if not complete and len(lines) < ROWS + 2:
        lines = lines[:-1]  # the last one may be cut
    if not lines:
        raise Refused("The file is empty." if complete else f"Its first row has more than {BEGINNING:,} bytes.")
    head, body = lines[0], lines[1 : ROWS + 1]
    return _table(head, body, complete=complete and len(lines) <= ROWS + 1)


def _dialect(sample: str, kind: str) -> Any:
    if kind == "TSV" and "\t" in sample:
        return csv.excel_tab
    try:
        return csv.Sniffer().sniff(sample, delimiters=",;\t|")
    except csv.Error:
        return csv.excel


def _json(data: bytes, *, complete: bool) -> Line:
    """Rows of a document, or one object a line."""
    from hub.dataspace.readers.json_tables import rows_in

    rows = rows_in(_text(data, complete=complete), ROWS)
    if rows is not None and rows.are_features and not rows.values:
        raise Refused("The file has no features.")
    if rows is None or not rows.values:
        raise Refused("There is no list of objects in the file.")
    objects = [_flat(value) for value in rows.values]
    columns = list(dict.fromkeys(name for row in objects for name in row))
    body = [[row.get(name, "") for name in columns] for row in objects[:ROWS]]
    return _table(columns, body, complete=complete and rows.complete)


def _flat(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {"value": value}
    if value.get("type") == "Feature":
        geometry = value.get("geometry")
        return value.get("properties") or {"geometry": geometry.get("type") if isinstance(geometry, dict) else None}
    return value


def _parquet(path: Path, most: int) -> Line:
    import pyarrow
    from pyarrow import parquet

    from hub.dataspace.readers import arrow_values

    try:
        file = parquet.ParquetFile(path, memory_map=False, thrift_string_size_limit=2**24)
        about, schema = file.metadata, file.schema_arrow
        if about.num_columns > 5000:
            raise Refused(f"The file has {about.num_columns:,} columns, which is too many to show.")
        names = list(dict.fromkeys(schema.names[:COLUMNS]))
        if about.num_row_groups and about.row_group(0).total_byte_size > most:
            raise Refused(f"Its first part has more than {most:,} bytes once unpacked.")
        batch = next(file.iter_batches(batch_size=ROWS, columns=names, use_threads=False), None)
        columns = batch.columns if batch is not None else []
        values = [[arrow_values.value(column[row]) for row in range(len(column))] for column in columns]
    except (pyarrow.ArrowException, OSError, MemoryError, ValueError, RecursionError) as error:
        raise Refused(f"The Parquet file cannot be read ({type(error).__name__}).") from error
    fields = list(batch.schema if batch is not None else schema)[:COLUMNS]
    body = [list(row) for row in zip(*values, strict=True)]
    complete = about.num_rows <= ROWS and len(schema) <= COLUMNS
    types = [_cell(str(field.type)) for field in fields]
    return _table([field.name for field in fields], body, complete=complete) | {"types": types}


def _table(head: Sequence[Any], body: Sequence[Sequence[Any]], *, complete: bool) -> Line:
    columns = [_cell(name) for name in head[:COLUMNS]]
    cells = [[_cell(value) for value in row[: len(columns)]] for row in body]
    cells = [row + [""] * (len(columns) - len(row)) for row in cells]
    types = [_type([row[number] for row in cells]) for number in range(len(columns))]
    return {"columns": columns, "types": types, "rows": cells, "complete": complete and len(head) <= COLUMNS}


def _cell(value: Any) -> str:
    text = (
        "" if value is None else value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    )
    return text if len(text) <= CELL else text[:CELL] + "…"


def _type(values: Sequence[str]) -> str:
    """``integer``, ``number`` or ``text``. Codes with leading zeros, such as postcodes, are text."""
    not_empty = [value for value in values if value]
    if not_empty and all(_INTEGER.fullmatch(value) for value in not_empty):
        return "integer"
    if not_empty and all(_NUMBER.fullmatch(value) for value in not_empty):
        return "number"
    return "text"
