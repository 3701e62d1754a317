"""A harvest: pages in, records new, changed and gone. Runs in the worker; may be killed at any moment and goes on.

Nothing is taken for gone unless every page was read: what could not be read keeps its last good version.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any
from urllib.parse import urldefrag, urljoin

import httpx2
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.fetch import Answer, Bounds, Fetcher, FetchFailed
from hub.dataspace.metadata import dcat
from hub.dataspace.models import Record
from hub.dataspace.readers import ckan, sandbox
from hub.dataspace.readers.rdf_formats import ACCEPT, EXTENSIONS, has_known_extension
from hub.dataspace.sources import dsp
from hub.dataspace.sources.models import Protocol, Refusal, RunState, SourceForm
from hub.dataspace.sources.staging import Page, Staging
from hub.dataspace.sources.tables import RunRow, SourceRow
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from hub.errors import AtriumError, InvalidInput

logger = logging.getLogger(__name__)

BATCH = 500
MOST_ATTEMPTS = 5
MOST_REFUSALS = 200
"""Kept in a report; the rest is counted."""
BUSY = {429, 500, 502, 503, 504}
PAUSES = (2.0, 10.0)
"""Before a server that is busy or does not answer is asked again."""
LONGEST_PAUSE = 60.0
MOST_BROKEN_PAGES = 20
"""In a row: then the source is down, and asking on helps nobody."""
MOST_SKIPPED = 50
"""Files of a folder that a report names because they are of no kind that is read."""


@dataclass(frozen=True)
class Harvester:
    """:param folder: of the staging files. :param readable: folders that sources on this machine may lie in."""

    sessions: sessionmaker[Session]
    fetcher: Fetcher
    folder: Path
    readable: Sequence[Path] = ()
    pause: Callable[[float], None] = time.sleep

    def run_due(self) -> None:
        """Harvest every source that is due or was interrupted; one that fails does not hold up the others."""
        with self.sessions() as session:
            running = select(RunRow.source_id).where(RunRow.state == RunState.RUNNING)
            due = (SourceRow.due <= now()) | SourceRow.id.in_(running)
            wanted = select(SourceRow.id).where(due, ~SourceRow.removed).order_by(SourceRow.due)
            sources = session.scalars(wanted).all()
        for source in sources:
            try:
                self.run(source)
            except Exception:
                logger.exception("the harvest of source %d broke; it is tried again", source)

    def run(self, source_id: int) -> None:
        """Harvest one source, from where an interrupted harvest of it was."""
        with self.sessions() as session:
            source, run = _begin(session, source_id)
            if source is None or run is None:
                return
            staging = Staging(self.folder / f"{source.name}.sqlite")
            try:
                _Run(self, session, source=source, run=run, staging=staging).go()
            finally:
                staging.close()


def _begin(session: Session, source_id: int) -> tuple[SourceRow | None, RunRow | None]:
    """The source with its interrupted run or a new one; nothing when the source is gone or the run has failed."""
    source = session.get(SourceRow, source_id)
    if source is None:
        return None, None
    run = session.scalar(select(RunRow).where(RunRow.source_id == source_id, RunRow.state == RunState.RUNNING))
    if run is None:
        run = RunRow(source_id=source_id, state=RunState.RUNNING, started=now())
        session.add(run)
        session.flush()
    run.attempts = (run.attempts or 0) + 1
    if run.attempts > MOST_ATTEMPTS:
        _end(session, source, run, RunState.FAILED, f"It was interrupted {MOST_ATTEMPTS} times.")
        return None, None
    session.commit()
    return source, run


def _end(session: Session, source: SourceRow, run: RunRow, state: RunState, reason: str) -> None:
    form = SourceForm.model_validate_json(source.form)
    run.state, run.reason, run.ended = state, reason[:500], now()
    source.due = run.ended + timedelta(hours=form.every_hours) if form.enabled else None
    session.commit()
    logger.info(
        "harvest of %s: %s, %d pages, %d read, %d new, %d changed, %d removed, %d refused %s",
        source.name, state, run.pages, run.read, run.new, run.changed, run.removed, run.refused, reason,
    )  # fmt: skip


@dataclass
class _Reading:
    """How far a page was read."""

    base: str
    onward: list[str]
    back: list[str]
    nodes: int = 0
    whole: bool = True


class _Run:
    def __init__(
        self, harvester: Harvester, session: Session, *, source: SourceRow, run: RunRow, staging: Staging
    ) -> None:
        self._harvester = harvester
        self._session = session
        self._source = source
        self._run = run
        self._form = SourceForm.model_validate_json(source.form)
        self._staging = staging
        self._whole = not run.reason
        self._refusals: list[Any] = json.loads(run.refusals or "[]")
        self._back: dict[str, None] = {}
        self._chain_is_broken = False
        self._named_so_far: dict[str, str] = {}

    def go(self) -> None:
        try:
            self._staging.queue(self._run.id, self._first())
            self._read_pages()
            if self._whole:
                self._staging.forget_pages_not_in(self._run.id)
            self._assemble()
        except AtriumError as error:
            self._refuse(self._form.address, None, error.message)
            _end(self._session, self._source, self._run, RunState.FAILED, error.message)
            return
        state = RunState.COMPLETE if self._whole else RunState.INCOMPLETE
        if not self._whole and not self._staging.record_count():
            state = RunState.FAILED
        _end(self._session, self._source, self._run, state, self._run.reason)

    # -- pages

    def _first(self) -> list[str]:
        """Addresses, or files, that the harvest starts at."""
        address = self._form.address
        if not address.startswith("/"):
            return [_FIRST[self._form.protocol](address)]
        path = Path(address).resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in self._harvester.readable):
            raise InvalidInput(f"{address} is not below a folder that the settings list for sources.", field="address")
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file, path))
            self._skip([str(file.relative_to(path)) for file in files if not _is_page(file, path)])
            return [str(file) for file in files if _is_page(file, path)]
        if not path.is_file():
            raise InvalidInput(f"{address} is not there.", field="address")
        return [str(path)]

    def _skip(self, names: Sequence[str]) -> None:
        if self._run.attempts > 1:
            return  # it was said in the attempt that was interrupted
        for name in names[:MOST_SKIPPED]:
            self._refuse(name, None, f"no file of a kind that is read ({', '.join(EXTENSIONS)}, .gz)", minor=True)
        if len(names) > MOST_SKIPPED:
            self._refuse("", None, f"{len(names) - MOST_SKIPPED:,} further files of no kind that is read", minor=True)

    def _read_pages(self) -> None:
        broken = 0
        while (page := self._staging.next_page(self._run.id)) is not None:
            if self._staging.pages_done(self._run.id) >= self._form.max_pages:
                self._stop(f"It has more than {self._form.max_pages:,} pages.")
                return
            if self._staging.record_count() > self._form.max_records:
                self._stop(f"It has more than {self._form.max_records:,} records.")
                return
            broken = 0 if self._read_page(page) else broken + 1
            self._run.pages += 1
            self._session.commit()
            if broken >= MOST_BROKEN_PAGES:
                self._stop(f"{MOST_BROKEN_PAGES} pages in a row could not be read.")
                return

    def _read_page(self, page: Page) -> bool:
        """Whether the page could be read; if not, what it said last still counts, and the harvest goes on from it."""
        with tempfile.NamedTemporaryFile(prefix="atrium-page-") as file:
            try:
                answer = self._fetch(page, file)
                if answer.status == 304 and page.read_before:
                    onward = page.onward
                    self._staging.keep(page, self._run.id)
                elif (
                    answer.status in ckan.NO_SEARCH and self._form.protocol == Protocol.CKAN and ckan.is_first(page.url)
                ):
                    onward = (ckan.list_page(page.url),)
                    self._staging.keep(page, self._run.id)
                elif answer.status >= 400:
                    raise InvalidInput(f"The server answered {answer.status}.")
                else:
                    onward = self._take(page, Path(file.name), answer)
            except (AtriumError, OSError) as error:
                reason = error.message if isinstance(error, AtriumError) else "The file cannot be read."
                if self._run.pages and not (page.read_before or page.url.startswith("/") or self._back):
                    reason += " Where it goes on is not known."
                self._refuse(page.url, None, reason)
                self._staging.keep(page, self._run.id)
                self._staging.queue(self._run.id, (*page.onward, *self._from_the_end()))
                return False
        self._staging.queue(self._run.id, onward)
        return True

    def _fetch(self, page: Page, into: IO[bytes]) -> Answer:
        if page.url.startswith("/"):
            return _read_file(page, into, self._form.max_page_bytes)
        headers = {"Accept": ACCEPT if self._form.protocol == Protocol.RDF else "application/json"}
        if page.read_before:
            headers |= {"If-None-Match": page.etag} if page.etag else {}
            headers |= {"If-Modified-Since": page.modified} if page.modified else {}
        bounds = Bounds(self._form.timeout_seconds, self._form.max_page_bytes, self._form.max_page_bytes)
        asked = dsp.catalogue_request() if self._form.protocol == Protocol.DSP else None

        def ask(body: Any = asked) -> Answer:
            into.seek(0)
            into.truncate()
            return self._harvester.fetcher.fetch(page.url, into, bounds=bounds, headers=headers, json=body)

        answer = self._patiently(ask)
        if asked is not None and answer.status == 405:
            answer = ask(None)  # the protocol does not say how a further page is asked for
        into.flush()
        return answer

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """A server that is busy, or that does not answer, is asked again."""
        for usual in PAUSES:
            wait = usual
            with suppress(FetchFailed):
                answer = ask()
                if answer.status not in BUSY:
                    return answer
                wait = _retry_after(answer) or usual
            self._harvester.pause(wait)
        return ask()

    def _take(self, page: Page, path: Path, answer: Answer) -> tuple[str, ...]:
        """Parse a page, store its nodes, and say where it goes on.

        One that was only half read replaces nothing: what it said last still counts.
        """
        local = page.url.startswith("/")
        base = f"https://{self._source.name}.invalid/{Path(page.url).name}" if local else answer.url
        name, most = base.partition("?")[0], self._form.max_page_bytes
        request = {"path": str(path), "media_type": answer.media_type, "name": name, "base": base, "most": most}
        read = _Reading(base, *(([], []) if local else (_linked(answer, "next"), _linked(answer, "last", "prev"))))

        def end() -> tuple[list[str], tuple[str, str]] | None:
            if not read.whole and (page.read_before or not read.nodes):
                return None
            # A page that was only half read is asked for again next time, whatever its server says of it.
            stamps = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
            return read.onward, stamps if read.whole else ("", "")

        self._staging.store(page, self._run.id, self._nodes(page, request, read, follow=not local), end)
        self._back |= dict.fromkeys(read.back)
        if end() is None:
            self._staging.keep(page, self._run.id)
            read.onward[:0] = page.onward
        return (*read.onward, *(self._from_the_end() if self._chain_is_broken or not read.whole else ()))

    def _from_the_end(self) -> Sequence[str]:
        """Where a page does not say how it goes on, those after it are found from the last one backwards."""
        self._chain_is_broken = True
        return tuple(self._back)

    def _nodes(self, page: Page, request: dict[str, Any], read: _Reading, *, follow: bool) -> Iterator[dict[str, Any]]:
        """Nodes of a page as they come out of the sandbox, one after the other: a page may be larger than memory."""
        task: sandbox.Task = "ckan" if self._form.protocol == Protocol.CKAN else "rdf"
        try:
            for line in sandbox.run(task, request, sandbox.Limits(seconds=max(60.0, self._form.timeout_seconds))):
                if "s" in line:
                    read.nodes += 1
                    yield line
                elif "next" in line and follow:
                    read.onward += _absolute(read.base, line["next"])
                elif "back" in line and follow:
                    read.back += _absolute(read.base, line["back"])
                elif "refused" in line:
                    read.whole = read.whole and not line.get("whole")
                    self._refuse(page.url, line["refused"]["line"], line["refused"]["reason"], minor="minor" in line)
        except sandbox.Crashed as crash:
            read.whole = False
            self._refuse(page.url, None, str(crash))

    def _refuse(self, page: str, line: int | None, reason: str, *, minor: bool = False) -> None:
        """``minor``: a value was left out, and no record can be missing for it."""
        if not minor and self._whole:
            self._stop("Something could not be read, so nothing was taken for gone.")
        self._run.refused += 1
        if len(self._refusals) < MOST_REFUSALS:
            self._refusals.append(Refusal(page=page[:500], line=line, reason=reason[:300]).model_dump())
            self._run.refusals = json.dumps(self._refusals)
        self._session.commit()

    def _stop(self, reason: str) -> None:
        self._whole, self._run.reason = False, reason[:500]

    # -- records

    def _assemble(self) -> None:
        """Records out of everything staged, compared with those we have."""
        staging, run = self._staging, self._run
        if staging.unchanged():
            run.read = staging.found_count()
            return
        run.read = 0  # the other counts go on: what an interrupted attempt has stored is not new again
        staging.start_assembly()
        for identities in _batches(staging.records()):
            found = list(self._read_records(identities))
            staging.found(record.uri for record in found)
            self._store(found)
            run.read += len(found)
            self._session.commit()
        if self._whole and not run.read and self._session.scalar(select(RecordRow.id).where(*self._living()).limit(1)):
            self._stop("The catalogue came back empty, so what it held before is kept.")
        if self._whole:
            self._bury()
            run.reason = "" if run.read else "It holds nothing that is a dataset, a series, a service or a model."
        staging.end_assembly()

    def _read_records(self, identities: Iterable[str]) -> Iterator[Record]:
        for identity in identities:
            try:
                record = dcat.record(identity, self._staging)
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                self._refuse(identity, None, f"the record cannot be read ({type(error).__name__})")
                continue
            if record is None:
                continue
            if identity.startswith("_:"):
                record = self._named(record, identity)
                if record is None:
                    continue
                self._staging.name(identity, record.uri)
            if len(record.uri) > 2000:
                self._refuse(identity, None, "an identifier longer than 2,000 characters")
                continue
            yield record

    def _named(self, record: Record, identity: str) -> Record | None:
        """With an address; None when the same was there already, which makes it no second record."""
        content = dcat.content_hash(record.model_copy(update={"uri": ""}))
        for more in ("", content):
            named = dcat.with_address(record, self._staging.about(identity), self._form.address, more)
            if named.uri not in self._named_so_far:
                self._named_so_far[named.uri] = content
                return named
            if self._named_so_far[named.uri] == content:
                break
        return None

    def _store(self, found: Sequence[Record]) -> None:
        known = {
            row.uri: row
            for row in self._session.scalars(
                select(RecordRow).where(
                    RecordRow.source_id == self._source.id, RecordRow.uri.in_([record.uri for record in found])
                )
            )
        }
        moment = now()
        for record in found:
            row, digest = known.get(record.uri), dcat.content_hash(record)
            if row is None:
                row = RecordRow(source_id=self._source.id, uri=record.uri, first_seen=moment, version=0)
                self._session.add(row)
                self._run.new += 1
            elif row.hash == digest and row.removed is None and self._kept(row):
                continue
            else:
                self._run.changed += 1
            row.content, row.hash, row.changed = record.model_dump_json(exclude_defaults=True), digest, moment
            row.space, row.visibility, row.removed = self._form.space, self._form.visibility, None
            row.version, row.indexed, row.checked = row.version + 1, False, False

    def _kept(self, row: RecordRow) -> bool:
        return (row.space, row.visibility) == (self._form.space, self._form.visibility)

    def _living(self) -> tuple[ColumnElement[bool], ...]:
        return RecordRow.source_id == self._source.id, RecordRow.removed.is_(None)

    def _bury(self) -> None:
        """Tombstones for what a complete harvest did not find."""
        last = 0
        page = select(RecordRow.id, RecordRow.uri).where(*self._living()).order_by(RecordRow.id).limit(BATCH)
        while rows := self._session.execute(page.where(RecordRow.id > last)).all():
            last = rows[-1].id
            gone = set(self._staging.not_found(row.uri for row in rows))
            ids = [row.id for row in rows if row.uri in gone]
            if ids:
                tombstone = update(RecordRow).where(RecordRow.id.in_(ids)).execution_options(synchronize_session=False)
                changes = {"removed": now(), "changed": now(), "indexed": False, "version": RecordRow.version + 1}
                self._session.execute(tombstone.values(changes))
                self._run.removed += len(ids)
            self._session.commit()


def _batches(values: Iterator[str]) -> Iterator[tuple[str, ...]]:
    while batch := tuple(islice(values, BATCH)):
        yield batch


_FIRST = {
    Protocol.RDF: lambda address: address,
    Protocol.CKAN: ckan.first_page,
    Protocol.DSP: dsp.catalogue_address,
}


def _is_hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _is_page(file: Path, root: Path) -> bool:
    """No way out of the folder by a link."""
    return file.is_file() and has_known_extension(file.name) and file.resolve().is_relative_to(root)


def _read_file(page: Page, into: IO[bytes], most: int) -> Answer:
    """A file as if it had been fetched; one that has not changed since is not read again."""
    path = Path(page.url)
    stat = path.stat()
    etag = f'"{stat.st_mtime_ns}-{stat.st_size}"'
    headers = httpx2.Headers({"etag": etag})
    if etag == page.etag and page.read_before:
        return Answer(page.url, 304, headers, 0)
    if stat.st_size > most:
        raise InvalidInput(f"The file has {stat.st_size:,} bytes, more than the {most:,} allowed.")
    into.write(path.read_bytes())
    into.flush()
    return Answer(page.url, 200, headers, stat.st_size)


def _linked(answer: Answer, *relations: str) -> list[str]:
    """``Link: <…>; rel="next"``, resolved against the page."""
    links = httpx2.Response(200, headers=answer.headers).links
    found = (links.get(relation, {}).get("url") for relation in relations)
    return [address for onward in found if onward for address in _absolute(answer.url, onward)]


def _absolute(base: str, onward: str) -> list[str]:
    """An address without its fragment, which names a part of the same page; none where it is no address."""
    try:
        return [urldefrag(urljoin(base, onward)).url]
    except ValueError:
        return []


def _retry_after(answer: Answer) -> float:
    """Seconds that a busy server asks for, within reason."""
    told = str(answer.headers.get("retry-after", ""))
    return min(float(told), LONGEST_PAUSE) if told.isdigit() else 0.0
