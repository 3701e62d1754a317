"""Downloads a file into the beginning of it that earlier tries have left. Used by transfer jobs on the node."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import IO, NoReturn
from urllib.parse import urlsplit

import httpx2

from hub.dataspace.fetch import Bounds, Fetcher, FetchFailed, http_address
from hub.dataspace.transfers import storage
from hub.dataspace.transfers.models import Progress, TransferSpec, TransferState
from hub.dataspace.transfers.storage import TransferFailed
from hub.store.models import JOB_TOKEN_VARIABLE

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
    """One file, in as many requests as it takes. ``pause`` waits for a number of seconds.

    ``can_continue``: whether a later try can go on after what has arrived.
    """

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
        self.can_continue = False

    def run(self) -> None:
        """Request until the file is complete; a server that supports ranges continues where the file ends.

        :raises TransferFailed: it cannot be had, or not in time.
        :raises FetchRefused: its address is not allowed.
        """
        fetcher, address, own_headers = _source(self._spec)
        until, tries, furthest = time.monotonic() + SECONDS, 0, self._file.seek(0, os.SEEK_END)
        room = storage.Room(self._project, self._file, self._spec.storage_bytes)
        while True:
            size = self._file.seek(0, os.SEEK_END)
            writer = _BodyWriter(self, room)
            headers = {"Accept-Encoding": "identity", **own_headers, **self._tag.headers(size)}
            try:
                bounds = Bounds(max(1.0, until - time.monotonic()), MOST_BYTES, MOST_BYTES)
                fetcher.fetch(address, writer, bounds=bounds, headers=headers, began=writer.began)  # type: ignore[arg-type]
                writer.check_complete()
                return
            except _IsComplete:
                return
            except FetchFailed as error:
                size = self._file.seek(0, os.SEEK_END)
                tries, furthest = (0, size) if size >= furthest + LEAST_PROGRESS_BYTES else (tries + 1, furthest)
                if tries >= TRIES_WITHOUT_PROGRESS or time.monotonic() > until:
                    self.can_continue = size > 0 and self._tag.is_known
                    raise TransferFailed(
                        f"{error.message} It was tried {max(1, tries)} times.",
                        hint="A new try goes on after what has arrived." if self.can_continue else "Try again later.",
                    ) from error
                self._pause(PAUSE_SECONDS * 2**tries)


def _source(spec: TransferSpec) -> tuple[Fetcher, str, dict[str, str]]:
    """What fetches the file, its address, and headers of the request.

    A file of this factory's own store comes from the API, with the job's token, by its own authority.
    """
    if spec.stored is None:
        return Fetcher(spec.allowed_hosts), http_address(spec.address), {}
    if spec.api is None:
        raise TransferFailed("The specification of this transfer does not name Atrium's API.")
    token = os.environ.get(JOB_TOKEN_VARIABLE, "")
    fetcher = Fetcher([urlsplit(spec.api.url).hostname or ""], authority=spec.api.authority)
    return fetcher, spec.api.url + spec.stored.path, {"Authorization": f"token {token}"}


class ResumeTag:
    """ETag or date of the file whose beginning is there, stored beside it: a server continues only the same file."""

    def __init__(self, part: str, folder: int) -> None:
        self._name, self._folder = f"{part}.tag", folder
        self._tag = storage.read_text(self._name, folder)

    @property
    def is_known(self) -> bool:
        return bool(self._tag)

    def headers(self, size: int) -> dict[str, str]:
        """Headers that request the rest after ``size`` bytes; none, for the whole file, without a tag."""
        return {"Range": f"bytes={size}-", "If-Range": self._tag} if size and self._tag else {}

    def is_of(self, headers: httpx2.Headers) -> bool:
        """Whether a response is about the same file, as far as it says so."""
        etag, date = headers.get("etag", ""), headers.get("last-modified", "")
        stated = etag if self._tag.startswith('"') else date
        return not stated or stated.startswith("W/") or stated == self._tag

    def update(self, headers: httpx2.Headers) -> None:
        """Store the tag of a whole file. Weak ETags do not count; what was decoded cannot be continued."""
        etag, date = headers.get("etag", ""), headers.get("last-modified", "")
        self._store("" if _is_encoded(headers) else etag if etag and not etag.startswith("W/") else date)

    def clear(self) -> None:
        self._store("")

    def _store(self, tag: str) -> None:
        if tag != self._tag:
            self._tag = tag
            storage.write_text(self._name, tag, self._folder)


class _IsComplete(Exception):
    """The server says that nothing is missing of what is there."""


def _is_encoded(headers: httpx2.Headers) -> bool:
    return headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")


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
        if status == 416 and size:
            self._end_or_restart(size, headers)
        if status not in (200, 206):
            raise TransferFailed(f"The server answered {status}.", hint="Look at the record's own page.")
        if status == 200:
            self._file.truncate(0)
            size = self._file.seek(0)
            self._tag.update(headers)
        else:
            self._check_part(size, headers)
        self._total = _total(headers, size)
        self._total_is_exact = self._total is not None
        if self._total is None:
            self._total = self._spec.bytes
        else:
            storage.check_room(self._project, self._file, self._total, self._spec.storage_bytes)
        self._report_progress(force=True)

    def _end_or_restart(self, size: int, headers: httpx2.Headers) -> None:
        """The server has nothing after what is there: the file is complete, or another one."""
        if headers.get("content-range", "").replace(" ", "") == f"bytes*/{size}" and self._tag.is_of(headers):
            raise _IsComplete
        self._restart()

    def _check_part(self, size: int, headers: httpx2.Headers) -> None:
        """Check that a part continues what is there."""
        if not headers.get("content-range", "").startswith(f"bytes {size}-"):
            raise TransferFailed("The server answered with another part than the one requested.")
        if _is_encoded(headers) or not self._tag.is_of(headers):
            self._restart()

    def _restart(self) -> NoReturn:
        self._file.truncate(0)
        self._tag.clear()
        raise FetchFailed("The file has changed at its server, so it is copied anew.")

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


def _total(headers: httpx2.Headers, size: int) -> int | None:
    """Bytes of the whole file as the response states them, which follows ``size`` bytes; None if it does not."""
    total = re.fullmatch(r"bytes [0-9]+-[0-9]+/([0-9]+)", headers.get("content-range", "").strip())
    if total:
        return int(total[1])
    content_length = headers.get("content-length", "")
    return size + int(content_length) if content_length.isdecimal() and not _is_encoded(headers) else None
