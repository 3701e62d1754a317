"""First rows of a distribution: the beginning of its file is fetched and then read in the sandbox (readers/rows.py)."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, field
from typing import IO

import httpx2

from hub.dataspace import local_files
from hub.dataspace.fetch import Answer, Bounds, Fetcher, http_address
from hub.dataspace.metadata import file_types
from hub.dataspace.models import Distribution, LocalFile, Preview
from hub.dataspace.readers import sandbox
from hub.dataspace.readers.rows import BEGINNING
from hub.errors import AtriumError

SECONDS = 15.0
WHOLE = 64 * 2**20
"""Largest file of a type that is fetched whole (Parquet and zip), in bytes."""
AT_ONCE = 4
_READABLE = file_types.TEXT_TABLES | {file_types.PARQUET}
_LIMITS = sandbox.Limits(seconds=20.0, memory=2 * 2**30, output=8 * 2**20)


class NoPreview(AtriumError):
    """There is no preview; the message says why."""

    status = 422


@dataclass(frozen=True)
class Previewer:
    fetcher: Fetcher
    largest_part: int = 2**30
    """Largest row group of a Parquet file, in bytes once unpacked."""
    _slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))

    def preview(self, distribution: Distribution, local: LocalFile | None = None) -> Preview:
        """First rows of a distribution.

        :param local: the file of this machine that it names, which is read instead of its address.
        :raises NoPreview: its type cannot be shown, or it is broken or too large.
        :raises FetchRefused, FetchFailed, LocalFileRefused: it cannot be fetched or read.
        """
        url = http_address(distribution.download_url or distribution.access_url)
        file_type = file_types.readable_type(distribution.format, url, _READABLE)
        if not url.startswith(("http://", "https://")) or not file_type:
            raise NoPreview(
                "There is a preview of CSV, JSON and Parquet files with an address of http, https or S3 only."
            )
        if not self._slots.acquire(timeout=SECONDS):
            raise NoPreview("Too many previews are requested at the moment.", hint="Try again in a minute.")
        try:
            return self._preview(url, file_type, local)
        finally:
            self._slots.release()

    def _preview(self, url: str, file_type: str, local: LocalFile | None) -> Preview:
        whole = file_type == file_types.PARQUET or file_types.is_zip(url)
        bounds = Bounds(SECONDS, WHOLE if whole else BEGINNING, WHOLE)
        with tempfile.NamedTemporaryFile(prefix="atrium-preview-") as file:
            if local:
                answer = _copy(local, url, file, bounds.bytes, truncate=not whole)
            else:
                answer = self.fetcher.fetch(url, file, bounds=bounds, truncate=not whole)
            file.flush()
            if answer.status >= 400:
                raise NoPreview(f"Its server answered {answer.status}.")
            request = {"path": file.name, "kind": file_type, "truncated": answer.truncated, "most": self.largest_part}
            try:
                lines = list(sandbox.run("parquet" if file_type == file_types.PARQUET else "rows", request, _LIMITS))
            except sandbox.Crashed as crash:
                raise NoPreview(f"The file cannot be read: {crash}.") from crash
        if not lines or "refused" in lines[0]:
            raise NoPreview(lines[0]["refused"] if lines else "The file is empty.")
        ranges = answer.headers.get("accept-ranges", "").lower() == "bytes"
        return Preview.model_validate({**lines[0], "bytes_read": answer.bytes, "ranges": ranges})


def _copy(local: LocalFile, url: str, into: IO[bytes], most_bytes: int, *, truncate: bool) -> Answer:
    """At most ``most_bytes`` of a file of this machine, as the answer of a server that supports ranges."""
    with local_files.opened(local) as source:
        beginning = source.read(most_bytes)
        truncated = bool(source.read(1))
    if truncated and not truncate:
        raise NoPreview(f"The file is longer than the {most_bytes:,} bytes that are read for a preview.")
    into.write(beginning)
    return Answer(url, 200, httpx2.Headers({"accept-ranges": "bytes"}), len(beginning), truncated)
