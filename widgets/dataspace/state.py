"""State of the data-space page, independent of widgets; each action of the page is a method."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from traitlets import Bool, Instance, Tuple, Unicode

from hub.client import Api
from hub.dataspace.models import (
    Distribution,
    FacetValue,
    Preview,
    Query,
    RecordPage,
    SearchAnswer,
    Suggestion,
    UseForm,
    ValueQuery,
    Verdict,
)
from hub.dataspace.publications.models import PublicationForm
from hub.dataspace.saved_searches.models import SavedSearchForm
from hub.dataspace.sources.models import RunState, SourceForm
from hub.dataspace.transfers import snippets
from hub.dataspace.transfers.models import TransferForm, TransferState, UploadJobForm
from hub.errors import AtriumError, Conflict, TermsNotAccepted
from hub.home.models import Me
from widgets.base import Phase, State, Superseded, unexpected_error
from widgets.fields import first_problem

log = logging.getLogger("atrium.widgets")

ADDRESSES = ("http://", "https://", "s3://")
OVER = {TransferState.DONE, TransferState.QUARANTINED, TransferState.FAILED, TransferState.CANCELLED}

CHANGES = frozenset(
    {
        *("save", "forget", "use", "bring", "upload", "cancel", "publish", "change_publication", "withdraw"),
        *("put_source", "run_source", "remove_source"),
    }
)
"""Actions that change something; the others fetch."""

_MOMENT: TypeAdapter[datetime | None] = TypeAdapter(datetime | None)

Action = Callable[[Api, dict[str, Any]], Coroutine[Any, Any, None]]


class FacetSearch(BaseModel):
    """Values of a facet that match a text."""

    facet: str
    find: str
    values: tuple[FacetValue, ...]


class DataspaceState(State):
    """``trouble`` is the error of the last action; the page keeps showing the data it has."""

    me = Instance(Me, allow_none=True)
    answer = Instance(SearchAnswer, allow_none=True)
    suggestions = Tuple(help="Filters to relax if nothing matches.")
    values = Instance(FacetSearch, allow_none=True)
    record = Instance(RecordPage, allow_none=True)
    snippets = Tuple(help="Python code for each file of the record that reads it from its address.")
    preview = Instance(Preview, allow_none=True)
    saved = Tuple(None, allow_none=True, help="Lists are None until they are loaded.")
    transfers = Tuple(None, allow_none=True)
    publications = Tuple(None, allow_none=True)
    uploads = Tuple(None, allow_none=True)
    sources = Tuple(None, allow_none=True)
    runs = Tuple(None, allow_none=True)
    working = Bool(False)
    done = Unicode(help="Sentence about the last successful action.")
    trouble = Instance(AtriumError, allow_none=True)
    failed = Unicode(help="Name of the failed action.")

    def __init__(self) -> None:
        super().__init__()
        self._at_work = 0
        self._language = "en"
        self._actions: dict[str, Action] = {
            "search": self._search,
            "values": self._values,
            "open": self._open,
            "preview": self._preview,
            "use": self._use,
            "saved": self._saved,
            "save": self._save,
            "forget": self._forget,
            "transfers": self._transfers,
            "bring": self._bring,
            "upload": self._upload,
            "cancel": self._cancel,
            "publications": self._publications,
            "uploads": self._uploads,
            "publish": self._publish,
            "change_publication": self._change_publication,
            "withdraw": self._withdraw,
            "sources": self._sources,
            "put_source": self._put_source,
            "run_source": self._run_source,
            "remove_source": self._remove_source,
            "runs": self._runs,
        }

    async def fetch(self, api: Api) -> Phase:
        """Fetch the visitor. The page reads the search from its own address."""
        self.me = await asyncio.to_thread(api.me)
        return Phase.READY

    async def do(self, api: Api, message: dict[str, Any]) -> None:
        """Run the action of a message ``{"do": NAME, …}``; errors are stored in ``trouble``, never raised.

        A change that is already on its way is not made a second time.
        """
        name = str(message.get("do", ""))
        action = self._actions.get(name)
        if action is None:
            return
        if name in CHANGES:
            await self.once(json.dumps(message, sort_keys=True, default=str), self._run(name, action, api, message))
        else:
            await self._run(name, action, api, message)

    async def _run(self, name: str, action: Action, api: Api, message: dict[str, Any]) -> None:
        self._at_work += 1
        self.trouble, self.failed, self.done, self.working = None, "", "", True
        try:
            await action(api, {key: value for key, value in message.items() if key != "do"})
        except Superseded:
            log.debug("%s was replaced by a newer one", name)
        except TermsNotAccepted as error:
            self.failed, self.trouble = name, error
            await self._read_terms_again(api)
        except AtriumError as error:
            self.failed, self.trouble = name, error
        except ValidationError as error:
            self.failed, self.trouble = name, first_problem(error)
        except Exception:
            log.exception("%s failed", name)
            self.failed = name
            self.trouble = unexpected_error()
        finally:
            self._at_work -= 1
            self.working = self._at_work > 0

    # -- finding ------------------------------------------------------------------------------------------------------

    async def _search(self, api: Api, message: dict[str, Any]) -> None:
        """Search; an answer that arrives after a newer search started is dropped."""
        query = Query.model_validate(message.get("query", {}))
        self.suggestions, self.answer = await self.newest("search", self._search_result(api, query))

    async def _search_result(self, api: Api, query: Query) -> tuple[tuple[Suggestion, ...], SearchAnswer]:
        answer = await asyncio.to_thread(api.dataspace.search, query)
        return () if answer.total else await asyncio.to_thread(api.dataspace.suggestions, query), answer

    async def _values(self, api: Api, message: dict[str, Any]) -> None:
        """Search the values of a facet, such as publishers; as with searches, only the newest answer counts."""
        query = ValueQuery.model_validate(message.get("query", {}))
        values = await self.newest("values", asyncio.to_thread(api.dataspace.values, query))
        self.values = FacetSearch(facet=query.facet, find=query.find, values=values)

    async def _open(self, api: Api, message: dict[str, Any]) -> None:
        self.record, self.preview = None, None
        self.supersede("preview")  # of a file of the record before
        number, language = int(message["id"]), str(message.get("language", "en"))
        record = await self.newest("open", asyncio.to_thread(api.dataspace.record, number, language=language))
        files, paths = record.record.distributions, record.paths or ("",) * len(record.record.distributions)
        self.snippets = tuple(
            _snippet(record, at, file, path) if _is_free(record, at) else ""
            for at, (file, path) in enumerate(zip(files, paths, strict=True))
        )
        self._language = language
        self.record = record

    async def _read_terms_again(self, api: Api) -> None:
        """Show the terms that the record has now; those on the page may be older."""
        if self.record is not None:
            question = asyncio.to_thread(api.dataspace.record, self.record.id, language=self._language)
            with suppress(AtriumError, Superseded):  # another record was opened meanwhile
                self.record = await self.newest("open", question)

    async def _preview(self, api: Api, message: dict[str, Any]) -> None:
        self.preview = None
        number, using = int(message["id"]), _using(message)
        self.preview = await self.newest("preview", asyncio.to_thread(api.dataspace.preview, number, **using))

    async def _use(self, api: Api, message: dict[str, Any]) -> None:
        """Fetch the code that reads a file where it is, of a file whose conditions the person accepts.

        :raises Superseded: another record was opened meanwhile.
        """
        number, using = int(message["id"]), _using(message)
        remote_use = await asyncio.to_thread(api.dataspace.remote_use, number, **using)
        if self.record is None or self.record.id != number:
            raise Superseded
        codes = list(self.snippets)
        codes[using["file"]] = remote_use.code
        self.snippets = tuple(codes)

    # -- keeping ------------------------------------------------------------------------------------------------------

    async def _saved(self, api: Api, _message: dict[str, Any]) -> None:
        self.saved = await self.newest("saved", asyncio.to_thread(api.dataspace.saved_searches))

    async def _save(self, api: Api, message: dict[str, Any]) -> None:
        saved_search = await asyncio.to_thread(api.dataspace.save_search, SavedSearchForm.model_validate(message))
        self.done = f"Saved as “{saved_search.title}”{'' if saved_search.mail else ', without mail'}."
        await self._saved(api, {})

    async def _forget(self, api: Api, message: dict[str, Any]) -> None:
        await asyncio.to_thread(api.dataspace.forget_search, int(message["id"]))
        await self._saved(api, {})

    # -- bringing -----------------------------------------------------------------------------------------------------

    async def _transfers(self, api: Api, _message: dict[str, Any]) -> None:
        await self.refresh_transfers(api)

    async def refresh_transfers(self, api: Api) -> None:
        """Fetch the list; raises :class:`Superseded` if it is fetched anew meanwhile."""
        self.transfers = await self.newest("transfers", asyncio.to_thread(api.dataspace.transfers))
        if self.uploads is not None:
            await self._refresh_uploads(api)

    async def _refresh_uploads(self, api: Api) -> None:
        self.uploads = await self.newest("uploads", asyncio.to_thread(api.store.uploads))

    async def _bring(self, api: Api, message: dict[str, Any]) -> None:
        transfer = await asyncio.to_thread(api.dataspace.bring, TransferForm.model_validate(message))
        self.done = f"Transfer to {transfer.project} started: see “Transfers”."
        await self._transfers(api, {})

    async def _upload(self, api: Api, message: dict[str, Any]) -> None:
        transfer = await asyncio.to_thread(api.dataspace.upload, UploadJobForm.model_validate(message))
        self.done = f"Upload of {transfer.title} requested. Choose the file when it is uploaded."
        await self._transfers(api, {})

    async def _cancel(self, api: Api, message: dict[str, Any]) -> None:
        await asyncio.to_thread(api.dataspace.cancel_transfer, int(message["id"]))
        await self._transfers(api, {})

    @property
    def something_moves(self) -> bool:
        """Whether a transfer is still in progress."""
        return any(transfer.state not in OVER for transfer in self.transfers or ())

    @property
    def something_is_harvested(self) -> bool:
        """Whether a source in the list is being harvested, or waits for it."""
        return any(
            source.waiting or (source.last is not None and source.last.state is RunState.RUNNING)
            for source in self.sources or ()
        )

    # -- giving back --------------------------------------------------------------------------------------------------

    async def _publications(self, api: Api, _message: dict[str, Any]) -> None:
        self.publications = await self.newest("publications", asyncio.to_thread(api.dataspace.publications))

    async def _uploads(self, api: Api, _message: dict[str, Any]) -> None:
        """Fetch the files that can be published, and those on their way."""
        await self._refresh_uploads(api)
        self.transfers = await self.newest("transfers", asyncio.to_thread(api.dataspace.transfers))

    async def _publish(self, api: Api, message: dict[str, Any]) -> None:
        form = PublicationForm.model_validate(message["form"])
        publication = await asyncio.to_thread(api.dataspace.publish, form)
        quality = publication.quality
        self.done = f"Published as {publication.slug}; its description is {quality.badge} ({quality.score} of 100)."
        await self._publications(api, {})

    async def _change_publication(self, api: Api, message: dict[str, Any]) -> None:
        form, slug = PublicationForm.model_validate(message["form"]), str(message["slug"])
        seen = _MOMENT.validate_python(message.get("seen"))
        try:
            publication = await asyncio.to_thread(api.dataspace.change_publication, slug, form, seen=seen)
        except Conflict:
            with suppress(AtriumError, Superseded):
                await self._publications(api, {})  # its form begins with what is stored now
            raise
        self.done = f"Changed; its description is {publication.quality.badge} ({publication.quality.score} of 100)."
        await self._publications(api, {})

    async def _withdraw(self, api: Api, message: dict[str, Any]) -> None:
        await asyncio.to_thread(api.dataspace.withdraw, str(message["slug"]))
        await self._publications(api, {})

    # -- sources (admins) ---------------------------------------------------------------------------------------------

    async def _sources(self, api: Api, _message: dict[str, Any]) -> None:
        await self.refresh_sources(api)

    async def refresh_sources(self, api: Api) -> None:
        """Fetch the list; raises :class:`Superseded` if it is fetched anew meanwhile."""
        self.sources = await self.newest("sources", asyncio.to_thread(api.dataspace.sources))

    async def _put_source(self, api: Api, message: dict[str, Any]) -> None:
        form = SourceForm.model_validate(message["form"])
        await asyncio.to_thread(api.dataspace.put_source, form)
        when = "It waits to be harvested." if form.enabled else "Switch it on to have it harvested."
        self.done = f"{form.title} saved. {when}"
        await self._sources(api, {})

    async def _run_source(self, api: Api, message: dict[str, Any]) -> None:
        source = await asyncio.to_thread(api.dataspace.run_source, str(message["name"]))
        now_or_next = "waits to be harvested" if source.waiting else "is being harvested"
        self.done = f"{source.form.title} {now_or_next}. Its entry below shows how far it is."
        await self._sources(api, {})

    async def _remove_source(self, api: Api, message: dict[str, Any]) -> None:
        await asyncio.to_thread(api.dataspace.remove_source, str(message["name"]))
        await self._sources(api, {})

    async def _runs(self, api: Api, message: dict[str, Any]) -> None:
        self.set_trait("runs", None)
        self.runs = await self.newest("runs", asyncio.to_thread(api.dataspace.source_runs, str(message["name"])))


def _is_free(page: RecordPage, at: int) -> bool:
    """Whether a file can be used without accepting conditions."""
    uses = page.uses[at] if at < len(page.uses) else (page.usable,)
    return len(uses) == 1 and uses[0].verdict is Verdict.YES


def _using(message: dict[str, Any]) -> dict[str, Any]:
    """File, offer and accepted conditions of a message."""
    fields = {name: message[name] for name in ("file", "offer", "accepted") if name in message}
    return UseForm.model_validate(fields).model_dump()


def _snippet(page: RecordPage, at: int, file: Distribution, path: str) -> str:
    """Code that reads a file where it is; an empty text if it has no address.

    :param path: of a file on this machine, else empty.
    """
    if at < len(page.stored) and page.stored[at]:
        return snippets.stored(page.id, at)
    if path:
        return snippets.local(path, file.format)
    return snippets.remote(file.download_url, file.format) if file.download_url.startswith(ADDRESSES) else ""
