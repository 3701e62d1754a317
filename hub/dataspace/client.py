"""Data spaces in :class:`hub.client.Api`: models and HTTP, nothing of the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from hub.dataspace.models import Preview, Query, RecordPage, SearchAnswer, Suggestion
from hub.dataspace.publications.models import Publication, PublicationForm
from hub.dataspace.saved_searches.models import SavedSearch, SavedSearchForm
from hub.dataspace.sources.models import Run, Source, SourceForm
from hub.dataspace.transfers.models import Transfer, TransferForm

PREVIEW_SECONDS = 60.0
PUBLISH_SECONDS = 90.0
"""Somebody else's server, and the DCAT-AP shapes, take longer than our own database."""

Read = TypeVar("Read")


class Ask(Protocol):
    """How the API is asked; what fails raises a class of :mod:`hub.errors`."""

    def __call__(
        self,
        method: str,
        path: str,
        read: TypeAdapter[Read],
        *,
        params: dict[str, Any] | None = None,
        body: BaseModel | None = None,
        seconds: float | None = None,
    ) -> Read: ...


_nothing: TypeAdapter[None] = TypeAdapter(None)
_answer = TypeAdapter(SearchAnswer)
_page = TypeAdapter(RecordPage)
_preview = TypeAdapter(Preview)
_suggestions = TypeAdapter(tuple[Suggestion, ...])
_saved = TypeAdapter(SavedSearch)
_all_saved = TypeAdapter(tuple[SavedSearch, ...])
_publication = TypeAdapter(Publication)
_publications = TypeAdapter(tuple[Publication, ...])
_transfer = TypeAdapter(Transfer)
_transfers = TypeAdapter(tuple[Transfer, ...])
_source = TypeAdapter(Source)
_sources = TypeAdapter(tuple[Source, ...])
_runs = TypeAdapter(tuple[Run, ...])


class Dataspace:
    """What ``Api.dataspace`` offers."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def search(self, query: Query | str = "", chips: Sequence[str] = ()) -> SearchAnswer:
        """Hits and counts; ``search("water", ["licence:open"])``, or a whole :class:`Query`."""
        return self._ask("GET", "/dataspace/search", _answer, params=_params(query, chips))

    def suggestions(self, query: Query) -> tuple[Suggestion, ...]:
        """What to leave out of a search that found nothing."""
        return self._ask("GET", "/dataspace/suggestions", _suggestions, params=_params(query))

    def record(self, record_id: int, *, language: str = "en") -> RecordPage:
        """Everything about one record."""
        return self._ask("GET", f"/dataspace/records/{record_id:d}", _page, params={"language": language})

    def preview(self, record_id: int, file: int = 0) -> Preview:
        """Schema and first rows of one of a record's files."""
        path = f"/dataspace/records/{record_id:d}/preview"
        return self._ask("GET", path, _preview, params={"file": file}, seconds=PREVIEW_SECONDS)

    def saved_searches(self) -> tuple[SavedSearch, ...]:
        return self._ask("GET", "/dataspace/saved-searches", _all_saved)

    def save_search(self, form: SavedSearchForm) -> SavedSearch:
        """Keep a search; one of the same title is replaced."""
        return self._ask("PUT", "/dataspace/saved-searches", _saved, body=form)

    def forget_search(self, search_id: int) -> None:
        self._ask("DELETE", f"/dataspace/saved-searches/{search_id:d}", _nothing)

    def publications(self) -> tuple[Publication, ...]:
        """What my projects have published."""
        return self._ask("GET", "/dataspace/publications", _publications)

    def publish(self, form: PublicationForm) -> Publication:
        """Describe an output of a project."""
        return self._ask("POST", "/dataspace/publications", _publication, body=form, seconds=PUBLISH_SECONDS)

    def change_publication(self, slug: str, form: PublicationForm) -> Publication:
        path = f"/dataspace/publications/{quote(slug, safe='')}"
        return self._ask("PUT", path, _publication, body=form, seconds=PUBLISH_SECONDS)

    def withdraw(self, slug: str) -> None:
        """Take a publication back."""
        self._ask("DELETE", f"/dataspace/publications/{quote(slug, safe='')}", _nothing)

    def transfers(self) -> tuple[Transfer, ...]:
        """What has been brought, or is on its way, to my projects; the newest first."""
        return self._ask("GET", "/dataspace/transfers", _transfers)

    def transfer(self, transfer_id: int) -> Transfer:
        return self._ask("GET", f"/dataspace/transfers/{transfer_id:d}", _transfer)

    def bring(self, form: TransferForm) -> Transfer:
        """Have a public file copied into a project, by a job of mine."""
        return self._ask("POST", "/dataspace/transfers", _transfer, body=form)

    def cancel_transfer(self, transfer_id: int) -> Transfer:
        return self._ask("POST", f"/dataspace/transfers/{transfer_id:d}/cancel", _transfer)

    # -- admins

    def sources(self) -> tuple[Source, ...]:
        """Every source with its last report."""
        return self._ask("GET", "/dataspace/sources", _sources)

    def put_source(self, form: SourceForm) -> Source:
        """Add or change a source."""
        return self._ask("PUT", f"/dataspace/sources/{form.name}", _source, body=form)

    def remove_source(self, name: str) -> None:
        """Take a source and its records away."""
        self._ask("DELETE", f"/dataspace/sources/{quote(name, safe='')}", _nothing)

    def run_source(self, name: str) -> Source:
        """Have it harvested at the worker's next look."""
        return self._ask("POST", f"/dataspace/sources/{quote(name, safe='')}/run", _source)

    def source_runs(self, name: str) -> tuple[Run, ...]:
        """Reports, the newest first."""
        return self._ask("GET", f"/dataspace/sources/{quote(name, safe='')}/runs", _runs)


def _params(query: Query | str, chips: Sequence[str] = ()) -> dict[str, Any]:
    """A query as the address has it, which is also how a search is bookmarked."""
    if isinstance(query, str):
        query = Query(text=query, chips=tuple(chips))
    return query.model_dump(exclude_defaults=True)
