"""``/dataspace``: search, records, saved searches, sources, publications; and ``/catalogue`` for other catalogues."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, cast

import fastapi
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from hub.context import Asking, Context, Guarded, RowId, Sessions
from hub.dataspace import service
from hub.dataspace.models import (
    Preview,
    Publication,
    PublicationForm,
    Query,
    RecordPage,
    Run,
    SavedSearch,
    SavedSearchForm,
    SearchAnswer,
    Source,
    SourceForm,
    Suggestion,
    Transfer,
    TransferForm,
)
from hub.dataspace.preview import Previewer
from hub.dataspace.publications import service as publication_service
from hub.dataspace.saved_searches import service as saved_searches
from hub.dataspace.sources import service as sources
from hub.dataspace.transfers import service as transfer_service
from hub.errors import InvalidInput, NotAllowed
from hub.identity.models import Person, Role
from hub.settings import Settings

router = APIRouter(prefix="/dataspace", tags=["dataspace"])

Asked = Annotated[Query, fastapi.Query()]
Language = Annotated[str, fastapi.Query(pattern=r"^[a-z]{2}$")]


async def _shelf(request: Request) -> service.Shelf:
    return cast(service.Shelf, request.state.shelf)


Shelf = Annotated[service.Shelf, Depends(_shelf)]


async def _projects(person: Guarded, request: Request, sessions: Sessions) -> frozenset[str]:
    """What the asking person may see beyond everybody; a service is a member of nothing."""
    if person.kind != "user":
        return frozenset()
    memberships = cast(service.Memberships, request.state.memberships)
    known = memberships.known(person.name)
    if known is not None:
        return known

    def ask() -> frozenset[str]:
        with sessions() as session:
            return memberships.ask(session, person.name)

    return await run_in_threadpool(ask)


Projects = Annotated[frozenset[str], Depends(_projects)]


async def somebody(person: Guarded) -> Person:
    """A person: services keep nothing and publish nothing."""
    if person.kind != "user":
        raise NotAllowed("This is for people.")
    return person


async def admin(person: Guarded) -> Person:
    if person.kind != "user" or Role.ADMIN not in person.roles:
        raise NotAllowed("Only admins see and change sources.")
    return person


async def _as_admin(asking: Asking, _admin: Annotated[Person, Depends(admin)]) -> Context:
    return asking


async def _as_somebody(asking: Asking, _person: Annotated[Person, Depends(somebody)]) -> Context:
    return asking


AsAdmin = Annotated[Context, Depends(_as_admin)]
AsSomebody = Annotated[Context, Depends(_as_somebody)]


# -- search -----------------------------------------------------------------------------------------------------------


@router.get("/search", response_model=SearchAnswer)
async def search(query: Asked, projects: Projects, shelf: Shelf) -> Response:
    """Hits and counts by facet. Counts and hits are of what the asking person may see."""
    answer = shelf.remembered(query, projects)
    if answer is None and shelf.is_quick(query):
        answer = shelf.answer(query, projects)
    elif answer is None:
        # What takes longer leaves the loop to others meanwhile; the engine holds no lock of Python's.
        answer = await run_in_threadpool(shelf.answer, query, projects)
    return Response(answer, media_type="application/json")


@router.get("/suggestions")
def suggestions(query: Asked, projects: Projects, shelf: Shelf) -> tuple[Suggestion, ...]:
    """What to leave out of a search that found nothing."""
    return service.suggestions(shelf.index, query, projects)


@router.get("/records/{record_id}")
def record(asking: Asking, record_id: int, projects: Projects, language: Language = "en") -> RecordPage:
    """Everything about one record."""
    return service.record_page(asking.session, record_id, projects, language)


@router.get("/records/{record_id}/preview")
def preview(request: Request, sessions: Sessions, record_id: int, projects: Projects, file: int = 0) -> Preview:
    """Schema and first rows of one of a record's files, counted from 0."""
    with sessions() as session:
        distribution = service.distribution(session, record_id, projects, file)
    # No database session is held while somebody else's server is waited for.
    return cast(Previewer, request.state.previewer).preview(distribution)


# -- saved searches ---------------------------------------------------------------------------------------------------


@router.get("/saved-searches")
def saved(asking: AsSomebody) -> tuple[SavedSearch, ...]:
    return saved_searches.saved(asking.session, asking.person.name)


@router.put("/saved-searches")
def save(asking: AsSomebody, form: SavedSearchForm) -> SavedSearch:
    """Keep a search; one of the same title is replaced."""
    return saved_searches.save(asking.session, asking.person.name, form)


@router.delete("/saved-searches/{search_id}", status_code=204)
def forget(asking: AsSomebody, search_id: int) -> None:
    saved_searches.forget(asking.session, asking.person.name, search_id)


# -- bringing data into a project -------------------------------------------------------------------------------------


@router.get("/transfers")
def transfers(asking: AsSomebody, projects: Projects) -> tuple[Transfer, ...]:
    """What is on its way to my projects, or has arrived; the newest first."""
    return transfer_service.listed(asking.session, asking.person.name, projects)


@router.post("/transfers", status_code=201)
def bring(asking: AsSomebody, form: TransferForm, projects: Projects) -> Transfer:
    """Have a public file copied into a project of mine, by a job of mine."""
    return transfer_service.ask(asking.session, asking.settings, asking.person.name, projects, form)


@router.get("/transfers/{transfer_id}")
def transfer(asking: AsSomebody, transfer_id: RowId, projects: Projects) -> Transfer:
    return transfer_service.view(transfer_service.one(asking.session, asking.person.name, projects, transfer_id))


@router.post("/transfers/{transfer_id}/cancel")
def cancel_transfer(asking: AsSomebody, transfer_id: RowId, projects: Projects) -> Transfer:
    """End it; what has come so far is no data yet, and a new try goes on from there."""
    return transfer_service.cancel(asking.session, asking.person.name, projects, transfer_id)


# -- sources (admins) -------------------------------------------------------------------------------------------------


@router.get("/sources")
def source_list(asking: AsAdmin) -> tuple[Source, ...]:
    """Every source with its last report."""
    return sources.listed(asking.session)


@router.put("/sources/{name}")
def put_source(asking: AsAdmin, name: str, form: SourceForm) -> Source:
    """Add or change a source."""
    if form.name != name:
        raise InvalidInput("The name in the address and the one in the form differ.", field="name")
    return sources.put(asking.session, form)


@router.delete("/sources/{name}", status_code=204)
def remove_source(asking: AsAdmin, name: str) -> None:
    """Take a source and its records away."""
    sources.remove(asking.session, name)


@router.post("/sources/{name}/run", status_code=202)
def run_source(asking: AsAdmin, name: str) -> Source:
    """Harvest it at the worker's next look."""
    return sources.run_now(asking.session, name)


@router.get("/sources/{name}/runs")
def run_list(asking: AsAdmin, name: str) -> tuple[Run, ...]:
    """Reports, the newest first."""
    return sources.runs(asking.session, name)


# -- publishing -------------------------------------------------------------------------------------------------------


async def _address(request: Request) -> str:
    """Where our catalogue is for others, and therefore what the names of its records begin with."""
    return cast(Settings, request.state.settings).service_url("atrium") + "api/dataspace/catalogue"


Address = Annotated[str, Depends(_address)]


@router.get("/publications")
def publications(asking: AsSomebody, projects: Projects) -> tuple[Publication, ...]:
    """What my projects have published."""
    return publication_service.listed(asking.session, projects)


@router.post("/publications", status_code=201)
def publish(asking: AsSomebody, form: PublicationForm, address: Address) -> Publication:
    """Describe an output of a project."""
    return publication_service.publish(asking.session, asking.person, form, address)


@router.put("/publications/{slug}")
def change_publication(asking: AsSomebody, slug: str, form: PublicationForm) -> Publication:
    return publication_service.change(asking.session, asking.person, slug, form)


@router.delete("/publications/{slug}", status_code=204)
def withdraw(asking: AsSomebody, slug: str) -> None:
    publication_service.withdraw(asking.session, asking.person, slug)


# -- for other catalogues: open to everybody, and only what a project gave to everybody -------------------------------


@router.get("/catalogue", response_class=Response)
def catalogue(
    request: Request, sessions: Sessions, address: Address, page: Annotated[int, fastapi.Query(ge=1, le=100_000)] = 1
) -> Response:
    """What the factory's projects share with everybody, as DCAT-AP in pages, in the format that is asked for."""
    site = cast(Settings, request.state.settings).site.name
    with sessions() as session:
        triples, more = publication_service.catalogue_page(session, address, site, page)
    links = [f'<{address}?page=1>; rel="first"'] + ([f'<{address}?page={page + 1}>; rel="next"'] if more else [])
    return _as_rdf(request, triples, {"Link": ", ".join(links)})


@router.get("/catalogue/{slug}", response_class=Response)
def catalogue_record(request: Request, sessions: Sessions, address: Address, slug: str) -> Response:
    """One record that everybody may see, as DCAT-AP."""
    with sessions() as session:
        triples = publication_service.catalogue_record(session, address, slug)
    return _as_rdf(request, triples, {})


def _as_rdf(request: Request, triples: list[publication_service.Triple], headers: dict[str, str]) -> Response:
    media_type = publication_service.negotiated(request.headers.get("accept", ""))
    body = publication_service.written(triples, media_type)
    headers |= {"ETag": f'"{sha256(body).hexdigest()[:32]}"', "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
