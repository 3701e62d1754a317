"""State of the projects page, independent of widgets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import StrEnum

from traitlets import Instance, Tuple, Unicode, UseEnum

from hub.client import Api
from hub.errors import InvalidInput
from hub.formats import moment
from hub.home.models import Me
from hub.projects.models import ExtensionForm, ExtensionState, MemberRole, ProjectView
from hub.reports.models import Report, ReportDraft, ReportForm
from hub.usage.models import ProjectUsage
from widgets.base import Phase, State, Superseded, ask
from widgets.hours import ROLES


class Part(StrEnum):
    """Parts of the page of a project."""

    USAGE = "usage"
    MEMBERS = "members"
    EXTENSION = "extension"
    REPORT = "report"


EXTENSION_STATES = {
    ExtensionState.OPEN: "waits for an answer",
    ExtensionState.GRANTED: "granted",
    ExtensionState.REFUSED: "refused",
}


class ProjectsState(State):
    me = Instance(Me, allow_none=True)
    projects = Tuple(help="ProjectView of each of mine.")
    slug = Unicode(help="The project in front of the person.")
    part = UseEnum(Part, Part.USAGE)
    usage = Instance(ProjectUsage, allow_none=True)
    invitations = Tuple()
    extensions = Tuple()
    report = Instance(Report, allow_none=True)

    async def fetch(self, api: Api) -> Phase:
        self.me, projects = await asyncio.gather(ask(api.me), ask(api.projects.mine))
        self.projects = projects
        if not self.projects:
            return Phase.EMPTY
        if not self.slug:
            self.slug = self.projects[0].slug
        await self._read(api)
        return Phase.READY

    @property
    def project(self) -> ProjectView | None:
        return next((project for project in self.projects if project.slug == self.slug), None)

    @property
    def leads(self) -> bool:
        return self.project is not None and self.project.role is MemberRole.LEAD

    async def open(self, api: Api, slug: str, part: Part) -> None:
        """Show a part of a project. Raises :class:`hub.errors.InvalidInput` for a project of others."""
        if slug not in {project.slug for project in self.projects}:
            raise InvalidInput("You are not a member of this project.")
        self.slug, self.part, self.done = slug, part, ""
        await self._read(api)

    def _empty(self) -> None:
        """Forget what belongs to one project, before another one is shown."""
        self.usage, self.invitations, self.extensions, self.report = None, (), (), None

    async def _read(self, api: Api) -> None:
        """Read what the part shows; the answer for a project or part that was left meanwhile is dropped."""
        self._empty()
        self.supersede("part")
        if self.project is None:
            return
        with suppress(Superseded):
            if self.part is Part.USAGE:
                self.usage = await self.newest("part", ask(api.usage, self.slug))
            elif self.part is Part.MEMBERS and self.leads:
                self.invitations = await self.newest("part", ask(api.projects.invitations, self.slug))
            elif self.part is Part.EXTENSION:
                self.extensions = await self.newest("part", ask(api.projects.extensions, self.slug))
            elif self.part is Part.REPORT:
                self.report = await self.newest("part", ask(api.report, self.slug))

    def _know(self, project: ProjectView) -> None:
        self.projects = tuple(project if known.slug == project.slug else known for known in self.projects)

    async def invite(self, api: Api, address: str, role: MemberRole) -> None:
        """Send an invitation. Raises :class:`hub.errors.InvalidInput` for an invalid mail address."""
        if not address:
            raise InvalidInput("Enter a mail address.", field="address")
        invitation = await ask(api.projects.invite, self.slug, address, role)
        self.invitations = await ask(api.projects.invitations, self.slug)
        self.done = f"Invitation sent to {invitation.address}. It expires on {moment(invitation.expires)}."

    async def take_back(self, api: Api, number: int) -> None:
        await ask(api.projects.take_back_invitation, self.slug, number)
        self.invitations = await ask(api.projects.invitations, self.slug)
        self.done = "Invitation withdrawn. Its link no longer works."

    async def change_role(self, api: Api, person: str, role: MemberRole) -> None:
        self._know(await ask(api.projects.change_role, self.slug, person, role))
        self.done = f"{person} is {ROLES[role]} now."

    async def remove(self, api: Api, person: str, typed: str) -> None:
        """Remove a member. The name is typed as confirmation, because the member's jobs are cancelled."""
        if typed.strip() != person:
            raise InvalidInput(f"Type {person} to confirm.", field="sure")
        await ask(api.projects.remove_member, self.slug, person)
        self.projects = await ask(api.projects.mine)
        self.done = f"{person} no longer has access. Their jobs are being cancelled; their files are kept."
        if self.project is None:
            self._empty()  # the person has left it, and chooses the next one
            self.phase = Phase.READY if self.projects else Phase.EMPTY

    async def ask_for_extension(self, api: Api, form: ExtensionForm) -> None:
        await ask(api.projects.ask_for_extension, self.slug, form)
        self.extensions = await ask(api.projects.extensions, self.slug)
        self.done, self.stored = "Extension requested. You get a mail with the answer.", self.stored + 1

    async def write_report(self, api: Api, form: ReportForm, *, submit: bool) -> None:
        """Save the report, or submit it finally; raises :class:`hub.errors.Conflict` if another lead wrote since."""
        assert self.report is not None  # noqa: S101 - its part of the page reads it first
        draft = ReportDraft(revision=self.report.revision, form=form, submit=submit)
        self.report = await ask(api.write_report, self.slug, draft)
        self.done, self.stored = "Report submitted." if submit else "Report saved.", self.stored + 1
