"""Data spaces in :class:`hub.client.Api`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from hub.connection import Connection, part
from hub.dataspace.models import (
    FacetValue,
    Preview,
    Query,
    RecordPage,
    RemoteUse,
    SearchAnswer,
    Suggestion,
    UseForm,
    ValueQuery,
)
from hub.dataspace.publications.models import Publication, PublicationForm
from hub.dataspace.saved_searches.models import SavedSearch, SavedSearchForm
from hub.dataspace.sources.models import Run, Source, SourceForm
from hub.dataspace.transfers.models import Transfer, TransferForm, UploadJobForm

PREVIEW_SECONDS = 60.0
PUBLISH_SECONDS = 90.0
"""Other servers and the check against the DCAT-AP shapes take longer than the database."""


class Dataspace:
    """What ``Api.dataspace`` offers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def search(self, query: Query | str = "", chips: Sequence[str] = ()) -> SearchAnswer:
        """Hits and counts; ``search("water", ["licence:open"])``, or a whole :class:`Query`."""
        return self._connection.get("/dataspace/search", SearchAnswer, **_params(query, chips))

    def values(self, query: ValueQuery) -> tuple[FacetValue, ...]:
        """Values to filter a search by whose label has a text in it; at most 20, the most frequent first."""
        return self._connection.get("/dataspace/values", tuple[FacetValue, ...], **_params(query))

    def suggestions(self, query: Query) -> tuple[Suggestion, ...]:
        """Searches with hits, for a search without any."""
        return self._connection.get("/dataspace/suggestions", tuple[Suggestion, ...], **_params(query))

    def record(self, record_id: int, *, language: str = "en") -> RecordPage:
        """Everything about one record."""
        return self._connection.get(f"/dataspace/records/{record_id:d}", RecordPage, language=language)

    def preview(self, record_id: int, file: int = 0, *, offer: str = "", accepted: str = "") -> Preview:
        """Schema and first rows of one of a record's files.

        :param offer: name of the offer, if there are several.
        :param accepted: digest of the conditions that I have read and accept.
        :raises TermsNotAccepted: the file has conditions; they are in ``terms``.
        """
        path = f"/dataspace/records/{record_id:d}/preview"
        using = _stated(UseForm(file=file, offer=offer, accepted=accepted))
        return self._connection.get(path, Preview, seconds=PREVIEW_SECONDS, **using)

    def remote_use(self, record_id: int, file: int = 0, *, offer: str = "", accepted: str = "") -> RemoteUse:
        """Code that reads one of a record's files where it is; parameters and errors as of :meth:`preview`."""
        form = UseForm(file=file, offer=offer, accepted=accepted)
        path = f"/dataspace/records/{record_id:d}/remote-use"
        return self._connection.send("POST", path, _stated(form), RemoteUse)

    def saved_searches(self) -> tuple[SavedSearch, ...]:
        return self._connection.get("/dataspace/saved-searches", tuple[SavedSearch, ...])

    def save_search(self, form: SavedSearchForm) -> SavedSearch:
        """Save a search; one with the same title is replaced."""
        return self._connection.send("PUT", "/dataspace/saved-searches", _stated(form), SavedSearch)

    def forget_search(self, search_id: int) -> None:
        self._connection.delete(f"/dataspace/saved-searches/{search_id:d}")

    def publications(self) -> tuple[Publication, ...]:
        """What my projects have published."""
        return self._connection.get("/dataspace/publications", tuple[Publication, ...])

    def publish(self, form: PublicationForm) -> Publication:
        """Describe an output of a project."""
        return self._connection.send(
            "POST", "/dataspace/publications", _stated(form), Publication, seconds=PUBLISH_SECONDS
        )

    def change_publication(self, slug: str, form: PublicationForm, *, seen: datetime | None = None) -> Publication:
        """Change a publication.

        :param seen: ``modified`` of the publication that was read.
        :raises hub.errors.Conflict: somebody else has changed it since.
        """
        path = f"/dataspace/publications/{part(slug)}"
        known = seen and seen.isoformat()
        return self._connection.send("PUT", path, _stated(form), Publication, seconds=PUBLISH_SECONDS, seen=known)

    def withdraw(self, slug: str) -> None:
        """Take a publication back."""
        self._connection.delete(f"/dataspace/publications/{part(slug)}")

    def transfers(self) -> tuple[Transfer, ...]:
        """What has been brought, or is on its way, to my projects; the newest first."""
        return self._connection.get("/dataspace/transfers", tuple[Transfer, ...])

    def transfer(self, transfer_id: int) -> Transfer:
        return self._connection.get(f"/dataspace/transfers/{transfer_id:d}", Transfer)

    def bring(self, form: TransferForm) -> Transfer:
        """Have a file copied into a project, by a job of mine.

        :raises TermsNotAccepted: the file has conditions; ``accepted`` of the form is the digest of those I accept.
        """
        return self._connection.send("POST", "/dataspace/transfers", _stated(form), Transfer)

    def upload(self, form: UploadJobForm) -> Transfer:
        """Have a file of a project's directory uploaded by a job of mine, so that it can be published."""
        return self._connection.send("POST", "/dataspace/transfers/uploads", form, Transfer)

    def cancel_transfer(self, transfer_id: int) -> Transfer:
        return self._connection.send("POST", f"/dataspace/transfers/{transfer_id:d}/cancel", None, Transfer)

    # -- admins

    def sources(self) -> tuple[Source, ...]:
        """Every source with its last report."""
        return self._connection.get("/dataspace/sources", tuple[Source, ...])

    def put_source(self, form: SourceForm) -> Source:
        """Add or change a source."""
        return self._connection.send("PUT", f"/dataspace/sources/{form.name}", _stated(form), Source)

    def remove_source(self, name: str) -> None:
        """Remove a source and its records."""
        self._connection.delete(f"/dataspace/sources/{part(name)}")

    def run_source(self, name: str) -> Source:
        """Have a source harvested as soon as the worker is free."""
        return self._connection.send("POST", f"/dataspace/sources/{part(name)}/run", None, Source)

    def source_runs(self, name: str) -> tuple[Run, ...]:
        """Reports, the newest first."""
        return self._connection.get(f"/dataspace/sources/{part(name)}/runs", tuple[Run, ...])


def _params(query: Query | str, chips: Sequence[str] = ()) -> dict[str, Any]:
    """A query as parameters of an address."""
    if isinstance(query, str):
        query = Query(text=query, chips=tuple(chips))
    return query.model_dump(mode="json", exclude_defaults=True)


def _stated(form: BaseModel) -> dict[str, Any]:
    """The fields of a form that differ from their defaults: an older API rejects fields that it does not know."""
    return form.model_dump(mode="json", exclude_defaults=True)
