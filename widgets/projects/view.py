"""The projects page: hours and forecast, members, extensions, and the final report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ipywidgets import HTML
from markupsafe import Markup

from hub.client import Api
from hub.errors import InvalidInput
from hub.formats import quantity
from hub.projects.models import ExtensionForm, ExtensionState, MemberRole, ProjectView
from hub.reports.models import Report, ReportForm
from widgets.base import (
    Phase,
    Visitor,
    empty,
    facts,
    moment,
    table,
    visitor,
)
from widgets.fields import (
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
from widgets.projects.burndown import burn_down, sentence, shares
from widgets.projects.state import EXTENSION_STATES, Part, ProjectsState
from widgets.tabs import PartedView, PartView
from widgets.typed_text import TypedMark

TITLES = {
    Part.USAGE: "Usage",
    Part.MEMBERS: "Members",
    Part.EXTENSION: "More time or hours",
    Part.REPORT: "Final report",
}
ROLE_CHOICE = (("Member", MemberRole.MEMBER), ("Lead", MemberRole.LEAD))


class ProjectPart(PartView):
    state: ProjectsState


class Usage(ProjectPart):
    def build(self) -> list[Any]:
        self.text = HTML()
        return [self.text]

    def draw(self) -> None:
        usage, project = self.state.usage, self.state.project
        if usage is None or project is None or usage.slug != project.slug:
            return
        today = datetime.now(UTC).date()
        counted = Markup("Updated {}.").format(moment(usage.as_of, "ago")) if usage.as_of else "Not updated yet."
        self.text.value = str(
            facts(_about(project))
            + burn_down(usage, "gpu", today)
            + burn_down(usage, "cpu", today)
            + shares(usage)
            + Markup('<p class="quiet">{} Days are in UTC.</p>').format(counted)
        )


def _about(project: ProjectView) -> list[tuple[str, Any]]:
    lasts = f"{date_words(project.starts)} to {date_words(project.until)}" if project.until else ""
    return [
        ("Project", project.slug),
        ("Slurm account", project.account),
        ("Storage", f"{project.directory}{f', {quantity(project.storage_gb)} GB' if project.storage_gb else ''}"),
        ("Time", lasts),
        ("State", f"{project.phase.value}, {project.state.value}"),
    ]


class Members(ProjectPart):
    def build(self) -> list[Any]:
        self.text = HTML()
        self.address = line("address", "Mail address of a colleague")
        self.role = choice("role", "Role", ROLE_CHOICE, "Leads invite, remove and ask for more.", first=None)
        self.inviting = fieldset(
            "Invite a colleague",
            row(self.address, self.role),
            buttons(button("Send invitation", self.do("Inviting", self._invite), "primary")),
            about="They get a mail with a link. It works once and expires after some days.",
        )
        self.person = choice("person", "Person", [])
        self.new_role = choice("new_role", "New role", ROLE_CHOICE, first=None)
        self.sure = line("sure", "To remove them, type their name", "Their jobs are cancelled, their files are kept.")
        self.changing = fieldset(
            "Change or remove a member",
            row(self.person, self.new_role),
            buttons(button("Change role", self.do("Changing the role", self._change))),
            row(self.sure),
            buttons(button("Remove from the project", self.do("Removing", self._remove), "danger")),
        )
        self.waiting = HTML()
        self.invitation = choice("invitation", "Invitation", [])
        self.taking = fieldset(
            "Open invitations",
            self.waiting,
            row(self.invitation),
            buttons(button("Withdraw invitation", self.do("Withdrawing the invitation", self._take_back))),
        )
        return [self.text, self.inviting, self.taking, self.changing]

    async def _invite(self, api: Api) -> None:
        await self.state.invite(api, self.address.value.strip(), self.role.value)
        self.address.value = ""

    async def _change(self, api: Api) -> None:
        person = self.person.required("Choose the person whose role changes.")
        await self.state.change_role(api, person, self.new_role.value)

    async def _remove(self, api: Api) -> None:
        await self.state.remove(api, self.person.required("Choose the person to remove."), self.sure.value)
        self.sure.value = ""

    async def _take_back(self, api: Api) -> None:
        await self.state.take_back(api, self.invitation.required("Choose the invitation to withdraw."))

    def draw(self) -> None:
        project = self.state.project
        if project is None:
            return
        for field in (self.address, self.role, self.person, self.new_role, self.sure, self.invitation):
            field.complain(self.state.problems.get(field.name, ""))
        leads, waiting = (
            self.state.leads,
            [invitation for invitation in self.state.invitations if invitation.accepted_by is None],
        )
        rows = [
            (member.person, member.role.value, "leaving" if member.leaving else "active") for member in project.members
        ]
        self.text.value = str(table(("Person", "Role", "Status"), rows, f"Members of {project.title}"))
        staying = [(member.person, member.person) for member in project.members if not member.leaving]
        self.person.offer(staying)
        self.invitation.offer([(invitation.address, invitation.id) for invitation in waiting])
        self.waiting.value = str(
            table(
                ("Address", "Role", "By", "Until"),
                [
                    (invitation.address, invitation.role.value, invitation.by, moment(invitation.expires))
                    for invitation in waiting
                ],
            )
        )
        self.inviting.layout.display = self.changing.layout.display = "" if leads else "none"
        self.taking.layout.display = "" if leads and waiting else "none"


class Extension(ProjectPart):
    def build(self) -> list[Any]:
        self.text = HTML()
        self.mark = TypedMark()
        self.months = whole("months", "More months")
        self.gpu = whole("gpu_hours", "More GPU hours")
        self.cpu = whole("cpu_hours", "More core hours")
        self.reason = paragraphs("reason", "Reason", "What is done, what remains, and why you need more.")
        self.form = fieldset(
            "Request an extension",
            row(self.months, self.gpu, self.cpu),
            self.reason,
            buttons(button("Request extension", self.do("Asking", self._ask), "primary")),
            self.mark,
        )
        return [self.text, self.form]

    async def _ask(self, api: Api) -> None:
        values = {
            "months": self.months.value,
            "gpu_hours": self.gpu.value,
            "cpu_hours": self.cpu.value,
            "reason": self.reason.value,
        }
        await self.state.ask_for_extension(api, checked(ExtensionForm, values, whole="months"))
        self.reason.value = ""

    def draw(self) -> None:
        show_mark(self.mark, self.state, "extension", filled=0)
        for field in (self.months, self.gpu, self.cpu, self.reason):
            field.complain(self.state.problems.get(field.name, ""))
        rows = [
            (
                moment(extension.created, "day"),
                f"{extension.months} months, {quantity(extension.gpu_hours)} GPU h, "
                f"{quantity(extension.cpu_hours)} core h",
                EXTENSION_STATES[extension.state],
                extension.answer,
            )
            for extension in self.state.extensions
        ]
        waits = any(extension.state is ExtensionState.OPEN for extension in self.state.extensions)
        self.form.layout.display = "" if self.state.leads and not waits else "none"
        nothing = "No extension was requested yet." + ("" if self.state.leads else " Leads can request one.")
        self.text.value = str(
            table(("Asked", "For", "State", "Answer"), rows) if rows else Markup("<p>{}</p>").format(nothing)
        )


class FinalReport(ProjectPart):
    def build(self) -> list[Any]:
        self.text = HTML()
        self.mark = TypedMark()
        self.filled = 0
        self.summary = paragraphs("form.summary", "Summary")
        self.results = paragraphs("form.results", "Results")
        self.publications = paragraphs("form.publications", "Publications, models, products", rows=3)
        self.difficulties = paragraphs("form.difficulties", "Difficulties", rows=3)
        self.sure = check("sure", "The report is complete. It cannot be changed after submission.")
        self.save = button("Save the draft", self.do("Saving", lambda api: self._write(api, submit=False)))
        finish = self.do("Submitting", lambda api: self._write(api, submit=True))
        self.form = fieldset(
            "Results of the project",
            self.summary,
            self.results,
            self.publications,
            self.difficulties,
            self.sure,
            buttons(self.save, button("Submit the report", finish, "primary")),
            self.mark,
            about="The figures come from Slurm accounting; you add the text.",
        )
        self.shown: Report | None = None
        return [self.text, self.form]

    async def _write(self, api: Api, *, submit: bool) -> None:
        if submit and not self.sure.value:
            raise InvalidInput("Tick the box to confirm that the report is complete.", field="sure")
        values = {
            "summary": self.summary.value,
            "results": self.results.value,
            "publications": self.publications.value,
            "difficulties": self.difficulties.value,
        }
        await self.state.write_report(api, checked(ReportForm, values, "form."), submit=submit)

    def draw(self) -> None:
        report, project = self.state.report, self.state.project
        if report is None or project is None or report.project != project.slug:
            return
        self.sure.complain(self.state.problems.get("sure", ""))
        if self.shown is not report:
            self.shown, self.filled = report, self.filled + 1
            form = report.form
            self.summary.value, self.results.value = form.summary, form.results
            self.publications.value, self.difficulties.value = form.publications, form.difficulties
        show_mark(self.mark, self.state, "report", filled=self.filled)
        self.form.layout.display = "" if self.state.leads and report.submitted is None else "none"
        today = datetime.now(UTC).date()
        numbers = facts(
            [
                ("Submitted", moment(report.submitted) if report.submitted else ""),
                *((kind.upper(), sentence(report.usage, kind, today)) for kind in ("gpu", "cpu") if _has(report, kind)),
            ]
        )
        texts = facts(
            [
                ("Summary", report.form.summary),
                ("Results", report.form.results),
                ("Publications", report.form.publications),
                ("Difficulties", report.form.difficulties),
            ]
        )
        closed = report.submitted is not None or not self.state.leads
        self.text.value = str(numbers + (texts if closed else Markup("")))


def show_mark(mark: TypedMark, state: ProjectsState, part: str, *, filled: int) -> None:
    """Name a form of the project in front of the person."""
    mark.show(
        f"project {state.slug} {part}",
        person=state.me.name if state.me else "",
        stored=state.stored,
        filled=filled,
        title=f"{state.project.title if state.project else state.slug}: {TITLES[Part(part)]}",
        place=f"project/{state.slug}/{part}",
    )


def _has(report: Report, kind: str) -> bool:
    return bool(getattr(report.usage, kind).granted > 0)


PARTS: dict[Part, type[PartView]] = {
    Part.USAGE: Usage,
    Part.MEMBERS: Members,
    Part.EXTENSION: Extension,
    Part.REPORT: FinalReport,
}


class Projects(PartedView):
    loading = "Loading your projects"
    state: ProjectsState

    def __init__(self, state: ProjectsState | None = None, person: Visitor = visitor) -> None:
        self._parts: dict[Part, PartView] = {}
        self._pending_address = ""
        super().__init__(state or ProjectsState(), person)

    def go(self, address: str) -> None:
        """``project/SLUG/PART``; before the projects are known it has to wait."""
        what, slug, part = (*address.strip("/").split("/"), "", "")[:3]
        if what != "project":
            return
        if self.state.phase is Phase.LOADING:
            self._pending_address = address
            return
        target = Part(part) if part in tuple(Part) else Part.USAGE
        self.do("Opening", lambda api: self.state.open(api, slug, target))

    def part(self) -> PartView:
        if self.state.part not in self._parts:
            self._parts[self.state.part] = PARTS[self.state.part](self)
        return self._parts[self.state.part]

    def draw(self) -> None:
        if self._pending_address and self.state.phase is Phase.READY and not self.person.farewell:
            address, self._pending_address = self._pending_address, ""
            self.go(address)
        super().draw()
        if self.state.project is None:
            self.place.layout.display = "none"  # no form of a project that is gone, and none of another one

    def content(self) -> Markup:
        state = self.state
        assert state.me is not None  # noqa: S101 - the phases READY and EMPTY say so
        if state.phase is Phase.EMPTY or not state.projects:
            return greeting(state.me) + empty(
                "You have no project yet",
                "A project gives you hours on the cluster, storage, and colleagues to share both with.",
                Markup('<a class="button primary" href="onboarding.ipynb">Apply for hours</a>'),
            )
        if state.project is None:
            return greeting(state.me) + _places(state) + Markup('<h2 tabindex="-1">Choose a project</h2>')
        return (
            greeting(state.me)
            + _places(state)
            + Markup('<h2 tabindex="-1" data-arrived="{} {}">{}: {}</h2>').format(
                state.slug, state.part.value, TITLES[state.part], state.project.title
            )
        )


def _places(state: ProjectsState) -> Markup:
    """Which project, if there are several, and which part of it."""
    entry = Markup('<li><a href="#/project/{}/{}"{}>{}</a></li>')
    here = Markup(' aria-current="page"')
    projects = Markup("").join(
        entry.format(project.slug, state.part.value, here if project.slug == state.slug else "", project.title)
        for project in state.projects
    )
    if state.project is None:
        return Markup('<nav aria-label="Your projects"><ul class="stations">{}</ul></nav>').format(projects)
    parts = Markup("").join(
        entry.format(state.slug, part.value, here if part is state.part else "", TITLES[part]) for part in Part
    )
    which = Markup('<nav aria-label="Your projects"><ul class="stations">{}</ul></nav>').format(projects)
    return (which if len(state.projects) > 1 else Markup("")) + Markup(
        '<nav aria-label="Parts of the project"><ul class="stations">{}</ul></nav>'
    ).format(parts)
