"""What the worker does for data spaces. Each job is safe to run twice and to be killed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property

from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.fetch import Fetcher
from hub.dataspace.saved_searches import service as saved_searches
from hub.dataspace.search import indexing
from hub.dataspace.search.index import TantivyIndex, TantivyWriter
from hub.dataspace.sources import scoring
from hub.dataspace.sources import service as sources
from hub.dataspace.sources.harvester import Harvester
from hub.dataspace.transfers import jobs
from hub.settings import Settings
from hub.slurm.client import SlurmClient

NEWS_SECONDS = 300


class Jobs:
    """The jobs of a deployment; what they work with is opened when it is needed first."""

    def __init__(self, settings: Settings, sessions: sessionmaker[Session]) -> None:
        self._settings = settings
        self._sessions = sessions
        self._folder = settings.paths.state / "dataspace"

    def listed(self) -> tuple[tuple[str, float, Callable[[], None]], ...]:
        """Name, how often in seconds, and the job."""
        dataspace, each_tick = self._settings.dataspace, self._settings.worker.tick_seconds
        return (
            ("dataspace-harvest", dataspace.harvest_seconds, self.harvest),
            ("dataspace-index", each_tick, self.index),
            ("dataspace-quality", dataspace.quality_seconds, self.quality),
            ("dataspace-transfers", each_tick, self.transfers),
            ("dataspace-news", NEWS_SECONDS, self.news),
        )

    def harvest(self) -> None:
        """Harvest what is due."""
        asked = self._settings.dataspace
        with self._sessions() as session:
            sources.follow_settings(session, asked.sources)
        folder = self._folder / "sources"
        Harvester(self._sessions, Fetcher(asked.allowed_hosts), folder, asked.folders).run_due()

    def index(self) -> None:
        """Tell the index what has changed, and delete what it has forgotten."""
        indexing.reset_if_empty(self._sessions, self._reader)
        indexing.bring_up_to_date(self._sessions, self._writer)
        with self._sessions() as session:
            for name in sources.clear_away(session):
                for path in (self._folder / "sources").glob(f"{name}.sqlite*"):
                    path.unlink(missing_ok=True)

    def quality(self) -> None:
        """Judge records that nobody has judged since they changed."""
        scoring.judge(self._sessions, self._folder / "sources", seconds=self._settings.dataspace.quality_seconds)

    def transfers(self) -> None:
        """Hand transfers to Slurm, and follow them."""
        asyncio.run(jobs.follow_transfers(self._sessions, self._settings, SlurmClient(self._settings.slurm)))

    def news(self) -> None:
        """Write to people whose saved searches find something new."""
        saved_searches.write_news(self._sessions, self._settings, self._reader)

    @cached_property
    def _writer(self) -> TantivyWriter:
        return TantivyWriter(self._folder)

    @cached_property
    def _reader(self) -> TantivyIndex:
        return TantivyIndex(self._folder)
