"""First rows of a file. ``Previewer`` fetches the beginning of it; ``rows`` reads that in the sandbox.

Nothing is unpacked to disk, and nothing is unpacked further than what is shown: a bomb stays folded.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from hub.dataspace import sandbox
from hub.dataspace.fetch import Bounds, Fetcher
from hub.dataspace.models import Distribution, Preview
from hub.errors import AtriumError, InvalidInput

Line = dict[str, Any]
SECONDS = 15.0
BEGINNING = 2 * 2**20
"""Bytes of a text that are looked at."""
WHOLE = 64 * 2**20
"""The largest file that has to be there whole to be read, as Parquet and zip do."""
ROWS, COLUMNS, CELL = 20, 100, 200
AT_ONCE = 4
_MOST_MEMBERS = 1000
_TEXTS = {"CSV", "TSV", "JSON", "GEOJSON", "JSONL", "NDJSON"}
_LIMITS = sandbox.Limits(seconds=20.0, memory=2 * 2**30, output=8 * 2**20)


class NoPreview(AtriumError):
    """Why there is none."""

    status = 422


@dataclass(frozen=True)
class Previewer:
    fetcher: Fetcher
    _slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))

    def preview(self, distribution: Distribution) -> Preview:
        """First rows of a distribution.

        :raises NoPreview: it is of no kind that can be shown, or broken, or too large.
        :raises FetchRefused, FetchFailed: it cannot be had.
        """
        url = distribution.download_url or distribution.access_url
        kind = _kind(distribution, url)
        if not url.startswith(("http://", "https://")) or kind is None:
            raise NoPreview("There is a preview of CSV, JSON and Parquet files with an http address only.")
        if not self._slots.acquire(timeout=SECONDS):
            raise NoPreview("Many previews are being made.", hint="Try again in a minute.")
        try:
            return self._preview(url, kind)
        finally:
            self._slots.release()

    def _preview(self, url: str, kind: str) -> Preview:
        whole = kind == "PARQUET" or url.lower().partition("?")[0].endswith(".zip")
        bounds = Bounds(SECONDS, WHOLE if whole else BEGINNING, WHOLE)
        with tempfile.NamedTemporaryFile(prefix="atrium-preview-") as file:
            answer = self.fetcher.fetch(url, file, bounds=bounds, truncate=not whole)
            file.flush()
            if answer.status >= 400:
                raise NoPreview(f"Its server answered {answer.status}.")
            request = {"path": file.name, "kind": kind, "truncated": answer.truncated}
            try:
                told = list(sandbox.run("rows", request, _LIMITS))
            except sandbox.Crashed as crash:
                raise NoPreview(f"The file cannot be read: {crash}.") from crash
        if not told or "refused" in told[0]:
            raise NoPreview(told[0]["refused"] if told else "The file is empty.")
        return Preview.model_validate({**told[0], "bytes_read": answer.bytes})


def _kind(distribution: Distribution, url: str) -> str | None:
    """CSV, JSON and so on, from what the record says or else from the address."""
    name = url.lower().partition("?")[0]
    for ending in (".gz", ".zst", ".zip"):
        name = name.removesuffix(ending)
    by_name = name.rpartition(".")[2].upper()
    for told in (distribution.format, by_name):
        if told in _TEXTS or told == "PARQUET":
            return told
    return None


# -- in the sandbox ---------------------------------------------------------------------------------------------------


def rows(request: Line) -> Iterator[Line]:
    """One line: ``columns``, ``types``, ``rows`` and ``complete``; or ``refused`` with the reason."""
    try:
        if request["kind"] == "PARQUET":
            yield _parquet(Path(request["path"]))
            return
        with Path(request["path"]).open("rb") as file:
            data, complete = _unpacked(file, complete=not request["truncated"])
        if request["kind"] in ("CSV", "TSV"):
            yield _csv(data, complete=complete)
        else:
            yield _json(data, complete=complete)
    except InvalidInput as reason:
        yield {"refused": reason.message}


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
            wanted = [m for m in members if m.filename.upper().rpartition(".")[2] in _TEXTS and not m.flag_bits & 1]
            if not wanted:
                raise InvalidInput("There is no CSV or JSON file in the archive.")
            with archive.open(wanted[0]) as member:
                data = member.read(BEGINNING)
                return data, not member.read(1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise InvalidInput("The archive cannot be read.") from error


def _csv(data: bytes, *, complete: bool) -> Line:
    from hub.dataspace.parsing import as_utf8

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
        raise InvalidInput(f"The file is not CSV: {error}.") from error
    if not found:
        raise InvalidInput("The file is empty.")
    head, body = found[0], found[1 : ROWS + 1]
    return _table(head, body, complete=complete and len(found) <= ROWS + 1)


def _json(data: bytes, *, complete: bool) -> Line:
    """Rows of the first list of objects: of the document, of one of its values, or one object a line."""
    from hub.dataspace.parsing import as_utf8

    text = as_utf8(data, "").decode(errors="replace")
    decoder, found = json.JSONDecoder(), list[Any]()
    at = text.find("[") + 1
    stripped = text.lstrip()
    first_line = stripped.partition("\n")[0]
    if stripped.startswith("{") and _parses(first_line):
        at = text.find("{")
    elif not at:
        raise InvalidInput("There is no list of objects in the file.")
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
        raise InvalidInput("There is no list of objects in the file.")
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


def _parquet(path: Path) -> Line:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path, memory_map=False, thrift_string_size_limit=2**24)
        about = file.metadata
        if about.num_columns > 5000:
            raise InvalidInput(f"The file has {about.num_columns:,} columns, which is too many to show.")
        names = file.schema_arrow.names[:COLUMNS]
        if about.num_row_groups and about.row_group(0).total_byte_size > 2**30:
            raise InvalidInput("Its first part is larger than 1 GiB once unpacked.")
        batch = next(file.iter_batches(batch_size=ROWS, columns=names, use_threads=False), None)
    except (pyarrow.ArrowException, OSError, MemoryError) as error:
        raise InvalidInput(f"The Parquet file cannot be read ({type(error).__name__}).") from error
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
