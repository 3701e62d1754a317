"""``/dataspace/transfers``: files on their way into a project."""

from __future__ import annotations

from fastapi import APIRouter

from hub.context import AskingPerson, RowId
from hub.dataspace.context import Projects
from hub.dataspace.transfers import service
from hub.dataspace.transfers.models import Transfer, TransferForm

router = APIRouter()


@router.get("/transfers")
def transfers(asking: AskingPerson, projects: Projects) -> tuple[Transfer, ...]:
    """Transfers into my projects, the newest first."""
    return service.listed(asking.session, asking.person.name, projects)


@router.post("/transfers", status_code=201)
def bring(asking: AskingPerson, form: TransferForm, projects: Projects) -> Transfer:
    """Have a public file copied into a project of mine, by a job of mine."""
    return service.request(asking.session, asking.settings, asking.person.name, projects, form)


@router.get("/transfers/{transfer_id}")
def transfer(asking: AskingPerson, transfer_id: RowId, projects: Projects) -> Transfer:
    return service.view(service.row_for(asking.session, asking.person.name, projects, transfer_id))


@router.post("/transfers/{transfer_id}/cancel")
def cancel_transfer(asking: AskingPerson, transfer_id: RowId, projects: Projects) -> Transfer:
    """Cancel a transfer. What was copied stays hidden, and a new try continues it."""
    return service.cancel(asking.session, asking.person.name, projects, transfer_id)
