"""Pages of one source, over HTTP or from files on this machine. Used by the page reader."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urldefrag, urljoin

import httpx2

from hub.dataspace.fetch import Answer, Bounds, Fetcher, FetchFailed
from hub.dataspace.readers.rdf_formats import ACCEPT
from hub.dataspace.sources import dsp
from hub.dataspace.sources.models import Protocol, SourceForm
from hub.dataspace.sources.staging import Page
from hub.errors import InvalidInput

BUSY = {429, 500, 502, 503, 504}
"""Statuses after which the request is repeated."""
PAUSES = (2.0, 10.0)
"""Seconds before each further request to a server that is busy or does not answer."""
LONGEST_PAUSE = 60.0


class PageFetcher:
    """:param pause: waits for a number of seconds."""

    def __init__(self, form: SourceForm, fetcher: Fetcher, pause: Callable[[float], None]) -> None:
        self._form = form
        self._fetcher = fetcher
        self._pause = pause

    def fetch(self, page: Page, into: IO[bytes]) -> Answer:
        """Write a page to ``into``. Status 304: the page is as it was when it was read last.

        :raises FetchRefused, FetchFailed: as :meth:`Fetcher.fetch`.
        :raises InvalidInput, OSError: a file is too long or cannot be read.
        """
        if page.url.startswith("/"):
            return _read_file(page, into, self._form.max_page_bytes)
        headers = {"Accept": ACCEPT if self._form.protocol == Protocol.RDF else "application/json"}
        if page.read_before:
            headers |= {"If-None-Match": page.etag} if page.etag else {}
            headers |= {"If-Modified-Since": page.modified} if page.modified else {}
        bounds = Bounds(self._form.timeout_seconds, self._form.max_page_bytes, self._form.max_page_bytes)
        catalogue_request = dsp.catalogue_request() if self._form.protocol == Protocol.DSP else None

        def request(body: Any = catalogue_request) -> Answer:
            into.seek(0)
            into.truncate()
            return self._fetcher.fetch(page.url, into, bounds=bounds, headers=headers, json=body)

        answer = self._patiently(request)
        if catalogue_request is not None and answer.status == 405:
            answer = request(None)  # the protocol leaves open whether further pages are requested by GET or POST
        into.flush()
        return answer

    def _patiently(self, request: Callable[[], Answer]) -> Answer:
        """Repeat a request while the server is busy or does not answer."""
        for usual_pause in PAUSES:
            pause = usual_pause
            with suppress(FetchFailed):
                answer = request()
                if answer.status not in BUSY:
                    return answer
                pause = _retry_after(answer) or usual_pause
            self._pause(pause)
        return request()


def _read_file(page: Page, into: IO[bytes], most_bytes: int) -> Answer:
    """A file like an answer over HTTP; status 304 if it has not changed."""
    path = Path(page.url)
    stat = path.stat()
    etag = f'"{stat.st_mtime_ns}-{stat.st_size}"'
    headers = httpx2.Headers({"etag": etag})
    if etag == page.etag and page.read_before:
        return Answer(page.url, 304, headers, 0)
    if stat.st_size > most_bytes:
        raise InvalidInput(f"The file has {stat.st_size:,} bytes, more than the {most_bytes:,} allowed.")
    into.write(path.read_bytes())
    into.flush()
    return Answer(page.url, 200, headers, stat.st_size)


def _retry_after(answer: Answer) -> float:
    """Seconds in ``Retry-After``, at most :data:`LONGEST_PAUSE`; 0 if there are none."""
    seconds = str(answer.headers.get("retry-after", ""))
    return min(float(seconds), LONGEST_PAUSE) if seconds.isdigit() else 0.0


def linked(answer: Answer, *relations: str) -> list[str]:
    """Addresses of ``Link: <…>; rel="next"``, resolved against the page."""
    links = httpx2.Response(200, headers=answer.headers).links
    targets = (links.get(relation, {}).get("url") for relation in relations)
    return [address for target in targets if target for address in absolute(answer.url, target)]


def absolute(base: str, target: str) -> list[str]:
    """An address without its fragment, which names a part of the same page; an empty list if it is no address."""
    try:
        return [urldefrag(urljoin(base, target)).url]
    except ValueError:
        return []
