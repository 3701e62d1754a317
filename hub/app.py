"""The API: one FastAPI app, deny by default."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, TypedDict

import httpx2
import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from hub.applications.routes import router as applications
from hub.audit.routes import router as audit
from hub.calls.routes import router as calls
from hub.context import Guarded, signed_in
from hub.dataspace.fetch import Fetcher
from hub.dataspace.memberships import Memberships
from hub.dataspace.preview import Previewer
from hub.dataspace.routes import router as dataspace
from hub.dataspace.search.answers import SearchCache
from hub.db.engine import is_storage_full, make_engine, make_sessions
from hub.errors import AtriumError, Conflict, SettingsError, StorageFull, TermsNotAccepted, TooManyAttempts
from hub.guesses import Guesses, proxies
from hub.health.routes import router as health
from hub.home.routes import router as home
from hub.hub_client import hub_client
from hub.identity.addresses import Network
from hub.identity.tokens import Directory
from hub.mail import guesses as guess_reports
from hub.mail.routes import router as mail
from hub.organisations.routes import router as organisations
from hub.projects.routes import router as access
from hub.reports.routes import router as reports
from hub.reviews.routes import router as reviews
from hub.servers.routes import router as servers
from hub.settings import Settings
from hub.store.context import uploader
from hub.store.routes import router as store
from hub.usage.routes import router as usage
from hub.validation import field_name, sentence

logger = logging.getLogger(__name__)

PREFIX = "/services/atrium/api"
SUBJECTS = (
    dataspace,  # first: addresses are tried in this order, and its search is asked at every keystroke
    *(health, home, mail, audit, servers),
    *(calls, organisations, applications, reviews),
    *(access, usage, reports),
    store,
)
_CATALOGUE = f"{PREFIX}/dataspace/catalogue"
PUBLIC = frozenset(
    {
        *(f"{PREFIX}/health", _CATALOGUE, f"{_CATALOGUE}/{{slug}}"),
        f"{_CATALOGUE}/{{slug}}/files/{{sha256}}/{{name}}",
    }
)
"""The only addresses that answer without a token: signs of life, and what projects gave to everybody, which other
catalogues harvest without an account here."""
GUARDS = frozenset({signed_in, uploader})
"""Dependencies one of which every other route has."""
LONGEST_BODY = 8 * 1024 * 1024
"""Bytes of a request: many times the longest application."""
STOP_SECONDS = 10
"""How long requests in progress are waited for when the API is told to stop."""


class State(TypedDict):
    """What lives as long as the app; routes reach it through hub/context.py."""

    settings: Settings
    directory: Directory
    sessions: sessionmaker[Session]
    search_cache: SearchCache
    previewer: Previewer
    memberships: Memberships
    guesses: Guesses
    proxies: tuple[Network, ...]


def create_app(settings: Settings, *, hub: httpx2.AsyncBaseTransport | None = None) -> FastAPI:
    """The app of a deployment.

    :param hub: how the Hub is reached; None: over the network.
    :raises SettingsError: the API's own secret is unreadable, or a route has no guard.
    """
    app = routed_app()
    app.router.lifespan_context = lifespan(settings, hub=hub)
    return app


def routed_app() -> FastAPI:
    """All routes and error handlers, which are the same for every deployment; without a lifespan it answers nothing.

    :raises SettingsError: a route has no guard.
    """
    # FastAPI's own document and pages would be open to everybody; the document is a route like any other here.
    app = _Api(title="Atrium", openapi_url=None, docs_url=None, redoc_url=None)
    for router in (*SUBJECTS, _document(app)):
        app.include_router(router, prefix=PREFIX)
    app.add_exception_handler(AtriumError, _on_atrium_error)
    app.add_exception_handler(TermsNotAccepted, _on_terms)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(PoolTimeout, _on_database)
    app.add_exception_handler(IntegrityError, _on_violation)
    app.add_exception_handler(OSError, _on_os_error)
    app.add_exception_handler(DataError, _on_unstorable)
    app.add_exception_handler(StaleDataError, _on_stale)
    app.add_exception_handler(Exception, _on_anything)
    app.add_middleware(_Bounded)
    refuse_unguarded(app)
    return app


class _Api(FastAPI):
    """Takes the summary of each operation from the first line of its docstring, the description from the others."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            for path in super().openapi()["paths"].values():
                for operation in path.values():
                    summary, _, description = operation.pop("description", "").partition("\n\n")
                    operation["summary"] = summary.removesuffix(".")
                    if description:
                        operation["description"] = description
        return super().openapi()


def lifespan(settings: Settings, *, hub: httpx2.AsyncBaseTransport | None = None) -> Lifespan[FastAPI]:
    """What opens the state of a deployment when the app starts and closes it when the app ends.

    :raises SettingsError: the API's own secret is unreadable.
    """
    own_token = settings.secret("atrium")

    @asynccontextmanager
    async def open_state(_app: FastAPI) -> AsyncIterator[State]:
        engine = make_engine(settings.api.database_url, existing=True)
        search_cache = SearchCache(settings.paths.state / "dataspace")
        guesses = Guesses(settings.login, partial(guess_reports.report, settings, "Atrium's API"))
        with search_cache.preparing():
            async with hub_client(settings, transport=hub) as http:
                yield State(
                    settings=settings,
                    directory=Directory(http, own_token),
                    sessions=make_sessions(engine),
                    search_cache=search_cache,
                    previewer=Previewer(Fetcher(settings.dataspace.allowed_hosts)),
                    memberships=Memberships(),
                    guesses=guesses,
                    proxies=proxies(settings, settings.api.host),
                )
        engine.dispose()

    return open_state


def refuse_unguarded(app: FastAPI) -> None:
    """Deny by default: a route that neither is public nor depends on one of :data:`GUARDS`
    stops the start."""
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        guarded = dependant is not None and not GUARDS.isdisjoint(_dependencies(dependant))
        if not guarded and route.path not in PUBLIC:
            raise SettingsError(f"The route {route.path} has no guard.")


def _dependencies(dependant: Dependant) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _dependencies(inner)


class _Bounded:
    """Bodies have an end: whoever sends more is told so before more is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > LONGEST_BODY:
                raise HTTPException(413)
            return message

        await self._app(scope, bounded, send)


def _document(app: FastAPI) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    def openapi(_person: Guarded) -> dict[str, Any]:
        return app.openapi()

    return router


def _answer(status: int, message: str, *, field: str | None = None, hint: str = "", **more: Any) -> JSONResponse:
    error = {"status": status, "field": field, "message": message, "hint": hint} | more
    return JSONResponse({"error": error}, status_code=status)


def _on_atrium_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AtriumError)  # noqa: S101
    response = _answer(error.status, error.message, field=error.field, hint=error.hint)
    if isinstance(error, TooManyAttempts) and error.seconds is not None:
        response.headers["Retry-After"] = str(error.seconds)
    return response


def _on_terms(_request: Request, error: Exception) -> JSONResponse:
    """The conditions go along, so that a person can read and accept them."""
    assert isinstance(error, TermsNotAccepted)  # noqa: S101
    return _answer(error.status, error.message, field=error.field, hint=error.hint, terms=list(error.terms))


def _on_invalid(_request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong, without repeating what was sent."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    detail = error.errors()[0]
    return _answer(422, sentence(detail), field=field_name(detail["loc"][1:]) or None)


def _on_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    return _answer(error.status_code, f"{HTTPStatus(error.status_code).phrase}.")


def _on_database(_request: Request, error: Exception) -> JSONResponse:
    logger.error("the database does not answer", exc_info=error)
    if is_storage_full(error):
        return _on_atrium_error(_request, StorageFull("Storage is full."))
    return _answer(503, "The database does not answer.", hint="Try again in a minute.")


def _on_violation(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours, and not of the database."""
    logger.error("a constraint of the database was violated", exc_info=error)
    return _on_anything(request, error)


def _on_os_error(request: Request, error: Exception) -> JSONResponse:
    if not is_storage_full(error):
        raise error  # for _on_anything
    logger.error("storage is full", exc_info=error)
    return _on_atrium_error(request, StorageFull("Storage is full."))


def _on_unstorable(_request: Request, _error: Exception) -> JSONResponse:
    """PostgreSQL refuses what SQLite takes: a zero byte in a text, a number out of range."""
    return _answer(422, "What was sent holds a character or a number that cannot be stored.")


def _on_stale(_request: Request, _error: Exception) -> JSONResponse:
    """The row was changed after this request read it; nothing of the request is stored."""
    return _answer(409, "Somebody else changed this in the meantime.", hint=Conflict.hint)


def _on_anything(_request: Request, error: Exception) -> JSONResponse:
    """Starlette raises the error again after this, so the server's log has all of it."""
    return _answer(500, "Something went wrong in Atrium.", hint="The admins find the cause in the API's log.")


def serve(settings: Settings) -> None:
    """Answer until SIGTERM; requests in progress are finished first.

    Only nginx reaches the socket, so the address of the client that it names is believed.
    """
    logging.getLogger("uvicorn.access").addFilter(_without_query)
    uvicorn.run(
        create_app(settings),
        uds=str(settings.paths.api_socket),
        log_config=None,
        proxy_headers=True,
        forwarded_allow_ips="*",
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _without_query(record: logging.LogRecord) -> bool:
    """Keep query strings out of the log: people paste tokens into them."""
    if isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, version, status = record.args
        record.args = (client, method, str(path).partition("?")[0], version, status)
    return True
