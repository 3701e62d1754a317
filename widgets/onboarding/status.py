"""Status of a submitted application: state, messages, decision with reason, next steps."""

from __future__ import annotations

import os
from collections.abc import Callable

from ipywidgets import HTML, VBox
from markupsafe import Markup

from hub.applications.models import Application, ApplicationState, MessageKind
from hub.client import Api
from hub.errors import InvalidInput
from hub.formats import quantity
from hub.projects.models import ProjectState, ProjectView
from widgets.applications import STATES, messages
from widgets.base import View, Work, facts, moment, notice, pdf_link
from widgets.fields import button, buttons, check, date_words, fieldset, paragraphs
from widgets.onboarding.form import show
from widgets.onboarding.state import OnboardingState
from widgets.typed_text import TypedMark


class Status(VBox):
    """Shown instead of the path once an application is submitted; messages also beside a path with changes asked."""

    def __init__(self, view: View, state: OnboardingState) -> None:
        self.view, self.state = view, state
        self.head = HTML()
        self.messages = HTML()
        self.pdf = HTML()
        self.text = paragraphs("text", "Message to the reviewers", rows=3)
        send = button("Send message", self.do("Sending", self._say))
        self.mark = TypedMark()
        self.talk = fieldset("Messages", self.messages, self.text, buttons(send), self.mark)
        make = button("Create a PDF of the submitted application", self.do("Creating the PDF", self._document))
        self.papers = fieldset("For your records", buttons(make), self.pdf)
        self.sure = check("sure", "Yes, withdraw it. It loses its place in the queue; the text is kept.")
        leave = button("Withdraw the application", self.do("Withdrawing", self._withdraw), "danger")
        self.leaving = fieldset("Withdraw", self.sure, buttons(leave))
        super().__init__([self.head, self.talk, self.papers, self.leaving], _dom_classes=("step-form",))

    def do(self, doing: str, work: Work) -> Callable[[], None]:
        return lambda: self.view.do(doing, work)

    async def _say(self, api: Api) -> None:
        if not self.text.value.strip():
            raise InvalidInput("Enter a message.", field="text")
        await self.state.say(api, self.text.value)
        self.text.value = ""

    async def _document(self, api: Api) -> None:
        await self.state.make_document(api, self.state.application.versions if self.state.application else None)

    async def _withdraw(self, api: Api) -> None:
        if not self.sure.value:
            raise InvalidInput("Tick the box to confirm.", field="sure")
        await self.state.withdraw(api)

    def draw(self) -> None:
        application = self.state.application
        if application is None:
            return
        for field in (self.text, self.sure):
            field.complain(self.state.problems.get(field.name, ""))
        self.mark.show(
            f"message {application.summary.id}",
            person=self.state.me.name if self.state.me else "",
            stored=self.state.stored,
            filled=0,
            title=f"{application.summary.reference}: message to the reviewers",
            place=f"application/{application.summary.id}",
        )
        mine, state = application.summary.mine, application.summary.state
        submitted = state is ApplicationState.SUBMITTED
        self.leaving.layout.display = "" if mine and submitted else "none"
        self.papers.layout.display = "" if application.versions else "none"
        self.talk.layout.display = "" if mine and application.versions else "none"
        show(self.pdf, pdf_link(self.state.document, self.state.document_name))
        show(self.messages, messages(application.messages))
        show(self.head, head(application, self.state.project) if not self.state.editable else changes(application))


def head(application: Application, project: ProjectView | None) -> Markup:
    """State, facts, decision and next steps."""
    summary = application.summary
    kind, label = STATES[summary.state]
    rows: list[tuple[str, Markup | str]] = [
        ("Reference", summary.reference),
        ("Submitted", moment(summary.submitted) if summary.submitted else ""),
        ("Versions", str(application.versions or "")),
        (
            "Decision due",
            date_words(summary.due) if summary.due and summary.state is ApplicationState.SUBMITTED else "",
        ),
        ("By", "" if summary.mine else application.owner),
    ]
    return Markup(
        '<section class="card part"><h2 tabindex="-1" data-arrived="status {ref}">{title}</h2>'
        '<p class="words"><span class="state {kind}">{word}</span></p><p>{next}</p>{facts}{decision}</section>{then}'
    ).format(
        ref=f"{summary.id} {summary.state}",
        title=summary.title,
        kind=kind,
        word=label,
        next=application.next,
        facts=facts(rows),
        decision=_decision(application),
        then=next_steps(project) if project else "",
    )


def _decision(application: Application) -> Markup:
    decided = application.decision
    if decided is None:
        return Markup("")
    resources = application.form.resources
    granted = facts(
        [
            ("GPU hours", f"{quantity(decided.gpu_hours)} of {quantity(resources.gpu_hours)} requested"),
            ("Core hours", f"{quantity(decided.cpu_hours)} of {quantity(resources.cpu_hours)} requested"),
            ("Storage", f"{quantity(decided.storage_gb)} GB" if decided.storage_gb else ""),
        ]
    )
    return Markup('<h3>Decision, {}</h3>{}<p class="typed">{}</p>').format(
        moment(decided.at), granted if decided.approved else "", decided.reason
    )


def changes(application: Application) -> Markup:
    """Notice above the steps with the reviewers' last request for changes."""
    if application.summary.state is not ApplicationState.CHANGES_REQUESTED:
        return Markup("")
    requests = [message for message in application.messages if message.kind is MessageKind.CHANGES]
    quote = Markup('<blockquote class="typed">{}</blockquote>').format(requests[-1].text) if requests else Markup("")
    return notice("warn", "The reviewers request changes. Make them below, then submit again.") + quote


def next_steps(project: ProjectView) -> Markup:
    """Progress of the project's provisioning; afterwards links to the first notebook."""
    hub = os.environ.get("ATRIUM_HUB_URL", "/hub/")
    steps = Markup("").join(
        Markup("<li{}><span>{}{}</span></li>").format(
            Markup("") if step.done else Markup(" data-todo"),
            step.step.value,
            f": {step.remark}" if step.remark and not step.done else "",
        )
        for step in project.steps
    )
    ready = project.state is ProjectState.ACTIVE
    progress = (
        Markup("Your project <code>{}</code> is ready.").format(project.slug)
        if ready
        else Markup("Your project <code>{}</code> is being set up. This page shows the progress.").format(project.slug)
    )
    page = f"projects.ipynb#/project/{project.slug}"
    todo = [
        Markup('<a class="button primary" href="{}spawn">Start your first notebook</a>').format(hub),
        Markup('<a class="button" href="projects.ipynb#/project/{}/members">Invite colleagues</a>').format(
            project.slug
        ),
        Markup('<a class="button" href="{}/usage">View hours</a>').format(page),
    ]
    return Markup(
        '<section class="card part"><h3>Your next steps</h3><p role="status">{words}</p>{steps}{todo}</section>'
    ).format(
        words=progress,
        steps=Markup('<ol class="steps">{}</ol>').format(steps) if steps and not ready else "",
        todo=Markup('<p class="actions">{}</p>').format(Markup("").join(todo)) if ready else "",
    )
