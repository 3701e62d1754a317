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
    """What is on its way to my projects, or has arrived; the newest first."""
    return service.listed(asking.session, asking.person.name, projects)


@router.post("/transfers", status_code=201)
def bring(asking: AskingPerson, form: TransferForm, projects: Projects) -> Transfer:
    """Have a public file copied into a project of mine, by a job of mine."""
    return service.ask(asking.session, asking.settings, asking.person.name, projects, form)


@router.get("/transfers/{transfer_id}")
def transfer(asking: AskingPerson, transfer_id: RowId, projects: Projects) -> Transfer:
    return service.view(service.one(asking.session, asking.person.name, projects, transfer_id))


@router.post("/transfers/{transfer_id}/cancel")
def cancel_transfer(asking: AskingPerson, transfer_id: RowId, projects: Projects) -> Transfer:
    """End it; what has come so far is no data yet, and a new try goes on from there."""
    return service.cancel(asking.session, asking.person.name, projects, transfer_id)
