"""Data spaces in a notebook: ``from widgets import DataSpace``."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hub.client import Api
from hub.dataspace.models import Card, Preview, Query, RecordPage, SearchAnswer
from hub.dataspace.transfers.models import Transfer, TransferForm, TransferState
from hub.errors import AtriumError, InvalidInput
from widgets.base import Visitor
from widgets.dataspace.state import OVER

LOOK_SECONDS = 3.0


class DataSpace:
    """Search, records and files on behalf of the notebook's owner; displayed, it is the data-space page.

    >>> space = DataSpace()
    >>> found = space.search("air quality", ["licence:open"])
    >>> path = space.fetch(found.hits[0].id, project="green-steel")
    """

    def __init__(self, api: Api | None = None) -> None:
        self._api = api or Api.from_environment()

    def search(self, query: Query | str = "", chips: Sequence[str] = ()) -> SearchAnswer:
        """Hits and counts by facet."""
        return self._api.dataspace.search(query, chips)

    def record(self, record: int | Card, *, language: str = "en") -> RecordPage:
        return self._api.dataspace.record(_id(record), language=language)

    def preview(self, record: int | Card, file: int = 0, *, offer: str = "", accepted: str = "") -> Preview:
        """Schema and first rows; parameters and errors as of :meth:`fetch`."""
        return self._api.dataspace.preview(_id(record), file, offer=offer, accepted=accepted)

    def fetch(
        self,
        record: int | Card,
        file: int = 0,
        *,
        project: str = "",
        minutes: float = 240,
        offer: str = "",
        accepted: str = "",
    ) -> Path:
        """Transfer a file to a project and wait for it; returns its path, and warns if it is not what was described.

        :param project: the project's slug; optional for members of one project.
        :param offer: name of the offer, if the record has several.
        :param accepted: digest of the conditions that you have read and accept.
        :raises TermsNotAccepted: the file has conditions; ``terms`` of the error has them and their digest.
        :raises NotAllowed: the file may not be used; the message says why.
        :raises AtriumError: the transfer failed or the checksum is wrong; the message says why.
        """
        using = {"file": file, "offer": offer, "accepted": accepted}
        form = TransferForm(record_id=_id(record), project=project or self._only_project(), **using)
        transfer = self._api.dataspace.bring(form)
        return self._arrived(transfer, time.monotonic() + minutes * 60)

    def _only_project(self) -> str:
        projects = self._api.me().projects
        if len(projects) != 1:
            raise InvalidInput("Choose the project to bring the file to.", field="project")
        return projects[0].slug

    def _arrived(self, transfer: Transfer, until: float) -> Path:
        while transfer.state not in OVER:
            if time.monotonic() > until:
                raise AtriumError("The transfer is still running.", hint="See “Transfers” on the Data page.")
            time.sleep(LOOK_SECONDS)
            transfer = self._api.dataspace.transfer(transfer.id)
        if transfer.state is not TransferState.DONE or transfer.progress is None:
            raise AtriumError(transfer.reason or f"The transfer was {transfer.state}.")
        if transfer.reason:
            warnings.warn(transfer.reason, stacklevel=3)
        return Path(transfer.directory) / transfer.progress.path

    def _ipython_display_(self) -> None:
        from IPython.display import display

        from widgets.dataspace.view import Dataspace

        person: Any = Visitor(api=self._api)
        display(Dataspace(person=person, own_page=False))


def _id(record: int | Card) -> int:
    return record if isinstance(record, int) else record.id
