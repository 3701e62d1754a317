"""``/programme``, ``/calls``, and advice worked out from them: for everybody who is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hub.calls import adviser, calculator, programme, service
from hub.calls.models import (
    Calculation,
    CallChange,
    CallStatus,
    Helper,
    ModeAdvice,
    Need,
    Programme,
    Workload,
)
from hub.context import Asking, AskingAdmin
from hub.db.base import now

router = APIRouter(tags=["calls"])


@router.get("/programme")
def the_programme(asking: Asking) -> Programme:
    """Modes, calls, systems, sectors, questions and criteria, each number with its source and date."""
    return programme.current(asking.settings)


@router.get("/calls")
def calls(asking: Asking) -> tuple[CallStatus, ...]:
    """Every call as it stands now."""
    return service.statuses(asking.session, programme.current(asking.settings), now())


@router.put("/calls/{slug}")
def change_call(asking: AskingAdmin, slug: str, wanted: CallChange) -> CallStatus:
    """Open, pause or close a call, or say on which systems it is full."""
    return service.change(asking.session, programme.current(asking.settings), slug, wanted, who=asking.person.name)


@router.get("/helpers")
def helpers(
    asking: Asking,
    country: Annotated[str | None, Query(max_length=2)] = None,
    sector: Annotated[str | None, Query(max_length=40)] = None,
) -> tuple[Helper, ...]:
    """Facilities, hubs and initiatives that help in a country and sector."""
    return service.helpers(programme.current(asking.settings), country=country, sector=sector)


@router.post("/advice")
def advice(asking: Asking, need: Need) -> tuple[ModeAdvice, ...]:
    """Which access mode, the recommended one first, with what speaks against the others."""
    data, moment = programme.current(asking.settings), now()
    return adviser.advise(data, service.statuses(asking.session, data, moment), need, moment)


@router.post("/calculation")
def calculation(asking: Asking, workload: Workload) -> Calculation:
    """Hours that a workload takes, with the formula."""
    return calculator.calculate(programme.current(asking.settings), workload)
