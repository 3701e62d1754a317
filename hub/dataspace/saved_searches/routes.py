"""``/dataspace/saved-searches``: the saved searches of the person who asks."""

from __future__ import annotations

from fastapi import APIRouter

from hub.context import AskingPerson
from hub.dataspace.saved_searches import service
from hub.dataspace.saved_searches.models import SavedSearch, SavedSearchForm

router = APIRouter()


@router.get("/saved-searches")
def saved(asking: AskingPerson) -> tuple[SavedSearch, ...]:
    return service.saved(asking.session, asking.person.name)


@router.put("/saved-searches")
def save(asking: AskingPerson, form: SavedSearchForm) -> SavedSearch:
    """Save a search; one with the same title is replaced."""
    return service.save(asking.session, asking.person.name, form)


@router.delete("/saved-searches/{search_id}", status_code=204)
def forget(asking: AskingPerson, search_id: int) -> None:
    service.forget(asking.session, asking.person.name, search_id)
