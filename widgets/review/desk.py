"""The queue of the review desk, with filters and open extension requests."""

from __future__ import annotations

from ipywidgets import HTML, VBox
from markupsafe import Markup

from hub.applications.models import ApplicationState
from hub.calls.models import Programme
from hub.client import Api
from hub.formats import quantity
from hub.projects.models import Extension
from hub.reviews.models import Queue, QueueFilter
from widgets.applications import STATES
from widgets.base import notice, table
from widgets.fields import Confirmation, button, buttons, check, choice, fieldset, paragraphs, row
from widgets.review.state import PAGE, ReviewState, due
from widgets.tabs import Part, PartedView
from widgets.typed_text import TypedMark


class Desk(Part):
    """The queue with its filters, and open extension requests."""

    def __init__(self, view: PartedView, state: ReviewState) -> None:
        self.view, self.state = view, state
        programme = self.state.programme
        assert programme is not None  # noqa: S101 - made when the page is ready
        states = [(label, state) for state, (_, label) in STATES.items() if state is not ApplicationState.DRAFT]
        self.stage = choice("state", "State", states, first="All")
        self.stage.value = ApplicationState.SUBMITTED
        self.mode = choice("mode", "Access mode", [(mode.title, mode.id) for mode in programme.modes], first="All")
        self.call = choice("call", "Call", [(call.title, call.slug) for call in programme.calls], first="All")
        self.sector = choice(
            "sector", "Sector", [(sector.title, sector.id) for sector in programme.sectors], first="All"
        )
        self.overdue = check("overdue", "Overdue only")
        self.back = button("Previous page", lambda: self._turn(-PAGE))
        self.on = button("Next page", lambda: self._turn(PAGE))
        apply = button("Apply filters", lambda: self._apply(0), "primary")
        self.list = HTML()
        self.extensions = self._extensions()
        super().__init__(
            [
                fieldset(
                    "Filters",
                    row(self.stage, self.mode, self.call, self.sector),
                    self.overdue,
                    buttons(apply, button("Refresh", view.reload)),
                ),
                self.list,
                buttons(self.back, self.on),
                self.extensions,
            ],
            _dom_classes=("step-form",),
        )

    def _extensions(self) -> VBox:
        self.waiting = HTML()
        self.which = choice("extension", "Extension", [])
        self.answer = paragraphs("answer", "Answer to the project", rows=3)
        self.confirming, self.mark = Confirmation(), TypedMark()
        grant = self.view.doing("Checking", lambda _: self._ask_before_deciding(grant=True))
        refuse = self.view.doing("Checking", lambda _: self._ask_before_deciding(grant=False))
        return fieldset(
            "Open extension requests",
            self.waiting,
            row(self.which),
            self.answer,
            buttons(button("Grant extension", grant, "primary"), button("Refuse extension", refuse, "danger")),
            self.confirming,
            self.mark,
        )

    async def _ask_before_deciding(self, *, grant: bool) -> None:
        """Check the fields, then say what follows; what is confirmed is what was checked."""
        number, answer = self.which.required("Choose the request that you decide on."), self.answer.value
        self.state.check_answer(answer)
        request = next(request for request in self.state.extensions if request.id == number)

        async def decide(api: Api) -> None:
            await self.state.decide_extension(api, number, grant=grant, answer=answer)
            self.answer.value = ""

        label = "Grant for good" if grant else "Refuse for good"
        self.confirming.ask(consequences(request, grant=grant), label, self.view.doing("Deciding", decide))

    def _apply(self, offset: int) -> None:
        queue_filter = QueueFilter(
            state=self.stage.value,
            mode=self.mode.value,
            call=self.call.value,
            sector=self.sector.value,
            overdue=self.overdue.value,
            offset=offset,
        )
        self.view.do("Looking", lambda api: self.state.filter(api, queue_filter))

    def _turn(self, by: int) -> None:
        self._apply(max(0, self.state.queue_filter.offset + by))

    def draw(self) -> None:
        queue, programme, offset = self.state.queue, self.state.programme, self.state.queue_filter.offset
        if queue is None or programme is None:
            return
        self.list.value = str(listing(queue, programme, offset))
        self.back.layout.display = "" if offset else "none"
        self.on.layout.display = "" if offset + len(queue.entries) < queue.total else "none"
        self.extensions.layout.display = "" if self.state.extensions else "none"
        for field in (self.answer, self.which):
            field.complain(self.state.problems.get(field.name, ""))
        options = [(f"{request.project}, requested by {request.by}", request.id) for request in self.state.extensions]
        self.which.offer(options)
        self.mark.show(
            "extensions",
            person=self.state.me.name if self.state.me else "",
            stored=self.state.stored,
            filled=0,
            title="Open extension requests",
            place="queue",
        )
        rows = [
            (
                extension.project,
                extension.by,
                f"{extension.months} months, {quantity(extension.gpu_hours)} GPU h, "
                f"{quantity(extension.cpu_hours)} core h",
                extension.reason,
            )
            for extension in self.state.extensions
        ]
        self.waiting.value = str(table(("Project", "By", "Asks for", "Reason"), rows))


def consequences(request: Extension, *, grant: bool) -> str:
    """What follows from a decision about an extension."""
    final = "The project's leads read your answer. The decision cannot be changed."
    if not grant:
        return f"{request.project} gets no more time and no more hours. {final}"
    hours = f"{quantity(request.gpu_hours)} GPU hours and {quantity(request.cpu_hours)} core hours"
    more = f"{request.months} months, {hours}"
    return f"{request.project} gets {more} more. {final}"


def listing(queue: Queue, programme: Programme, offset: int) -> Markup:
    """A page of the queue."""
    if not queue.entries:
        return notice("ok", "No application matches these filters.", "Change the filters to see more.")
    titles = {mode.id: mode.title for mode in programme.modes}
    titles |= {sector.id: sector.title for sector in programme.sectors}
    rows = [
        (
            Markup('<a href="#/case/{}">{}</a> {}').format(entry.id, entry.reference, entry.title or "untitled"),
            f"{entry.applicant}, {entry.organisation} ({entry.country})",
            ", ".join(titles.get(name, name) for name in (entry.mode, entry.sector)),
            STATES[entry.state][1],
            "today" if entry.age_days == 0 else "1 day" if entry.age_days == 1 else f"{entry.age_days} days",
            due(entry),
            f"{entry.reviews} of {entry.reviews_needed}",
            entry.barred or ("conflict declared" if entry.declared else "reviewed" if entry.reviewed else "to do"),
        )
        for entry in queue.entries
    ]
    heads = ("Application", "Applicant", "Mode and sector", "State", "Age", "Due", "Reviews", "You")
    return table(heads, rows, f"{offset + 1} to {offset + len(rows)} of {queue.total}, earliest due date first")
