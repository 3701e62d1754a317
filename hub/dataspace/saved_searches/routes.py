"""``/dataspace/saved-searches``: saved searches of the person who asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from hub.context import AskingPerson, RowId
from hub.dataspace.saved_searches import service
from hub.dataspace.saved_searches.models import SavedSearch, SavedSearchForm

router = APIRouter()

SearchId = Annotated[RowId, Path(description="Number of the saved search")]


@router.get("/saved-searches")
def saved(asking: AskingPerson) -> tuple[SavedSearch, ...]:
    """List your saved searches."""
    return service.saved(asking.session, asking.person.name)


@router.put("/saved-searches")
def save(asking: AskingPerson, form: SavedSearchForm) -> SavedSearch:
    """Save a search; replaces the one with the same title."""
    return service.save(asking.session, asking.person.name, form)


@router.delete("/saved-searches/{search_id}", status_code=204)
def forget(asking: AskingPerson, search_id: SearchId) -> None:
    """Delete a saved search."""
    service.forget(asking.session, asking.person.name, search_id)
