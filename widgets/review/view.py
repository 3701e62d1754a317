"""The review desk: what waits for a decision, and one application at a time as it was submitted."""

from __future__ import annotations

import asyncio
from typing import Any

from ipywidgets import HTML, VBox
from markupsafe import Markup
from traitlets import Bytes, Instance, Int, Tuple

from hub.applications.models import ApplicationState
from hub.calls.models import Programme
from hub.client import Api
from hub.errors import Conflict, InvalidInput
from hub.home.models import Me
from hub.reviews.models import Case, DecisionForm, Queue, QueueEntry, QueueFilter, Review, ReviewForm
from widgets.base import (
    Phase,
    State,
    Visitor,
    ask,
    facts,
    moment,
    notice,
    pdf_link,
    table,
    visitor,
)
from widgets.fields import (
    Field,
    button,
    buttons,
    check,
    checked,
    choice,
    date_words,
    fieldset,
    line,
    paragraphs,
    row,
    whole,
)
from widgets.hours import greeting
from widgets.onboarding import summary
from widgets.onboarding.status import STATES, messages
from widgets.tabs import Part, PartedView

PAGE = 50
RECOMMENDATIONS = (("Approve", True), ("Do not approve", False))


class ReviewState(State):
    me = Instance(Me, allow_none=True)
    programme = Instance(Programme, allow_none=True)
    queue = Instance(Queue, allow_none=True)
    wanted = Instance(QueueFilter, kw={"state": ApplicationState.SUBMITTED})
    entry = Instance(QueueEntry, allow_none=True, help="The application in front of the reviewer.")
    case = Instance(Case, allow_none=True, help="What is in it, once there is no conflict of interest.")
    extensions = Tuple()
    document = Bytes(b"")
    opened = Int(0, help="Counts: the fields have to be filled in anew.")

    async def fetch(self, api: Api) -> Phase:
        """Raises :class:`hub.errors.NotAllowed` for anybody who is no reviewer."""
        self.me, self.programme, self.queue, extensions = await asyncio.gather(
            ask(api.me),
            ask(api.calls.programme),
            ask(api.reviews.queue, self.wanted),
            ask(api.projects.open_extensions),
        )
        self.extensions = extensions
        return Phase.READY

    async def filter(self, api: Api, wanted: QueueFilter) -> None:
        self.wanted = wanted
        self.queue = await ask(api.reviews.queue, wanted)

    async def open(self, api: Api, number: int) -> None:
        """One application of the queue; its content only for those who have said that they have no conflict."""
        self.done, self.document = "", b""
        entry = next((one for one in self.queue.entries if one.id == number), None) if self.queue else None
        if entry is None:
            raise InvalidInput("It is not on this page of the queue.", hint="Change the filters.")
        self.entry, self.case = entry, None
        if entry.declared is False and not entry.barred:
            self._show(await ask(api.reviews.case, number))
        self.opened += 1

    def close(self) -> None:
        self.entry = self.case = None
        self.done, self.document = "", b""

    async def declare(self, api: Api, *, conflict: bool, remarks: str) -> None:
        """Whether there is a conflict of interest; without one, the application is shown."""
        assert self.entry is not None  # noqa: S101 - its buttons are only shown with one
        number = self.entry.id
        self.entry = await ask(api.reviews.declare_conflict, number, conflict=conflict, remarks=remarks)
        if not conflict:
            self._show(await ask(api.reviews.case, number))
        self.opened += 1

    def _show(self, case: Case) -> None:
        self.case, self.entry = case, case.entry

    async def _do(self, api: Api, work: Any, done: str) -> None:
        """A change of the case; if somebody was quicker, what they did is shown beside the refusal."""
        assert self.case is not None  # noqa: S101 - its fields are only shown with one
        try:
            self._show(await work)
        except Conflict:
            self._show(await ask(api.reviews.case, self.case.entry.id))
            raise
        self.done = done
        self.queue = await ask(api.reviews.queue, self.wanted)

    async def review(self, api: Api, form: ReviewForm) -> None:
        number = self.number
        await self._do(api, ask(api.reviews.review, number, form), "Your review is kept.")

    async def ask_back(self, api: Api, text: str) -> None:
        if not text.strip():
            raise InvalidInput("Say what has to be changed.", field="changes")
        work = ask(api.reviews.ask_back, self.number, self.version, text)
        await self._do(api, work, "It is back with the applicant, who gets a mail.")

    async def say(self, api: Api, text: str) -> None:
        if not text.strip():
            raise InvalidInput("Write a message first.", field="message")
        await self._do(api, ask(api.reviews.message_applicant, self.number, text), "The message is sent.")

    async def decide(self, api: Api, form: DecisionForm) -> None:
        """Raises :class:`hub.errors.Conflict` when reviews are missing, or somebody decided first."""
        words = "The project is being made." if form.approve else "The applicant gets the reason."
        await self._do(api, ask(api.reviews.decide, self.number, form), words)

    async def make_document(self, api: Api) -> None:
        self.document = await ask(api.reviews.case_document, self.number)

    async def decide_extension(self, api: Api, number: int, *, grant: bool, answer: str) -> None:
        if not answer.strip():
            raise InvalidInput("Give an answer; the project's members read it.", field="answer")
        await ask(api.projects.decide_extension, number, grant=grant, answer=answer)
        self.extensions = await ask(api.projects.open_extensions)
        self.done = "The extension is granted." if grant else "The extension is refused."

    @property
    def number(self) -> int:
        assert self.case is not None  # noqa: S101
        return self.case.entry.id

    @property
    def version(self) -> int:
        assert self.case is not None  # noqa: S101
        return self.case.version.number


class Desk(Part):
    """The queue with its filters, and extensions that wait."""

    def __init__(self, view: ReviewDesk) -> None:
        self.view, self.state = view, view.state
        programme = self.state.programme
        assert programme is not None  # noqa: S101 - made when the page is ready
        states = [(word, state) for state, (_, word) in STATES.items() if state is not ApplicationState.DRAFT]
        self.stage = choice("state", "State", states, first="All")
        self.stage.value = ApplicationState.SUBMITTED
        self.mode = choice("mode", "Access mode", [(one.title, one.id) for one in programme.modes], first="All")
        self.call = choice("call", "Call", [(one.title, one.slug) for one in programme.calls], first="All")
        self.sector = choice("sector", "Sector", [(one.title, one.id) for one in programme.sectors], first="All")
        self.overdue = check("overdue", "Overdue only")
        self.back = button("Earlier in the queue", lambda: self._turn(-PAGE))
        self.on = button("Further down the queue", lambda: self._turn(PAGE))
        apply = button("Filter", lambda: self._apply(0), "primary")
        self.list = HTML()
        self.extensions = self._extensions()
        super().__init__(
            [
                fieldset(
                    "What to show",
                    row(self.stage, self.mode, self.call, self.sector),
                    self.overdue,
                    buttons(apply, button("Look again", view.reload)),
                ),
                self.list,
                buttons(self.back, self.on),
                self.extensions,
            ],
            _dom_classes=("step-form",),
        )

    def _extensions(self) -> VBox:
        self.waiting = HTML()
        self.which = choice("extension", "Extension", [], first=None)
        self.answer = paragraphs("answer", "Answer to the project", rows=3)
        return fieldset(
            "Extensions that wait for an answer",
            self.waiting,
            row(self.which),
            self.answer,
            buttons(
                button("Grant it", self.view.doing("Granting", lambda api: self._decide(api, grant=True)), "primary"),
                button("Refuse it", self.view.doing("Refusing", lambda api: self._decide(api, grant=False)), "danger"),
            ),
        )

    async def _decide(self, api: Api, *, grant: bool) -> None:
        await self.state.decide_extension(api, self.which.value, grant=grant, answer=self.answer.value)
        self.answer.value = ""

    def _apply(self, offset: int) -> None:
        wanted = QueueFilter(
            state=self.stage.value,
            mode=self.mode.value,
            call=self.call.value,
            sector=self.sector.value,
            overdue=self.overdue.value,
            offset=offset,
        )
        self.view.do("Looking", lambda api: self.state.filter(api, wanted))

    def _turn(self, by: int) -> None:
        self._apply(max(0, self.state.wanted.offset + by))

    def draw(self) -> None:
        queue, programme, offset = self.state.queue, self.state.programme, self.state.wanted.offset
        if queue is None or programme is None:
            return
        self.list.value = str(listing(queue, programme, offset))
        self.back.layout.display = "" if offset else "none"
        self.on.layout.display = "" if offset + len(queue.entries) < queue.total else "none"
        self.extensions.layout.display = "" if self.state.extensions else "none"
        self.answer.complain(self.state.problems.get("answer", ""))
        self.which.offer([(f"{one.project}, asked by {one.by}", one.id) for one in self.state.extensions], first=None)
        rows = [
            (
                one.project,
                one.by,
                f"{one.months} months, {one.gpu_hours:,} GPU h, {one.cpu_hours:,} core h",
                one.reason,
            )
            for one in self.state.extensions
        ]
        self.waiting.value = str(table(("Project", "By", "Asks for", "Reason"), rows))


class CaseView(Part):
    """One application: conflict of interest first, then what was submitted, the review, and the decision."""

    def __init__(self, view: ReviewDesk) -> None:
        self.view, self.state = view, view.state
        self.head = HTML()
        self.remarks = line("remarks", "Remarks (may stay empty)")
        self.declaring = fieldset(
            "Have you a conflict of interest?",
            self.remarks,
            buttons(
                button("I have none", view.doing("Noting it", self._no_conflict), "primary"),
                button("I have one", view.doing("Noting it", self._conflict)),
            ),
            about="You have one if you, your family or your employer gain or lose by the decision, or if you worked "
            "with the applicants in the last three years. Until you say so, the application is not shown.",
        )
        self.text = HTML()
        self.pdf = HTML()
        self.others = HTML()
        make = button("Make a PDF", view.doing("Making the PDF", self.state.make_document))
        self.reading = VBox([self.text, buttons(make), self.pdf, self.others])
        parts = (self.head, self.declaring, self.reading, self._review(), self._talk(), self._decision())
        super().__init__(parts, _dom_classes=("step-form",))
        self.filled = 0

    def _review(self) -> VBox:
        programme = self.state.programme
        assert programme is not None  # noqa: S101 - made when the page is ready
        self.scores = {
            one.id: choice(
                f"scores.{one.id}",
                f"{one.title} (0 to {one.best})",
                [(str(points), points) for points in range(one.best + 1)],
                one.text,
            )
            for one in programme.criteria
        }
        self.gpu = whole("gpu_hours", "GPU hours you would give")
        self.cpu = whole("cpu_hours", "Core hours you would give")
        self.approve = choice("approve", "Recommendation", RECOMMENDATIONS)
        self.comment = paragraphs("comment", "Comment", "Read by other reviewers, not by the applicant.")
        self.reviewing = fieldset(
            "Your review",
            row(*self.scores.values()),
            row(self.approve, self.gpu, self.cpu),
            self.comment,
            buttons(button("Save my review", self.view.doing("Saving", self._save), "primary")),
        )
        return self.reviewing

    def _talk(self) -> VBox:
        self.said = HTML()
        self.message = paragraphs("message", "Message to the applicant", "They do not learn who wrote it.", rows=3)
        self.changes = paragraphs("changes", "What has to be changed", rows=3)
        self.talking = fieldset(
            "Talk with the applicant",
            self.said,
            self.message,
            buttons(button("Send message", self.view.doing("Sending", self._say))),
            self.changes,
            buttons(button("Ask for changes", self.view.doing("Sending it back", self._ask_back))),
        )
        return self.talking

    def _decision(self) -> VBox:
        self.verdict = choice("verdict", "Decision", RECOMMENDATIONS)
        self.grant_gpu = whole("grant.gpu_hours", "GPU hours granted")
        self.grant_cpu = whole("grant.cpu_hours", "Core hours granted")
        self.grant_storage = whole("grant.storage_gb", "Storage granted (GB)")
        self.reason = paragraphs("grant.reason", "Reason", "The applicant reads it.")
        self.enough = HTML()
        self.deciding = fieldset(
            "The decision",
            self.enough,
            row(self.verdict, self.grant_gpu, self.grant_cpu, self.grant_storage),
            self.reason,
            buttons(button("Decide", self.view.doing("Deciding", self._decide), "primary")),
            about="It is final: approving makes a project with these hours, whatever was asked for.",
        )
        return self.deciding

    # -- what the buttons do

    async def _no_conflict(self, api: Api) -> None:
        await self.state.declare(api, conflict=False, remarks=self.remarks.value)

    async def _conflict(self, api: Api) -> None:
        await self.state.declare(api, conflict=True, remarks=self.remarks.value)

    async def _save(self, api: Api) -> None:
        missing = {field.name: "Choose." for field in (*self.scores.values(), self.approve) if field.value is None}
        if missing:
            name, words = next(iter(missing.items()))
            raise InvalidInput(words, field=name)
        values = {
            "version": self.state.version,
            "scores": {name: field.value for name, field in self.scores.items()},
            "comment": self.comment.value,
            "gpu_hours": self.gpu.value,
            "cpu_hours": self.cpu.value,
            "approve": self.approve.value,
        }
        await self.state.review(api, checked(ReviewForm, values))

    async def _say(self, api: Api) -> None:
        await self.state.say(api, self.message.value)
        self.message.value = ""

    async def _ask_back(self, api: Api) -> None:
        await self.state.ask_back(api, self.changes.value)
        self.changes.value = ""

    async def _decide(self, api: Api) -> None:
        if self.verdict.value is None:
            raise InvalidInput("Choose.", field="verdict")
        if not self.reason.value.strip():
            raise InvalidInput("Give the reason; the applicant reads it.", field="grant.reason")
        values = {"version": self.state.version, "approve": self.verdict.value, "reason": self.reason.value}
        if self.verdict.value:
            values["cpu_hours"], values["gpu_hours"] = self.grant_cpu.value, self.grant_gpu.value
            values["storage_gb"] = self.grant_storage.value
        await self.state.decide(api, checked(DecisionForm, values, "grant.", whole="grant.gpu_hours"))

    # -- drawing

    def fill(self, case: Case) -> None:
        """My review if there is one, else what was asked for."""
        wanted = case.version.form.resources
        me = self.state.me.name if self.state.me else ""
        mine = next((one for one in case.reviews if one.reviewer == me), None)
        source: Review | Any = mine or wanted
        self.gpu.value, self.cpu.value = source.gpu_hours, source.cpu_hours
        self.approve.value = mine.approve if mine else None
        self.comment.value = mine.comment if mine else ""
        for name, field in self.scores.items():
            field.value = mine.scores.get(name) if mine else None
        self.grant_gpu.value, self.grant_cpu.value = source.gpu_hours, source.cpu_hours
        self.grant_storage.value = wanted.storage_gb
        self.verdict.value, self.reason.value = None, ""

    def draw(self) -> None:
        entry, case, programme = self.state.entry, self.state.case, self.state.programme
        if entry is None or programme is None:
            return
        if case is not None and self.filled != self.state.opened:
            self.filled = self.state.opened
            self.fill(case)
        for field in self._fields():
            field.complain(self.state.problems.get(field.name, ""))
        self.head.value = str(case_head(entry))
        undeclared = entry.declared is None and not entry.barred
        self.declaring.layout.display = "" if undeclared else "none"
        open_case = case is not None and entry.state is ApplicationState.SUBMITTED
        for part in (self.reviewing, self.deciding):
            part.layout.display = "" if open_case else "none"
        self.talking.layout.display = self.reading.layout.display = "" if case is not None else "none"
        self.changes.layout.display = "" if open_case else "none"
        if case is None:
            return
        self.text.value = str(summary.application(programme, case.version))
        self.said.value = str(messages(case.messages))
        self.others.value = str(reviews(case))
        self.pdf.value = str(pdf_link(self.state.document, entry.reference))
        self.enough.value = str(enough(entry))

    def _fields(self) -> tuple[Field, ...]:
        return (
            *self.scores.values(),
            *(self.approve, self.gpu, self.cpu, self.comment, self.message, self.changes),
            *(self.verdict, self.grant_gpu, self.grant_cpu, self.grant_storage, self.reason),
        )


class ReviewDesk(PartedView):
    loading = "Looking up what waits for review"
    state: ReviewState

    def __init__(self, state: ReviewState | None = None, person: Visitor = visitor) -> None:
        self.desk: Desk | None = None
        self.case: CaseView | None = None
        super().__init__(state or ReviewState(), person)

    def go(self, address: str) -> None:
        what, _, which = address.strip("/").partition("/")
        if what == "case" and which.isdigit():
            self.do("Opening it", lambda api: self.state.open(api, int(which)))
        elif what == "queue":
            self.state.close()

    def part(self) -> Part:
        if self.state.entry is None:
            self.desk = self.desk or Desk(self)
            return self.desk
        self.case = self.case or CaseView(self)
        return self.case

    def content(self) -> Markup:
        assert self.state.me is not None  # noqa: S101 - the phase READY says so
        entry = self.state.entry
        if entry is None:
            head = Markup('<h2 tabindex="-1" data-arrived="queue">What waits for you</h2>')
        else:
            head = Markup(
                '<p><a href="#/queue">Back to the queue</a></p><h2 tabindex="-1" data-arrived="case {}">{}: {}</h2>'
            ).format(entry.id, entry.reference, entry.organisation)
        return greeting(self.state.me) + head


def listing(queue: Queue, programme: Programme, offset: int) -> Markup:
    """A page of the queue; what is overdue has a sign and a word."""
    if not queue.entries:
        return notice("ok", "Nothing waits here.", "Change the filters to see more.")
    titles = {mode.id: mode.title for mode in programme.modes}
    titles |= {sector.id: sector.title for sector in programme.sectors}
    rows = [
        (
            Markup('<a href="#/case/{}">{}</a>').format(one.id, one.reference),
            f"{one.organisation} ({one.country})",
            ", ".join(titles.get(name, name) for name in (one.mode, one.sector)),
            STATES[one.state][1],
            "today" if one.age_days == 0 else "1 day" if one.age_days == 1 else f"{one.age_days} days",
            due(one),
            f"{one.reviews} of {one.reviews_needed}",
            one.barred or ("conflict declared" if one.declared else "reviewed" if one.reviewed else "to do"),
        )
        for one in queue.entries
    ]
    heads = ("Application", "Organisation", "Mode and sector", "State", "Age", "Due", "Reviews", "You")
    return table(heads, rows, f"{offset + 1} to {offset + len(rows)} of {queue.total}, due first on top")


def due(entry: QueueEntry) -> Markup:
    day = date_words(entry.due)
    if entry.state is not ApplicationState.SUBMITTED:
        return Markup("{}").format(day)
    if entry.overdue:
        return Markup('<span class="state bad">overdue since {}</span>').format(day)
    left = entry.working_days_left
    words = "today" if left == 0 else "in 1 working day" if left == 1 else f"in {left} working days"
    return Markup('<span class="state {}">{}</span> {}').format("warn" if left <= 1 else "ok", words, day)


def case_head(entry: QueueEntry) -> Markup:
    kind, word = STATES[entry.state]
    about = facts(
        [
            ("State", Markup('<span class="state {}">{}</span>').format(kind, word)),
            ("Submitted", Markup("{}, version {}").format(moment(entry.submitted), entry.version)),
            ("Due", due(entry)),
            ("Reviews", f"{entry.reviews} of {entry.reviews_needed} needed"),
        ]
    )
    barred = notice("warn", entry.barred) if entry.barred else Markup("")
    words = "You declared a conflict of interest: others review it."
    return about + barred + (notice("warn", words) if entry.declared else Markup(""))


def reviews(case: Case) -> Markup:
    """Mine, and those of others once mine is in."""
    if not case.reviews:
        return Markup("")
    rows = [
        (
            one.reviewer,
            ", ".join(f"{name} {points}" for name, points in one.scores.items()),
            "approve" if one.approve else "do not approve",
            f"{one.gpu_hours:,} GPU h, {one.cpu_hours:,} core h",
            one.comment,
        )
        for one in case.reviews
    ]
    return table(("Reviewer", "Scores", "Recommends", "Hours", "Comment"), rows, "Reviews of this version")


def enough(entry: QueueEntry) -> Markup:
    if entry.reviews >= entry.reviews_needed:
        return Markup("")
    missing = entry.reviews_needed - entry.reviews
    return notice("info", f"{missing} more review{'s are' if missing > 1 else ' is'} needed before a decision.")
