"""State of the review desk, independent of widgets."""

from __future__ import annotations

import asyncio
from typing import Any

from markupsafe import Markup
from traitlets import Bytes, Instance, Int, Tuple

from hub.applications.models import ApplicationState
from hub.calls.models import Programme
from hub.client import Api
from hub.errors import Conflict, InvalidInput
from hub.home.models import Me
from hub.reviews.models import Case, DecisionForm, Queue, QueueEntry, QueueFilter, ReviewForm
from widgets.base import Phase, State, ask
from widgets.fields import date_words

PAGE = 50


class ReviewState(State):
    me = Instance(Me, allow_none=True)
    programme = Instance(Programme, allow_none=True)
    queue = Instance(Queue, allow_none=True)
    queue_filter = Instance(QueueFilter, kw={"state": ApplicationState.SUBMITTED})
    entry = Instance(QueueEntry, allow_none=True, help="The application in front of the reviewer.")
    case = Instance(Case, allow_none=True, help="What is in it, once there is no conflict of interest.")
    extensions = Tuple()
    document = Bytes(b"")
    opened = Int(0, help="Counts: the fields have to be filled in anew.")

    async def fetch(self, api: Api) -> Phase:
        """Load the queue; raises :class:`hub.errors.NotAllowed` unless the visitor is a reviewer."""
        self.me, self.programme, self.queue, extensions = await asyncio.gather(
            ask(api.me),
            ask(api.calls.programme),
            ask(api.reviews.queue, self.queue_filter),
            ask(api.projects.open_extensions),
        )
        self.extensions = extensions
        return Phase.READY

    async def filter(self, api: Api, queue_filter: QueueFilter) -> None:
        self.queue_filter = queue_filter
        self.queue = await ask(api.reviews.queue, queue_filter)

    async def open(self, api: Api, number: int) -> None:
        """Open an application of the queue; its content is shown only after a declaration of no conflict."""
        self.done, self.document = "", b""
        entry = next((entry for entry in self.queue.entries if entry.id == number), None) if self.queue else None
        if entry is None:
            raise InvalidInput("This application is not on this page of the queue.", hint="Change the filters.")
        self.entry, self.case = entry, None
        if entry.declared is False and not entry.barred:
            self._show(await ask(api.reviews.case, number))
        self.opened += 1

    def close(self) -> None:
        self.entry = self.case = None
        self.done, self.document = "", b""

    async def declare(self, api: Api, *, conflict: bool, remarks: str) -> None:
        """Declare a conflict of interest, or none; without one, the application is shown."""
        assert self.entry is not None  # noqa: S101 - its buttons are only shown with one
        number = self.entry.id
        self.entry = await ask(api.reviews.declare_conflict, number, conflict=conflict, remarks=remarks)
        self.stored += 1
        if not conflict:
            self._show(await ask(api.reviews.case, number))
        self.opened += 1

    def _show(self, case: Case) -> None:
        self.case, self.entry = case, case.entry

    async def _do(self, api: Api, work: Any, message: str) -> None:
        """Change the case; after a conflict, reload it so that the page shows the other reviewer's change."""
        assert self.case is not None  # noqa: S101 - its fields are only shown with one
        try:
            self._show(await work)
        except Conflict:
            self._show(await ask(api.reviews.case, self.case.entry.id))
            raise
        self.done, self.stored = message, self.stored + 1
        self.queue = await ask(api.reviews.queue, self.queue_filter)

    async def review(self, api: Api, form: ReviewForm) -> None:
        number = self.number
        await self._do(api, ask(api.reviews.review, number, form), "Review saved.")

    async def ask_back(self, api: Api, text: str) -> None:
        if not text.strip():
            raise InvalidInput("Describe the changes you request.", field="changes")
        work = ask(api.reviews.ask_back, self.number, self.version, text)
        await self._do(api, work, "Changes requested. The applicant gets a mail.")

    async def say(self, api: Api, text: str) -> None:
        if not text.strip():
            raise InvalidInput("Enter a message.", field="message")
        await self._do(api, ask(api.reviews.message_applicant, self.number, text), "Message sent.")

    async def decide(self, api: Api, form: DecisionForm) -> None:
        """Decide. Raises :class:`hub.errors.Conflict` if reviews are missing or the case is already decided."""
        approved, rejected = "Application approved. The project is being set up.", "Application rejected."
        await self._do(api, ask(api.reviews.decide, self.number, form), approved if form.approve else rejected)

    async def make_document(self, api: Api) -> None:
        self.document = await ask(api.reviews.case_document, self.number)

    @staticmethod
    def check_answer(answer: str) -> None:
        """Raises :class:`InvalidInput` for an answer without a text."""
        if not answer.strip():
            raise InvalidInput("Enter an answer. The project's members read it.", field="answer")

    async def decide_extension(self, api: Api, number: int, *, grant: bool, answer: str) -> None:
        self.check_answer(answer)
        await ask(api.projects.decide_extension, number, grant=grant, answer=answer)
        self.extensions = await ask(api.projects.open_extensions)
        self.stored += 1
        self.done = "Extension granted." if grant else "Extension refused."

    @property
    def number(self) -> int:
        assert self.case is not None  # noqa: S101
        return self.case.entry.id

    @property
    def version(self) -> int:
        assert self.case is not None  # noqa: S101
        return self.case.version.number


def due(entry: QueueEntry) -> Markup:
    day = date_words(entry.due)
    if entry.state is not ApplicationState.SUBMITTED:
        return Markup("{}").format(day)
    if entry.overdue:
        return Markup('<span class="state bad">overdue since {}</span>').format(day)
    days = entry.working_days_left
    label = "today" if days == 0 else "in 1 working day" if days == 1 else f"in {days} working days"
    return Markup('<span class="state {}">{}</span> {}').format("warn" if days <= 1 else "ok", label, day)
