"""A catalogue on this machine, and what harvests, indexes and searches it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.dataspace import service
from hub.dataspace.fetch import Fetcher
from hub.dataspace.models import Distribution, LocalFile, Record
from hub.dataspace.search import indexing
from hub.dataspace.search.index import TantivyIndex, TantivyWriter
from hub.dataspace.sources import service as sources
from hub.dataspace.sources.harvester import Harvester
from hub.dataspace.sources.models import SourceForm
from hub.dataspace.tables import RecordRow
from hub.projects.models import ProjectSpec
from tests.hub.fakes import provision

DATA = Path(__file__).parents[2] / "data" / "dataspace"


@dataclass
class Reply:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class SiteRequest:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Site:
    """A web server on loopback: a reply, or a function that makes one, by path (with query)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, Reply | Callable[[SiteRequest], Reply]] = {}
        self.requests: list[SiteRequest] = []

    def turtle(self, path: str, text: str, **headers: str) -> None:
        self.pages[path] = Reply(text.encode(), headers={"Content-Type": "text/turtle", **headers})


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            site_request = SiteRequest(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
            local_site.requests.append(site_request)
            reply: Any = local_site.pages.get(self.path, Reply(status=404))
            reply = reply(site_request) if callable(reply) else reply
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 304 and "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(reply.body)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    local_site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield local_site
    server.shutdown()
    server.server_close()
    thread.join()


class Shop:
    """Harvest, index and search, as worker and API do it."""

    def __init__(self, sessions: Any, folder: Path) -> None:
        self.sessions = sessions
        self.folder = folder
        self.paused: list[float] = []
        self.harvester = Harvester(
            sessions,
            Fetcher(["127.0.0.1"]),
            folder / "sources",
            [folder, DATA],
            pause=self.paused.append,
        )
        self.index = TantivyIndex(folder / "dataspace")
        self.writer = TantivyWriter(folder / "dataspace")

    def harvest(self, address: str, name: str = "cat", **options: Any) -> Any:
        """The report of one harvest."""
        self.harvest_unreported(address, name, **options)
        with self.sessions() as session:
            return sources.runs(session, name)[0]

    def harvest_unreported(self, address: str, name: str = "cat", **options: Any) -> None:
        form = SourceForm(name=name, title=name, space="Test", address=address, **options)
        with self.sessions() as session:
            sources.put(session, form)
            sources.run_now(session, name)
        self.harvester.run_due()

    def rows(self) -> dict[str, RecordRow]:
        """Living records by name."""
        with self.sessions() as session:
            return {row.uri: row for row in session.scalars(select(RecordRow).where(RecordRow.removed.is_(None)))}

    def refresh(self) -> int:
        return indexing.bring_up_to_date(self.sessions, self.writer)


@pytest.fixture
def shop(sessions, tmp_path: Path) -> Shop:
    return Shop(sessions, tmp_path)


@pytest.fixture
async def project(session, slurm):
    """demo, with the lead ``founder`` and the member ``colleague``."""
    spec = ProjectSpec(
        slug="demo", title="Demo", account="demo", cpu_hours=1, members={"founder": "lead", "colleague": "member"}
    )
    return await provision(session, slurm, spec)


def stated_file(
    session: Session, record_id: int, folders: Sequence[Path], number: int = 0
) -> tuple[Distribution, LocalFile | None]:
    """A file of a record that everybody may see, and the file of this machine that it names, if it names one."""
    row = service.row_for(session, record_id, frozenset())
    file = service.distribution(Record.model_validate_json(row.content), number)
    return file, service.local_file(session, row, file, folders)
