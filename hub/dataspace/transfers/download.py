"""Downloads a file into the beginning of it that earlier tries have left. Used by transfer jobs on the node."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import IO

import httpx2

from hub.dataspace.fetch import Bounds, Fetcher, FetchFailed, http_address
from hub.dataspace.transfers import storage
from hub.dataspace.transfers.models import Progress, TransferSpec, TransferState
from hub.dataspace.transfers.storage import TransferFailed

SECONDS = 3.75 * 3600
"""Below the time limit of the job (hub/dataspace/transfers/jobs.py)."""
MOST_BYTES = 2**43
TRIES_WITHOUT_PROGRESS = 5
LEAST_PROGRESS_BYTES = 2**20
"""By how much the file grows in a try that counts as progress."""
PAUSE_SECONDS = 2.0
REPORT_SECONDS = 2.0
"""Interval of progress reports."""
BUSY = (429, 500, 502, 503, 504)

ReportProgress = Callable[[Progress], None]


class Download:
    """One file, in as many requests as it takes. ``pause`` waits for a number of seconds."""

    def __init__(
        self,
        spec: TransferSpec,
        *,
        project: int,
        file: IO[bytes],
        tag: ResumeTag,
        report: ReportProgress,
        pause: Callable[[float], None],
    ) -> None:
        self._spec = spec
        self._project = project
        self._file = file
        self._tag = tag
        self._report = report
        self._pause = pause

    def run(self) -> None:
        """Request until the file is complete; a server that supports ranges continues where the file ends.

        :raises TransferFailed: it cannot be had, or not in time.
        """
        fetcher, address = Fetcher(self._spec.allowed_hosts), http_address(self._spec.address)
        until, tries, furthest = time.monotonic() + SECONDS, 0, self._file.seek(0, os.SEEK_END)
        room = storage.Room(self._project, self._file, self._spec.storage_bytes)
        while True:
            size = self._file.seek(0, os.SEEK_END)
            writer = _BodyWriter(self, room)
            headers = {"Accept-Encoding": "identity", **self._tag.headers(size)}
            try:
                bounds = Bounds(max(1.0, until - time.monotonic()), MOST_BYTES, MOST_BYTES)
                fetcher.fetch(address, writer, bounds=bounds, headers=headers, began=writer.began)  # type: ignore[arg-type]
                writer.check_complete()
                return
            except FetchFailed as error:
                size = self._file.seek(0, os.SEEK_END)
                tries, furthest = (0, size) if size >= furthest + LEAST_PROGRESS_BYTES else (tries + 1, furthest)
                if tries >= TRIES_WITHOUT_PROGRESS or time.monotonic() > until:
                    raise TransferFailed(f"{error.message} It was tried {max(1, tries)} times.") from error
                self._pause(PAUSE_SECONDS * 2**tries)


class ResumeTag:
    """ETag or date of the file whose beginning is there, stored beside it: a server continues only the same file."""

    def __init__(self, part: str, folder: int) -> None:
        self._name, self._folder = f"{part}.tag", folder
        self._tag = storage.read_text(self._name, folder)

    def headers(self, size: int) -> dict[str, str]:
        """Headers that request the rest after ``size`` bytes; none, for the whole file, without a tag."""
        return {"Range": f"bytes={size}-", "If-Range": self._tag} if size and self._tag else {}

    def update(self, headers: httpx2.Headers) -> None:
        """Store the tag of a response; weak ETags do not count."""
        etag, date = headers.get("etag", ""), headers.get("last-modified", "")
        tag = etag if etag and not etag.startswith("W/") else date
        if tag != self._tag:
            self._tag = tag
            storage.write_text(self._name, tag, self._folder)


class _BodyWriter:
    """Writes the body of one response: a whole file replaces what is there, a part continues it."""

    def __init__(self, download: Download, room: storage.Room) -> None:
        self._spec, self._project, self._file = download._spec, download._project, download._file
        self._tag, self._report, self._room = download._tag, download._report, room
        self._last_report = 0.0
        self._total: int | None = download._spec.bytes
        self._total_is_exact = False

    def began(self, status: int, headers: httpx2.Headers) -> None:
        """Check status and headers before the body is written. Raises FetchFailed if trying again may help."""
        size = self._file.seek(0, os.SEEK_END)
        if status in BUSY:
            raise FetchFailed(f"The server answered {status}.")
        if status not in (200, 206):
            raise TransferFailed(f"The server answered {status}.", hint="Look at the record's own page.")
        if status == 200:
            self._file.truncate(0)
            size = self._file.seek(0)
        elif not headers.get("content-range", "").startswith(f"bytes {size}-"):
            raise TransferFailed("The server answered with another part than the one requested.")
        self._tag.update(headers)
        content_length = headers.get("content-length", "")
        if content_length.isdigit() and not headers.get("content-encoding"):
            self._total, self._total_is_exact = size + int(content_length), True
            storage.check_room(self._project, self._file, self._total, self._spec.storage_bytes)
        self._report_progress(force=True)

    def write(self, piece: bytes) -> int:
        self._room.check(self._file.tell() + len(piece))
        self._file.write(piece)
        self._report_progress()
        return len(piece)

    def check_complete(self) -> None:
        """Raises FetchFailed if the connection ended before the stated length."""
        size = self._file.seek(0, os.SEEK_END)
        if self._total_is_exact and self._total is not None and size < self._total:
            raise FetchFailed("The connection ended early.")

    def _report_progress(self, *, force: bool = False) -> None:
        if force or time.monotonic() - self._last_report >= REPORT_SECONDS:
            self._last_report = time.monotonic()
            total = self._total if self._total is None or self._total >= self._file.tell() else None
            self._report(Progress(state=TransferState.RUNNING, bytes=self._file.tell(), total=total))
