"""``/dataspace/transfers``: transfers of files into projects."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from hub.context import AskingPerson, RowId
from hub.dataspace.context import Projects
from hub.dataspace.transfers import service
from hub.dataspace.transfers.models import Transfer, TransferForm, UploadJobForm

router = APIRouter()

TransferId = Annotated[RowId, Path(description="Number of the transfer")]


@router.get("/transfers")
def transfers(asking: AskingPerson, projects: Projects) -> tuple[Transfer, ...]:
    """List transfers into your projects, newest first."""
    return service.listed(asking.session, asking.person.name, projects)


@router.post("/transfers", status_code=201)
def bring(asking: AskingPerson, form: TransferForm, projects: Projects) -> Transfer:
    """Start a transfer: a Slurm job of yours copies a public file into one of your projects."""
    return service.request(asking.session, asking.settings, asking.person.name, projects, form)


@router.post("/transfers/uploads", status_code=201)
def upload(asking: AskingPerson, form: UploadJobForm) -> Transfer:
    """Start an upload: a Slurm job of yours sends a file of a project's directory to the store.

    Then it is one of your uploads, and can be published.
    """
    return service.request_upload(asking.session, asking.settings, asking.person.name, form)


@router.get("/transfers/{transfer_id}")
def transfer(asking: AskingPerson, transfer_id: TransferId, projects: Projects) -> Transfer:
    """Read a transfer."""
    return service.view(service.row_for(asking.session, asking.person.name, projects, transfer_id))


@router.post("/transfers/{transfer_id}/cancel")
def cancel_transfer(asking: AskingPerson, transfer_id: TransferId, projects: Projects) -> Transfer:
    """Cancel a transfer.

    A later transfer of the same file continues where this one stopped.
    """
    return service.cancel(asking.session, asking.person.name, projects, transfer_id)
