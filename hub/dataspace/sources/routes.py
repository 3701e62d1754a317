"""``/dataspace/sources``: sources and the reports of their harvests, for admins."""

from __future__ import annotations

from fastapi import APIRouter

from hub.context import AskingAdmin
from hub.dataspace.sources import service
from hub.dataspace.sources.models import Run, Source, SourceForm
from hub.errors import InvalidInput

router = APIRouter()


@router.get("/sources")
def source_list(asking: AskingAdmin) -> tuple[Source, ...]:
    """Every source with its last report."""
    return service.listed(asking.session)


@router.put("/sources/{name}")
def put_source(asking: AskingAdmin, name: str, form: SourceForm) -> Source:
    """Add or change a source."""
    if form.name != name:
        raise InvalidInput("The name in the address and the one in the form differ.", field="name")
    return service.put(asking.session, form)


@router.delete("/sources/{name}", status_code=204)
def remove_source(asking: AskingAdmin, name: str) -> None:
    """Remove a source and its records."""
    service.remove(asking.session, name)


@router.post("/sources/{name}/run", status_code=202)
def run_source(asking: AskingAdmin, name: str) -> Source:
    """Have a source harvested within a minute."""
    return service.run_now(asking.session, name)


@router.get("/sources/{name}/runs")
def run_list(asking: AskingAdmin, name: str) -> tuple[Run, ...]:
    """Reports, the newest first."""
    return service.runs(asking.session, name)
