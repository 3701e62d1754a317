"""One application on the review desk."""

from __future__ import annotations

from typing import Any

from ipywidgets import HTML, Button, VBox
from markupsafe import Markup

from hub.applications.models import ApplicationState
from hub.client import Api
from hub.errors import InvalidInput
from hub.formats import quantity
from hub.reviews.models import Case, DecisionForm, QueueEntry, Review, ReviewForm
from widgets.applications import STATES, messages
from widgets.base import facts, moment, notice, pdf_link, table
from widgets.fields import (
    Confirmation,
    Field,
    button,
    buttons,
    checked,
    choice,
    fieldset,
    line,
    paragraphs,
    row,
    whole,
)
from widgets.onboarding import summary
from widgets.review.changes import changes
from widgets.review.state import ReviewState, due
from widgets.tabs import Part, PartedView
from widgets.typed_text import TypedMark

RECOMMENDATIONS = (("Approve", True), ("Do not approve", False))


class CaseView(Part):
    """One application: conflict of interest first, then what was submitted, the review, and the decision."""

    def __init__(self, view: PartedView, state: ReviewState) -> None:
        self.view, self.state = view, state
        self.head = HTML()
        self.remarks = line("remarks", "Remarks (optional)")
        self.confirming_conflict = Confirmation()
        self.declaring = fieldset(
            "Do you have a conflict of interest?",
            self.remarks,
            buttons(
                button("No conflict", view.doing("Saving your answer", self._no_conflict), "primary"),
                button("I have a conflict", self._ask_about_the_conflict),
            ),
            self.confirming_conflict,
            about="You have one if you, your family or your employer gain or lose by the decision, or if you worked "
            "with the applicants in the last three years. The application is shown after you answer. "
            "Your answer cannot be changed.",
        )
        self.text = HTML()
        self.pdf = HTML()
        self.others = HTML()
        self.changes_since = HTML()
        make = button("Create PDF", view.doing("Creating the PDF", self.state.make_document))
        self.reading = VBox([self.changes_since, self.text, buttons(make), self.pdf, self.others])
        self.mark = TypedMark()
        parts = (self.head, self.declaring, self.reading, self._review(), self._talk(), self._decision(), self.mark)
        super().__init__(parts, _dom_classes=("step-form",))
        self.filled = 0

    def _review(self) -> VBox:
        programme = self.state.programme
        assert programme is not None  # noqa: S101 - made when the page is ready
        self.scores = {
            criterion.id: choice(
                f"scores.{criterion.id}",
                f"{criterion.title} (0 to {criterion.best})",
                [(str(points), points) for points in range(criterion.best + 1)],
                criterion.text,
            )
            for criterion in programme.criteria
        }
        self.gpu = whole("gpu_hours", "GPU hours you recommend")
        self.cpu = whole("cpu_hours", "Core hours you recommend")
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
        self.conversation = HTML()
        self.message = paragraphs(
            "message", "Message to the applicant", "The applicant does not see your name.", rows=3
        )
        self.changes = paragraphs("changes", "Changes you request", rows=3)
        self.talking = fieldset(
            "Messages with the applicant",
            self.conversation,
            _sent_alone(self.message, button("Send message", self.view.doing("Sending", self._say))),
            _sent_alone(self.changes, button("Request changes", self.view.doing("Requesting changes", self._ask_back))),
        )
        return self.talking

    def _decision(self) -> VBox:
        self.verdict = choice("verdict", "Decision", RECOMMENDATIONS)
        self.grant_gpu = whole("grant.gpu_hours", "GPU hours granted")
        self.grant_cpu = whole("grant.cpu_hours", "Core hours granted")
        self.grant_storage = whole("grant.storage_gb", "Storage granted (GB)")
        self.reason = paragraphs("grant.reason", "Reason", "The applicant reads it.")
        self.enough = HTML()
        self.confirming = Confirmation()
        self.deciding = fieldset(
            "The decision",
            self.enough,
            row(self.verdict, self.grant_gpu, self.grant_cpu, self.grant_storage),
            self.reason,
            buttons(button("Save decision", self.view.doing("Checking", self._ask_about_the_decision), "primary")),
            self.confirming,
            about="The decision is final. Approval creates a project with exactly these hours. You see what follows "
            "from it, and confirm it, before anything is saved.",
        )
        return self.deciding

    # -- actions of buttons

    async def _no_conflict(self, api: Api) -> None:
        await self.state.declare(api, conflict=False, remarks=self.remarks.value)

    def _ask_about_the_conflict(self) -> None:
        text = "The application will not be shown to you, and other reviewers handle it. This cannot be changed."
        act = self.view.doing("Saving your answer", self._conflict)
        self.confirming_conflict.ask(text, "Declare a conflict", act)

    async def _conflict(self, api: Api) -> None:
        await self.state.declare(api, conflict=True, remarks=self.remarks.value)

    async def _save(self, api: Api) -> None:
        missing = [field.name for field in (*self.scores.values(), self.approve) if field.value is None]
        if missing:
            raise InvalidInput("Choose an option.", field=missing[0])
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

    async def _ask_about_the_decision(self, api: Api) -> None:
        """Check the fields, then say what follows; what is confirmed is what was checked."""
        form, entry = self._decision_form(), self.state.entry
        assert entry is not None  # noqa: S101 - its fields are only shown with one

        async def decide(api: Api) -> None:
            await self.state.decide(api, form)

        label = "Approve for good" if form.approve else "Do not approve, for good"
        self.confirming.ask(consequences(entry, form), label, self.view.doing("Deciding", decide))

    def _decision_form(self) -> DecisionForm:
        if self.verdict.value is None:
            raise InvalidInput("Choose an option.", field="verdict")
        if not self.reason.value.strip():
            raise InvalidInput("Enter a reason. The applicant reads it.", field="grant.reason")
        values = {"version": self.state.version, "approve": self.verdict.value, "reason": self.reason.value}
        if self.verdict.value:
            values["cpu_hours"], values["gpu_hours"] = self.grant_cpu.value, self.grant_gpu.value
            values["storage_gb"] = self.grant_storage.value
        return checked(DecisionForm, values, "grant.", whole="grant.gpu_hours")

    # -- drawing

    def fill(self, case: Case) -> None:
        """Fill the form with the reviewer's own review, else with the requested hours."""
        resources = case.version.form.resources
        me = self.state.me.name if self.state.me else ""
        mine = next((review for review in case.reviews if review.reviewer == me), None)
        source: Review | Any = mine or resources
        self.gpu.value, self.cpu.value = source.gpu_hours, source.cpu_hours
        self.approve.value = mine.approve if mine else None
        self.comment.value = mine.comment if mine else ""
        for name, field in self.scores.items():
            field.value = mine.scores.get(name) if mine else None
        self.grant_gpu.value, self.grant_cpu.value = source.gpu_hours, source.cpu_hours
        self.grant_storage.value = resources.storage_gb
        self.verdict.value, self.reason.value = None, ""

    def _clear(self) -> None:
        """Nothing of one application is sent with another one."""
        self.confirming.dismiss()
        self.confirming_conflict.dismiss()
        self.remarks.value = self.message.value = self.changes.value = ""

    def draw(self) -> None:
        entry, case, programme = self.state.entry, self.state.case, self.state.programme
        if entry is None or programme is None:
            return
        if self.filled != self.state.opened:
            self.filled = self.state.opened
            self._clear()
            if case is not None:
                self.fill(case)
        self._draw_mark(entry)
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
        previous = case.previous
        self.changes_since.value = str(changes(programme, previous, case.version)) if previous else ""
        self.text.value = str(summary.application(programme, case.version))
        self.conversation.value = str(messages(case.messages))
        self.others.value = str(reviews(case))
        self.pdf.value = str(pdf_link(self.state.document, entry.reference))
        self.enough.value = str(enough(entry))

    def _draw_mark(self, entry: QueueEntry) -> None:
        self.mark.show(
            f"review {entry.id}",
            person=self.state.me.name if self.state.me else "",
            stored=self.state.stored,
            filled=self.state.opened,
            title=f"{entry.reference}: your review",
            place=f"case/{entry.id}",
        )

    def _fields(self) -> tuple[Field, ...]:
        return (
            *self.scores.values(),
            *(self.approve, self.gpu, self.cpu, self.comment, self.message, self.changes),
            *(self.verdict, self.grant_gpu, self.grant_cpu, self.grant_storage, self.reason),
        )


def _sent_alone(field: Field, press: Button) -> VBox:
    """A field with a button that sends nothing else."""
    return VBox([field, buttons(press)], _dom_classes=("typed-scope",))


def consequences(entry: QueueEntry, form: DecisionForm) -> str:
    """What follows from a decision."""
    name = f"{entry.reference} “{entry.title}” of {entry.applicant}, {entry.organisation}"
    final = "The applicant gets a mail with your reason. The decision cannot be changed."
    if not form.approve:
        return f"{name} is not approved, and gets no project. {final}"
    storage = f" and {quantity(form.storage_gb)} GB of storage" if form.storage_gb else ""
    hours = f"{quantity(form.gpu_hours)} GPU hours and {quantity(form.cpu_hours)} core hours"
    return f"{name} is approved. A project is created with {hours}{storage}. {final}"


def case_head(entry: QueueEntry) -> Markup:
    kind, label = STATES[entry.state]
    about = facts(
        [
            ("Title", entry.title),
            ("Applicant", entry.applicant),
            ("Organisation", f"{entry.organisation} ({entry.country})" if entry.country else entry.organisation),
            ("State", Markup('<span class="state {}">{}</span>').format(kind, label)),
            ("Submitted", Markup("{}, version {}").format(moment(entry.submitted), entry.version)),
            ("Due", due(entry)),
            ("Reviews", f"{entry.reviews} of {entry.reviews_needed} needed"),
        ]
    )
    barred = notice("warn", entry.barred) if entry.barred else Markup("")
    declared = "You declared a conflict of interest. Other reviewers handle this application."
    return about + barred + (notice("warn", declared) if entry.declared else Markup(""))


def reviews(case: Case) -> Markup:
    """The reviewer's own review, and the others' once it is saved."""
    if not case.reviews:
        return Markup("")
    rows = [
        (
            review.reviewer,
            ", ".join(f"{name} {points}" for name, points in review.scores.items()),
            "approve" if review.approve else "do not approve",
            f"{quantity(review.gpu_hours)} GPU h, {quantity(review.cpu_hours)} core h",
            review.comment,
        )
        for review in case.reviews
    ]
    return table(("Reviewer", "Scores", "Recommends", "Hours", "Comment"), rows, "Reviews of this version")


def enough(entry: QueueEntry) -> Markup:
    if entry.reviews >= entry.reviews_needed:
        return Markup("")
    missing = entry.reviews_needed - entry.reviews
    return notice("info", f"{missing} more review{'s are' if missing > 1 else ' is'} needed before a decision.")
