"""``/dataspace/publications``: publications of projects; and ``/dataspace/catalogue``, for other catalogues."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Annotated, cast

import fastapi
from fastapi import APIRouter, Depends, Request, Response

from hub.context import AskingPerson, Sessions
from hub.dataspace.context import Projects
from hub.dataspace.publications import dcat_ap, service
from hub.dataspace.publications.models import Publication, PublicationForm
from hub.settings import Settings

router = APIRouter()


async def _address(request: Request) -> str:
    """Where our catalogue is for others, and therefore what the names of its records begin with."""
    return cast(Settings, request.state.settings).service_url("atrium") + "api/dataspace/catalogue"


Address = Annotated[str, Depends(_address)]
Slug = Annotated[str, fastapi.Path(description="Slug of the publication")]
Seen = Annotated[datetime | None, fastapi.Query(description="`modified` of the publication that you have read")]
Page = Annotated[int, fastapi.Query(ge=1, le=100_000, description="Number of the page, from 1")]


@router.get("/publications")
def publications(asking: AskingPerson, projects: Projects) -> tuple[Publication, ...]:
    """List the publications of your projects."""
    return service.listed(asking.session, projects)


@router.post("/publications", status_code=201)
def publish(asking: AskingPerson, form: PublicationForm, address: Address) -> Publication:
    """Publish an output of a project: describe it for others."""
    return service.publish(asking.session, asking.person, form, address)


@router.put("/publications/{slug}")
def change_publication(asking: AskingPerson, slug: Slug, form: PublicationForm, seen: Seen = None) -> Publication:
    """Change a publication.

    For its author and the leads of the project. 409 if somebody else changed it since you have `seen` it.
    """
    return service.change(asking.session, asking.person, slug, form, seen=seen)


@router.delete("/publications/{slug}", status_code=204)
def withdraw(asking: AskingPerson, slug: Slug) -> None:
    """Withdraw a publication.

    For its author and the leads of the project.
    """
    service.withdraw(asking.session, asking.person, slug)


# -- for other catalogues: open to everybody, and only what a project gave to everybody -------------------------------


@router.get("/catalogue", response_class=Response)
def catalogue(request: Request, sessions: Sessions, address: Address, page: Page = 1) -> Response:
    """Read the public catalogue as DCAT-AP, in pages.

    Needs no token. The `Accept` header selects the RDF format; a `Link` header names the next page.
    """
    site = cast(Settings, request.state.settings).site.name
    with sessions() as session:
        triples, more = service.catalogue_page(session, address, site, page)
    links = [f'<{address}?page=1>; rel="first"'] + ([f'<{address}?page={page + 1}>; rel="next"'] if more else [])
    return _as_rdf(request, triples, {"Link": ", ".join(links)})


@router.get("/catalogue/{slug}", response_class=Response)
def catalogue_record(request: Request, sessions: Sessions, address: Address, slug: Slug) -> Response:
    """Read one public record as DCAT-AP.

    Needs no token. The `Accept` header selects the RDF format.
    """
    with sessions() as session:
        triples = service.catalogue_record(session, address, slug)
    return _as_rdf(request, triples, {})


def _as_rdf(request: Request, triples: list[dcat_ap.Triple], headers: dict[str, str]) -> Response:
    media_type = dcat_ap.negotiated(request.headers.get("accept", ""))
    body = dcat_ap.serialised(triples, media_type)
    headers |= {"ETag": f'"{sha256(body).hexdigest()[:32]}"', "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
