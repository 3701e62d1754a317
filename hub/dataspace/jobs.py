"""The worker's jobs for data spaces. Each may run twice, and may be killed at any moment."""

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
from hub.loops import Pauses, by_itself
from hub.settings import Settings
from hub.slurm.client import SlurmClient

NEWS_SECONDS = 300


class Jobs:
    """The jobs of a deployment. The index is opened when it is needed first."""

    def __init__(self, settings: Settings, sessions: sessionmaker[Session]) -> None:
        self._settings = settings
        self._sessions = sessions
        self._folder = settings.paths.state / "dataspace"
        self._pauses = Pauses()
        """Of transfers that fail again and again."""

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
        """Harvest the sources that are due."""
        dataspace = self._settings.dataspace
        with self._sessions() as session:
            sources.follow_settings(session, dataspace.sources)
        folder = self._folder / "sources"
        Harvester(self._sessions, Fetcher(dataspace.allowed_hosts), folder, dataspace.folders).run_due()

    def index(self) -> None:
        """Bring the index up to date, and delete removed sources whose records have left it."""
        indexing.reset_if_empty(self._sessions, self._reader)
        indexing.bring_up_to_date(self._sessions, self._writer)
        self._remove_sources()

    def _remove_sources(self) -> None:
        """Delete removed sources, and the files of sources that are gone, whenever they were deleted."""
        files = list((self._folder / "sources").glob("*.sqlite*"))  # before the names: a source comes before its file
        with self._sessions() as session:
            sources.delete_removed(session)
            names = sources.names(session)
        for path in files:
            if path.name.partition(".")[0] not in names:
                with by_itself(f"{path.name} of a removed source"):
                    path.unlink(missing_ok=True)

    def quality(self) -> None:
        """Score the quality of records that changed since they were scored."""
        scoring.score_records(
            self._sessions, self._folder / "sources", seconds=self._settings.dataspace.quality_seconds
        )

    def transfers(self) -> None:
        """Submit and follow the Slurm jobs of transfers."""
        slurm = SlurmClient(self._settings.slurm)
        asyncio.run(jobs.follow_transfers(self._sessions, self._settings, slurm, self._pauses))

    def news(self) -> None:
        """Write mails about new results of saved searches."""
        saved_searches.write_news(self._sessions, self._settings, self._reader)

    @cached_property
    def _writer(self) -> TantivyWriter:
        return TantivyWriter(self._folder)

    @cached_property
    def _reader(self) -> TantivyIndex:
        return TantivyIndex(self._folder)
