"""``/dataspace/sources``: harvested sources and their reports; for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from hub.context import AskingAdmin
from hub.dataspace.fetch import Fetcher
from hub.dataspace.sources import service
from hub.dataspace.sources.models import Run, Source, SourceForm
from hub.errors import InvalidInput

router = APIRouter()

Name = Annotated[str, Path(description="Name of the source")]


@router.get("/sources")
def source_list(asking: AskingAdmin) -> tuple[Source, ...]:
    """List all sources with their last harvest report.

    For admins.
    """
    return service.listed(asking.session)


@router.put("/sources/{name}")
def put_source(asking: AskingAdmin, name: Name, form: SourceForm) -> Source:
    """Add or change a source.

    For admins.
    """
    if form.name != name:
        raise InvalidInput("The name in the address and the one in the form differ.", field="name")
    dataspace = asking.settings.dataspace
    service.check_address(form, Fetcher(dataspace.allowed_hosts), dataspace.folders)
    return service.put(asking.session, form, who=asking.person.name)


@router.delete("/sources/{name}", status_code=204)
def remove_source(asking: AskingAdmin, name: Name) -> None:
    """Remove a source and its records.

    For admins.
    """
    service.remove(asking.session, name, who=asking.person.name)


@router.post("/sources/{name}/run", status_code=202)
def run_source(asking: AskingAdmin, name: Name) -> Source:
    """Harvest a source as soon as the worker is free.

    For admins.
    """
    return service.run_now(asking.session, name, who=asking.person.name)


@router.get("/sources/{name}/runs")
def run_list(asking: AskingAdmin, name: Name) -> tuple[Run, ...]:
    """List the harvest reports of a source, newest first.

    For admins.
    """
    return service.runs(asking.session, name)
