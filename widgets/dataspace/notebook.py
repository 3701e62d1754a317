"""Data spaces in a notebook: ``from widgets import DataSpace``."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hub.client import Api
from hub.dataspace.models import Card, Preview, Query, RecordPage, SearchAnswer
from hub.dataspace.publications.models import Publication, PublicationForm, PublishedFile
from hub.dataspace.transfers.models import Transfer, TransferForm, TransferState
from hub.errors import AtriumError, InvalidInput
from hub.store import project_files
from widgets.base import Visitor
from widgets.dataspace.state import OVER
from widgets.fields import first_problem

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

    def publish_file(
        self, path: str | Path, *, project: str = "", file_title: str = "", file_format: str = "", **description: Any
    ) -> Publication:
        """Upload a file of a project's directory and publish it; an upload that was broken off goes on.

        >>> space.publish_file(
        ...     "results/mean.csv",
        ...     title="Mean flow of the Nile",
        ...     description="Mean of the annual flow at Aswan.",
        ...     publisher="Green Steel",
        ...     contact="data@steel.example",
        ...     licence="https://creativecommons.org/licenses/by/4.0/",
        ...     visibility="factory",
        ... )

        :param path: below the project's directory, without links on the way; in a notebook of the project, also
            relative to it.
        :param project: the project's slug; optional for members of one project.
        :param file_title: name of the file for readers; its own name if it is not stated.
        :param file_format: code of its type, such as ``CSV``; by its name if it is not stated.
        :param description: further fields of :class:`hub.dataspace.publications.models.PublicationForm`.
        :raises InvalidInput: there is no such file, a link is on the way to it, or the description is not complete.
        :raises StorageFull: there is no room for it.
        """
        slug = project or self._only_project()
        directory = self._api.projects.get(slug).directory
        name = Path(path).name
        # Whether the description is right is clear before gigabytes are sent.
        form = self._publication_form({**description, "project": slug})
        with project_files.opened(directory, _below(directory, Path(path))) as file:
            upload = self._api.store.upload(file, project=slug, name=name)
        published = PublishedFile(title=file_title or name, format=file_format, stored=upload.sha256)
        return self._api.dataspace.publish(form.model_copy(update={"files": (*form.files, published)}))

    @staticmethod
    def _publication_form(description: dict[str, Any]) -> PublicationForm:
        try:
            return PublicationForm.model_validate(description)
        except ValidationError as error:
            raise first_problem(error) from error

    def _only_project(self) -> str:
        projects = self._api.me().projects
        if len(projects) != 1:
            raise InvalidInput("Name one of your projects.", field="project")
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


def _below(directory: str, path: Path) -> str:
    """``path`` below a project's directory. The folder ``projects`` in a home is a link to all of them."""
    here = Path.cwd().resolve()
    if path.is_absolute() or not here.is_relative_to(directory):
        return str(_without_link_to_projects(directory, path))
    return str(here / path)


def _without_link_to_projects(directory: str, path: Path) -> Path:
    """A path that begins with the link to the projects, with the directory it leads to."""
    slug = Path(directory).name
    links = (Path("projects", slug), Path.home() / "projects" / slug)
    return next((Path(directory) / path.relative_to(link) for link in links if path.is_relative_to(link)), path)


def _id(record: int | Card) -> int:
    return record if isinstance(record, int) else record.id
