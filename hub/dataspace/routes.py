"""``/dataspace``: search and records here, and the routes of the subjects below."""

from __future__ import annotations

from typing import Annotated, cast

import fastapi
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from hub.context import Asking, AskingPerson, Guarded, RowId, Sessions
from hub.dataspace import service
from hub.dataspace.context import CachedProjects, FileReading, Projects
from hub.dataspace.models import (
    FacetValue,
    Preview,
    Query,
    RecordPage,
    RemoteUse,
    SearchAnswer,
    Suggestion,
    UseForm,
    ValueQuery,
)
from hub.dataspace.preview import Previewer
from hub.dataspace.publications.routes import router as publications
from hub.dataspace.saved_searches.routes import router as saved_searches
from hub.dataspace.search import answers
from hub.dataspace.sources.routes import router as sources
from hub.dataspace.transfers import snippets
from hub.dataspace.transfers.routes import router as transfers
from hub.store.files import StoreFiles
from hub.store.models import Digest

router = APIRouter(prefix="/dataspace", tags=["dataspace"])
for subject in (saved_searches, transfers, sources, publications):
    router.include_router(subject)

Asked = Annotated[Query, fastapi.Query()]
Language = Annotated[str, fastapi.Query(pattern=r"^[a-z]{2}$", description="Language of labels, two letters")]
RecordId = Annotated[RowId, fastapi.Path(description="Number of the record")]
Using = Annotated[UseForm, fastapi.Query()]


async def _search_cache(request: Request) -> answers.SearchCache:
    return cast(answers.SearchCache, request.state.search_cache)


SearchCache = Annotated[answers.SearchCache, Depends(_search_cache)]


@router.get("/search", response_model=SearchAnswer)
async def search(query: Asked, projects: CachedProjects, search_cache: SearchCache) -> Response:
    """Search records; returns hits and counts for each facet.

    Only records that you may see are counted and returned.
    """
    answer = search_cache.cached(query, projects)
    if answer is None and search_cache.is_quick(query, projects):
        answer = search_cache.answer(query, projects)
    elif answer is None:
        # A longer search runs in a thread; the engine releases the GIL.
        answer = await run_in_threadpool(search_cache.answer, query, projects)
    return Response(answer, media_type="application/json")


@router.get("/values")
def values(
    query: Annotated[ValueQuery, fastapi.Query()], projects: CachedProjects, search_cache: SearchCache
) -> tuple[FacetValue, ...]:
    """Search values to filter by, such as publishers beyond those that a search lists; at most 20.

    Only records that you may see are counted.
    """
    return answers.values(search_cache.index, query, projects)


@router.get("/suggestions")
def suggestions(query: Asked, projects: CachedProjects, search_cache: SearchCache) -> tuple[Suggestion, ...]:
    """Suggest which parts to remove from a search without hits."""
    return answers.suggestions(search_cache.index, query, projects)


@router.get("/records/{record_id}")
def record(asking: Asking, record_id: RecordId, projects: Projects, language: Language = "en") -> RecordPage:
    """Read a record with everything known about it."""
    folders = asking.settings.dataspace.folders
    return service.record_page(
        asking.session, record_id, projects, language, person=asking.person.name, folders=folders
    )


@router.get("/records/{record_id}/preview")
def preview(
    request: Request, person: Guarded, sessions: Sessions, record_id: RecordId, projects: Projects, *, using: Using
) -> Preview:
    """Read the schema and the first rows of a file of a record.

    Of a file that has conditions, only with the digest of those that you accept.
    """
    with sessions() as session:
        distribution, _acceptance = service.usable_file(session, record_id, projects, person.name, using)
        row = service.row_for(session, record_id, projects)
        local = service.readable_file(session, row, distribution, request.state.settings)
        session.commit()
    # No database session is open while another server is waited for.
    return cast(Previewer, request.state.previewer).preview(distribution, local)


@router.post("/records/{record_id}/remote-use")
def use_remotely(asking: AskingPerson, record_id: RecordId, projects: Projects, using: UseForm) -> RemoteUse:
    """Show Python code that reads a file of a record where it is.

    Of a file that has conditions, only with the digest of those that you accept.
    """
    file, _acceptance = service.usable_file(asking.session, record_id, projects, asking.person.name, using)
    row, folders = service.row_for(asking.session, record_id, projects), asking.settings.dataspace.folders
    is_stored = bool(service.stored_digest(asking.session, row, file))
    local = None if is_stored else service.local_file(asking.session, row, file, folders)
    asking.session.commit()
    if is_stored:
        return RemoteUse(address=file.download_url, code=snippets.stored(record_id, using.file))
    return snippets.remote_use(file, local.path if local else "")


# -- files of the store -----------------------------------------------------------------------------------------------

Slug = Annotated[str, fastapi.Path(description="Slug of the publication")]
FileDigest = Annotated[Digest, fastapi.Path(description="SHA-256 of the file")]
FileName = Annotated[str, fastapi.Path(description="Name of the file")]
Offer = Annotated[str, fastapi.Query(max_length=4000, description="Name of the offer, if the record has several")]
Accepted = Annotated[
    str, fastapi.Query(pattern=r"^([0-9a-f]{64})?$", description="Digest of the conditions that you accept")
]


@router.head("/catalogue/{slug}/files/{sha256}/{name}", include_in_schema=False)
@router.get("/catalogue/{slug}/files/{sha256}/{name}", response_class=FileResponse)
def download(
    request: Request,
    reading: FileReading,
    sessions: Sessions,
    *,
    slug: Slug,
    sha256: FileDigest,
    name: FileName,
    offer: Offer = "",
    accepted: Accepted = "",
) -> Response:
    """Download a file that a project has published; ranges are supported.

    Needs no token if the publication is for everybody. Of a file that has conditions, only with the digest of those
    that you accept.
    """
    with sessions() as session:
        row = service.record_of_publication(session, slug, reading.projects)
        number, file = service.stored_file(session, row, sha256, name)
        if not reading.is_job_for(row.id, sha256):
            using = UseForm(file=number, offer=offer, accepted=accepted)
            service.usable_file(session, row.id, reading.projects or frozenset(), reading.person, using, once=True)
            session.commit()
    headers = {"ETag": f'"{sha256}"', "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}
    if sha256 in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    path = StoreFiles(request.state.settings).object_path(sha256)
    return FileResponse(path, filename=name, media_type=file.media_type or "application/octet-stream", headers=headers)
