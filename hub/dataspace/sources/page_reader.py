"""Reads the pages of one source into its staging file, from the first page to the last."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from hub.dataspace import local_files
from hub.dataspace.fetch import Answer
from hub.dataspace.readers import ckan, sandbox
from hub.dataspace.readers.rdf_formats import EXTENSIONS, has_known_extension
from hub.dataspace.sources import dsp
from hub.dataspace.sources.models import Protocol, SourceForm
from hub.dataspace.sources.page_fetcher import PageFetcher, absolute, linked
from hub.dataspace.sources.report import Report
from hub.dataspace.sources.staging import Page, Staging
from hub.errors import AtriumError, InvalidInput

MOST_BROKEN_PAGES = 20
"""Pages in a row that cannot be read: then the source is taken to be down."""
MOST_SKIPPED = 50
"""Files that a report names because they are not RDF; the rest is counted."""
_FIRST_ADDRESS = {
    Protocol.RDF: lambda address: address,
    Protocol.CKAN: ckan.first_page,
    Protocol.DSP: dsp.catalogue_address,
}


@dataclass
class _Progress:
    """How far a page was read, and its links to further pages."""

    base: str
    onward: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    nodes: int = 0
    whole: bool = True
    refused: int = 0


@dataclass
class _CountOfPackages:
    """Packages that a CKAN counts in all, and those on its pages that are withdrawn."""

    is_known: bool
    """Whether every page was read by this attempt."""
    stated: int = 0
    withdrawn: int = 0

    def add(self, line: dict[str, Any]) -> None:
        """Add the counts of a page. Those of the last page count, since packages may be added meanwhile."""
        self.stated = int(line["count"])
        self.withdrawn += int(line["withdrawn"])

    def missing(self, packages_read: int) -> int:
        """Number of packages that were on no page, as far as it is known."""
        return self.stated - self.withdrawn - packages_read if self.is_known else 0


class PageReader:
    """Reads one source page by page; each page is a transaction of the staging file and one of the database."""

    def __init__(
        self, session: Session, form: SourceForm, *, fetcher: PageFetcher, staging: Staging, report: Report
    ) -> None:
        self._session = session
        self._form = form
        self._fetcher = fetcher
        self._staging = staging
        self._report = report
        self._run = report.run
        self._links_back: dict[str, None] = {}
        self._chain_is_broken = False
        self._count = _CountOfPackages(is_known=self._run.attempts == 1)

    def read_all(self, folders: Sequence[Path]) -> None:
        """Read every page that the first pages lead to.

        :param folders: folders that a source on this machine may lie in.
        :raises InvalidInput: the source is a path outside these folders, or does not exist.
        :raises SourceRemoved: the source was removed meanwhile.
        """
        self._staging.queue(self._run.id, self._first_pages(folders))
        self._read_queued()
        if self._form.protocol == Protocol.RDF and not self._form.address.startswith("/"):
            # Catalogues may be lists of addresses, with a document for each dataset.
            self._staging.queue(self._run.id, self._staging.documents(self._run.id))
            self._read_queued()
        missing = self._count.missing(self._staging.record_count_of(self._run.id))
        if missing > 0 and self._report.complete:
            reason = (
                f"The catalogue counts {self._count.stated:,} packages, of which {missing:,} were on none of its pages."
            )
            self._report.mark_incomplete(reason)

    def _read_queued(self) -> None:
        """Read pages until none is left, or there are too many, or too many that cannot be read."""
        broken_in_a_row = 0
        while (page := self._staging.next_page(self._run.id)) is not None:
            if self._staging.pages_read(self._run.id) >= self._form.max_pages:
                self._report.mark_incomplete(f"The source has more than {self._form.max_pages:,} pages.")
                return
            if self._staging.record_count() > self._form.max_records:
                self._report.mark_incomplete(f"The source has more than {self._form.max_records:,} records.")
                return
            broken_in_a_row = 0 if self._read_page(page) else broken_in_a_row + 1
            self._run.pages += 1
            self._report.require_source()
            self._session.commit()
            if broken_in_a_row >= MOST_BROKEN_PAGES:
                self._report.mark_incomplete(f"{MOST_BROKEN_PAGES} pages in a row could not be read.")
                return

    # -- first pages

    def _first_pages(self, folders: Sequence[Path]) -> list[str]:
        """Addresses or files that the harvest starts at."""
        address = self._form.address
        if not address.startswith("/"):
            return [_FIRST_ADDRESS[self._form.protocol](address)]
        path = Path(address).resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in folders):
            raise InvalidInput(f"{address} is not below a folder that the settings list for sources.", field="address")
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file, path))
            self._report_skipped([str(file.relative_to(path)) for file in files if not _is_page(file, path)])
            return [str(file) for file in files if _is_page(file, path)]
        if not path.is_file():
            raise InvalidInput(f"{address} does not exist.", field="address")
        return [str(path)]

    def _report_skipped(self, names: Sequence[str]) -> None:
        if self._run.attempts > 1:
            return  # the attempt that was interrupted has reported them
        for name in names[:MOST_SKIPPED]:
            self._report.refuse(name, None, f"not a file of a known type ({', '.join(EXTENSIONS)}, .gz)", minor=True)
        if len(names) > MOST_SKIPPED:
            self._report.refuse("", None, f"{len(names) - MOST_SKIPPED:,} further files of unknown types", minor=True)

    # -- one page

    def _read_page(self, page: Page) -> bool:
        """Whether the page could be read; if not, its last version still counts, with its links."""
        with tempfile.NamedTemporaryFile(prefix="atrium-page-") as file:
            try:
                answer = self._fetcher.fetch(page, file)
                onward = self._onward(page, Path(file.name), answer)
            except (AtriumError, OSError) as error:
                self._report_broken(page, error)
                self._staging.keep(page, self._run.id)
                self._staging.queue(self._run.id, (*page.onward, *self._pages_from_the_end()))
                return False
        self._staging.queue(self._run.id, onward)
        return True

    def _onward(self, page: Page, path: Path, answer: Answer) -> tuple[str, ...]:
        """Store what was fetched; returns addresses of further pages."""
        if answer.status == 304 and page.read_before:
            self._count.is_known = False
            self._staging.keep(page, self._run.id)
            return page.onward
        is_ckan_search = self._form.protocol == Protocol.CKAN and ckan.is_first(page.url)
        if is_ckan_search and answer.status in ckan.NO_SEARCH:
            self._staging.keep(page, self._run.id)
            return (ckan.list_page(page.url),)
        if answer.status == HTTPStatus.GONE and self._staging.is_fragmented():
            self._report.note(page.url, None, "The server answered 410: this fragment is gone. What it had is kept.")
            self._staging.keep(page, self._run.id)
            return page.onward
        if answer.status >= 400:
            raise InvalidInput(f"The server answered {answer.status}.")
        return self._store(page, path, answer)

    def _report_broken(self, page: Page, error: Exception) -> None:
        reason = error.message if isinstance(error, AtriumError) else "The file cannot be read."
        if self._run.pages and not (page.read_before or page.url.startswith("/") or self._links_back):
            reason += " The addresses of further pages are not known."
        self._report.refuse(page.url, None, reason)

    def _store(self, page: Page, path: Path, answer: Answer) -> tuple[str, ...]:
        """Read a page in the sandbox and store its nodes; returns addresses of further pages.

        A page of which only a part was read does not replace its last version.
        """
        local = page.url.startswith("/")
        base = answer.url
        if local:
            base = local_files.base_address(self._form.name, has_files=bool(self._form.files)) + Path(page.url).name
        name, most = base.partition("?")[0], self._form.max_page_bytes
        request = {"path": str(path), "media_type": answer.media_type, "name": name, "base": base, "most": most}
        progress = _Progress(base)
        if not local:
            progress.onward, progress.back = linked(answer, "next"), linked(answer, "last", "prev")

        def is_replaced() -> bool:
            return progress.whole or not (page.read_before or not progress.nodes)

        def end() -> tuple[list[str], tuple[str, str]] | None:
            if not is_replaced():
                return None
            # Without ETag and date, a page of which something was refused is requested and reported again next time.
            stamps = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
            return progress.onward, ("", "") if progress.refused else stamps

        self._staging.store(page, self._run.id, self._nodes(page, request, progress, follow=not local), end)
        self._links_back |= dict.fromkeys(progress.back)
        if not is_replaced():
            self._staging.keep(page, self._run.id)
            progress.onward[:0] = page.onward
        broken = self._chain_is_broken or not progress.whole
        return (*progress.onward, *(self._pages_from_the_end() if broken else ()))

    def _pages_from_the_end(self) -> Sequence[str]:
        """Pages after one whose links are not known, which are found from the last page backwards."""
        self._chain_is_broken = True
        return tuple(self._links_back)

    def _nodes(
        self, page: Page, request: dict[str, Any], progress: _Progress, *, follow: bool
    ) -> Iterator[dict[str, Any]]:
        """Nodes of a page, one after the other as the sandbox writes them: a page may be larger than memory."""
        task: sandbox.Task = "ckan" if self._form.protocol == Protocol.CKAN else "rdf"
        try:
            for line in sandbox.run(task, request, sandbox.Limits(seconds=max(60.0, self._form.timeout_seconds))):
                if "s" in line:
                    progress.nodes += 1
                    yield line
                elif "next" in line and follow:
                    progress.onward += absolute(progress.base, line["next"])
                elif "back" in line and follow:
                    progress.back += absolute(progress.base, line["back"])
                elif "count" in line:
                    self._count.add(line)
                elif "refused" in line:
                    progress.whole = progress.whole and not line.get("whole")
                    progress.refused += 1
                    report = self._report.note if "minor" in line else self._report.refuse
                    report(page.url, line["refused"]["line"], line["refused"]["reason"])
        except sandbox.Crashed as crash:
            progress.whole = False
            progress.refused += 1
            self._report.refuse(page.url, None, str(crash))


def _is_hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _is_page(file: Path, root: Path) -> bool:
    """Whether a file is RDF and not a link to a file outside the folder."""
    return file.is_file() and has_known_extension(file.name) and file.resolve().is_relative_to(root)
