"""Routes ``/programme``, ``/calls``, ``/advice`` and the calculator, for everybody who is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from hub.calls import adviser, calculator, programme, service
from hub.calls.machine import machine
from hub.calls.models import (
    Calculation,
    CallChange,
    CallStatus,
    Hardware,
    Helper,
    ModeAdvice,
    Need,
    Programme,
    Workload,
)
from hub.context import Asking, AskingAdmin
from hub.db.base import now

router = APIRouter(tags=["calls"])

CallSlug = Annotated[str, Path(description="Slug of the call")]


@router.get("/programme")
def read_programme(asking: Asking) -> Programme:
    """Read the programme: access modes, calls, systems, sectors, questions and criteria.

    Each number has its source and date.
    """
    return programme.current(asking.settings)


@router.get("/machine")
async def read_machine(asking: Asking) -> tuple[Hardware, ...]:
    """Read nodes, cores and GPUs of each system, as Slurm has them.

    Empty if Slurm has not answered yet.
    """
    return await machine(asking.settings).hardware(programme.current(asking.settings).systems)


@router.get("/calls")
def calls(asking: Asking) -> tuple[CallStatus, ...]:
    """List all calls with their current state."""
    return service.statuses(asking.session, programme.current(asking.settings), now())


@router.put("/calls/{slug}")
def change_call(asking: AskingAdmin, slug: CallSlug, change: CallChange) -> CallStatus:
    """Open, pause or close a call, or mark systems as full.

    For admins.
    """
    return service.change(asking.session, programme.current(asking.settings), slug, change, who=asking.person.name)


@router.get("/helpers")
def helpers(
    asking: Asking,
    country: Annotated[str | None, Query(max_length=2, description="ISO 3166 code of the country, two letters")] = None,
    sector: Annotated[str | None, Query(max_length=40, description="Name of the sector in the programme")] = None,
) -> tuple[Helper, ...]:
    """List facilities, hubs and initiatives that help in a country and sector."""
    return service.helpers(programme.current(asking.settings), country=country, sector=sector)


@router.post("/advice")
def advice(asking: Asking, need: Need) -> tuple[ModeAdvice, ...]:
    """Rank the access modes for a need, the recommended one first, with reasons against the others.

    Nothing is stored.
    """
    data, moment = programme.current(asking.settings), now()
    return adviser.advise(data, service.statuses(asking.session, data, moment), need, moment)


@router.post("/calculation")
async def calculation(asking: Asking, workload: Workload) -> Calculation:
    """Estimate the hours that a workload takes, with the formula.

    Nothing is stored.
    """
    data = programme.current(asking.settings)
    hardware = await machine(asking.settings).hardware(data.systems)
    gpus = next((sum(entry.gpus.values()) for entry in hardware if entry.system == workload.system), None)
    return calculator.calculate(data, workload, gpus=gpus)
