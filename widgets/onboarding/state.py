"""State of the onboarding page, independent of widgets; the API saves the input at every step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from traitlets import Bool, Bytes, Dict, Instance, Int, Tuple, Unicode, UseEnum

from hub.applications.models import EDITABLE, Application, ApplicationState, ApplicationSummary, Form, Version
from hub.calls.models import AccessMode, Calculation, Call, CallStatus, Helper, Programme, Source
from hub.calls.prices import price_of_call
from hub.client import Api
from hub.errors import AtriumError, Conflict, NotFound
from hub.home.models import Me
from hub.organisations.models import NEVER, Organisation, OrganisationForm, Profile, ProfileForm
from hub.projects.models import InvitationOffer, ProjectView
from widgets.base import LOOK, Phase, State, Superseded, ask


class Step(StrEnum):
    """Steps in their order; the names are stored with a draft."""

    PEOPLE = "people"
    PURPOSE = "purpose"
    MODE = "mode"
    RESOURCES = "resources"
    DECLARATIONS = "declarations"
    SUBMIT = "submit"


TITLES = {
    Step.PEOPLE: "You and your organisation",
    Step.PURPOSE: "Sector and use case",
    Step.MODE: "Access mode",
    Step.RESOURCES: "Resources",
    Step.DECLARATIONS: "Data and declarations",
    Step.SUBMIT: "Review and submit",
}

_STEP_OF_FIELD = {
    "profile": Step.PEOPLE,
    "organisation": Step.PEOPLE,
    "title": Step.PURPOSE,
    "sector": Step.PURPOSE,
    "goal": Step.PURPOSE,
    "use_case": Step.PURPOSE,
    "call": Step.MODE,
    "conditions": Step.MODE,
    "resources": Step.RESOURCES,
}


_FIELD_OF_GAP = {"organisation": "organisation.name", "organisation.figures": "organisation.figures.staff"}
"""Where a gap is shown that the API names by a group of fields."""


def step_of(field: str) -> Step:
    """The step that contains a field of the application."""
    return _STEP_OF_FIELD.get(field.partition(".")[0], Step.DECLARATIONS)


class OnboardingState(State):
    me = Instance(Me, allow_none=True)
    programme = Instance(Programme, allow_none=True)
    machine = Tuple(help="Hardware of each system, as Slurm has it; empty: not known.")
    profile = Instance(Profile, allow_none=True)
    calls = Tuple(help="CallStatus of every call.")
    applications = Tuple(help="ApplicationSummary, the last changed first.")
    projects = Tuple(help="ProjectView of each of mine.")
    application = Instance(Application, allow_none=True, help="The one in front of the person.")
    step = UseEnum(Step, Step.PEOPLE)
    theirs = Instance(Application, allow_none=True, help="What another device kept meanwhile.")
    typed = Dict(help="Field -> input that could not be saved because of that.")
    looked_over = Bool(False, help="Whether what is missing was shown once; from then on it is marked at the fields.")
    helpers = Tuple()
    advice = Tuple()
    calculation = Instance(Calculation, allow_none=True)
    document = Bytes(b"", help="The PDF that was asked for.")
    document_name = Unicode()
    offer = Instance(InvitationOffer, allow_none=True)
    filled = Int(0, help="Counts: the fields have to be filled in anew.")

    # -- reading

    async def fetch(self, api: Api) -> Phase:
        """Load everything concurrently, then the application with the latest change."""
        about_them, lists = await asyncio.gather(
            asyncio.gather(
                ask(api.me), ask(api.calls.programme), ask(api.calls.machine), ask(api.organisations.profile)
            ),
            asyncio.gather(ask(api.calls.all), ask(api.applications.mine), ask(api.projects.mine)),
        )
        self.me, self.programme, self.machine, self.profile = about_them
        self.calls, self.applications, self.projects = lists
        number = self.application.summary.id if self.application else self._most_recent()
        if number is not None:
            self._take(await ask(api.applications.get, number))
        self.filled += 1
        return Phase.READY

    def _most_recent(self) -> int | None:
        mine = [
            summary for summary in self.applications if summary.mine and summary.state is not ApplicationState.WITHDRAWN
        ]
        return mine[0].id if mine else None

    async def look(self, api: Api) -> None:
        """Whether something happened meanwhile: a message, a decision, a step of provisioning. Errors wait."""
        if self.application is None or self.busy or self.editable:
            return
        number = self.application.summary.id
        answers = asyncio.gather(ask(api.applications.get, number), ask(api.projects.mine))
        try:
            fresh, projects = await self.newest(LOOK, answers)
        except (AtriumError, Superseded):
            return
        if self.busy or self.application is None or self.application.summary.id != number:
            return  # an action has begun, or another application was opened
        self.projects = projects
        if fresh != self.application:
            self._take(fresh)
            self.filled += 1

    def _take(self, application: Application) -> None:
        self.application = application
        if application.form.step in tuple(Step):
            self.step = Step(application.form.step)
        self.document = b""

    @property
    def form(self) -> Form:
        return self.application.form if self.application else Form()

    @property
    def editable(self) -> bool:
        """Whether the steps are shown; otherwise the status is."""
        return self.application is None or self._is_draft(self.application)

    @staticmethod
    def _is_draft(application: Application) -> bool:
        return application.summary.mine and application.summary.state in EDITABLE

    @property
    def organisation(self) -> Organisation | None:
        return self.profile.organisation if self.profile else None

    @property
    def is_sme(self) -> bool | None:
        """Result of the organisation's SME test; None if it has none."""
        return self.organisation.sme.is_sme if self.organisation and self.organisation.sme else None

    @property
    def status(self) -> CallStatus | None:
        """Status of the application's call."""
        return next((status for status in self.calls if status.call.slug == self.form.call), None)

    @property
    def call(self) -> Call | None:
        return self.status.call if self.status else None

    @property
    def mode(self) -> AccessMode | None:
        return self.programme.mode(self.call.mode) if self.call and self.programme else None

    @property
    def project(self) -> ProjectView | None:
        """The project of the approved application, if any."""
        slug = self.application.decision.project if self.application and self.application.decision else None
        return next((project for project in self.projects if project.slug == slug), None)

    @property
    def as_submitted(self) -> Version | None:
        """The draft as reviewers would see it; None without an organisation."""
        if self.application is None or self.programme is None or self.profile is None or self.organisation is None:
            return None
        organisation = self.organisation
        return Version(
            number=0,
            submitted=self.application.summary.changed,
            by=self.profile.person,
            form=self.form,
            profile=self.profile.form,
            organisation_id=organisation.id,
            organisation=organisation.form,
            sme=organisation.sme,
            price=price_of_call(
                self.programme, self.form.call, organisation.form.kind, self.is_sme, self.form.conditions
            ),
            self_check=self.application.self_check,
        )

    @property
    def gaps(self) -> dict[str, str]:
        """Missing fields: field name -> first message."""
        messages: dict[str, str] = {}
        for gap in self.application.gaps if self.application else ():
            messages.setdefault(gap.field, gap.message)
        return messages

    @property
    def complaints(self) -> dict[str, str]:
        """Error messages to show at the fields."""
        gaps = {_FIELD_OF_GAP.get(field, field): message for field, message in self.gaps.items()}
        return {**(gaps if self.looked_over else {}), **self.problems}

    def is_done(self, step: Step) -> bool:
        """Whether nothing is missing on a step any more, by the API's own check of what it has stored."""
        return self.application is not None and all(step_of(field) is not step for field in self.gaps)

    def source(self, name: str) -> Source | None:
        sources = self.programme.sources if self.programme else ()
        return next((source for source in sources if source.id == name), None)

    # -- writing

    async def keep(self, api: Api, changes: Mapping[str, Any], *, go_to: Step | None = None) -> None:
        """Save fields of the application and go to a step.

        :raises Conflict: another device saved a newer version; the input stays, see :meth:`keep_mine`.
        """
        step = go_to or self.step
        if self.application is None and self.theirs is not None:
            raise _begun_elsewhere()
        form = Form.model_validate({**self.form.model_dump(), **changes, "step": step.value})
        if self.application is None:
            application = await self._start(api, form)
        else:
            application = await self._save(api, self.application, form)
        self._set_saved(application)
        await self._list(api)
        self._go_to(step)  # at last: whoever sees the step can go on from it

    async def _start(self, api: Api, form: Form) -> Application:
        """A new draft, unless another tab began one since this page has listed them: then the person chooses."""
        newest = max((summary.id for summary in self.applications if summary.mine), default=0)
        try:
            return await ask(api.applications.start, form, after=newest)
        except Conflict as conflict:
            if conflict.field != "after":
                raise
            self.applications = await ask(api.applications.mine)
            number = max((summary.id for summary in self.applications if summary.mine), default=0)
            if number > newest:
                self.theirs, self.typed = await ask(api.applications.get, number), _changes(Form(), form)
            raise _begun_elsewhere() from conflict

    async def _save(self, api: Api, saved: Application, form: Form) -> Application:
        """Store the form; without a change the API checks again what is missing, since the profile may have changed."""
        try:
            if form == saved.form:
                return await self._check(api, saved)
            return await ask(api.applications.save, saved.summary.id, saved.revision, form)
        except Conflict as conflict:
            fresh = await ask(api.applications.get, saved.summary.id)
            if conflict.field == "revision" and self._is_draft(fresh):
                self.theirs, self.typed = fresh, _changes(saved.form, form)
            else:  # it was submitted, withdrawn or decided elsewhere
                self._take(fresh)
                self.filled += 1
            raise
        except NotFound as error:
            self.application = None
            self.applications = await ask(api.applications.mine)
            raise Conflict(
                "This draft was deleted in another tab or on another device.",
                hint="Save again to begin a new draft with what is on this page.",
            ) from error

    async def _check(self, api: Api, saved: Application) -> Application:
        """The draft with what the API finds missing now; what another device has stored meanwhile is shown."""
        fresh = await ask(api.applications.get, saved.summary.id)
        if fresh.revision != saved.revision:
            self.filled += 1
        return fresh

    def _set_saved(self, application: Application) -> None:
        self.application, self.stored = application, self.stored + 1
        self.theirs, self.typed = None, {}
        self.document = b""

    def _go_to(self, step: Step) -> None:
        self.step = step
        if step is Step.SUBMIT:
            self.looked_over = True

    async def _list(self, api: Api) -> None:
        summaries = {summary.id: summary for summary in self.applications}
        if self.application and summaries.get(self.application.summary.id) != self.application.summary:
            self.applications = await ask(api.applications.mine)

    def take_theirs(self) -> None:
        """Continue with the version of the other device; drop the input of this one."""
        if self.theirs is not None:
            self._set_saved(self.theirs)
            self.trouble, self.filled = None, self.filled + 1

    async def keep_mine(self, api: Api) -> None:
        """Save the fields changed here on top of the version of the other device."""
        if self.theirs is None:
            return
        self.application = self.theirs
        await self.keep(api, changes=self.typed)
        self.filled += 1

    async def write_profile(self, api: Api, form: ProfileForm) -> None:
        """Store the profile.

        :raises Conflict: another tab or device has stored another one; the input stays in the fields.
        """
        if self.profile is not None and form == self.profile.form:
            return
        stored = await ask(api.organisations.profile)
        if self.profile is not None and stored.form not in (self.profile.form, form):
            self.profile = stored
            raise _changed_elsewhere("Your profile")
        try:
            self.profile = await ask(api.organisations.write_profile, form, seen=stored.changed or NEVER)
        except Conflict as conflict:
            if conflict.field != "seen":
                raise
            self.profile = await ask(api.organisations.profile)
            raise _changed_elsewhere("Your profile") from conflict

    async def write_organisation(self, api: Api, form: OrganisationForm) -> None:
        """Store the organisation; raises :class:`Conflict` if somebody has stored another one since it was read."""
        assert self.profile is not None  # noqa: S101 - read when the page is ready
        saved = self.organisation
        if saved is not None and form == saved.form:
            return
        if saved is None and (stored := await ask(api.organisations.profile)).organisation is not None:
            self.profile = stored
            raise _changed_elsewhere("Your organisation")
        try:
            if saved is None:
                organisation = await ask(api.organisations.create, form)
            else:
                organisation = await ask(api.organisations.change, saved.revision, form)
        except Conflict as conflict:
            self.profile = await ask(api.organisations.profile)
            raise _changed_elsewhere("Your organisation") from conflict
        self.profile = self.profile.model_copy(update={"organisation": organisation})

    async def open(self, api: Api, number: int, step: Step | None = None) -> None:
        """Open another application that the person may read, at a step or where it was left."""
        self.looked_over, self.theirs = False, None
        self._take(await ask(api.applications.get, number))
        self.step = step or self.step
        self.filled += 1

    def start_another(self) -> None:
        """Start an empty application; it is created when its first step is saved."""
        self.application, self.step, self.looked_over = None, Step.PEOPLE, False
        self.theirs, self.typed = None, {}
        self.filled += 1

    async def delete(self, api: Api, draft: ApplicationSummary) -> None:
        """Delete a draft, and show the application that was changed last, or an empty one."""
        await ask(api.applications.delete, draft.id)
        self.applications = await ask(api.applications.mine)
        self.start_another()
        if (number := self._most_recent()) is not None:
            self._take(await ask(api.applications.get, number))
        self.stored += 1
        self.done = f"The draft {draft.reference} was deleted."

    async def submit(self, api: Api) -> None:
        """Submit the draft. Raises :class:`hub.errors.InvalidInput` that names missing fields; the draft is kept."""
        if self.application is None:
            return
        self.looked_over = True
        number, revision = self.application.summary.id, self.application.revision
        try:
            self._take(await ask(api.applications.submit, number, revision))
        except Conflict:
            self._take(await ask(api.applications.get, number))
            self.filled += 1
            raise
        await self._list(api)
        self.filled += 1

    async def withdraw(self, api: Api) -> None:
        if self.application is not None:
            self._take(await ask(api.applications.withdraw, self.application.summary.id))
            await self._list(api)

    async def say(self, api: Api, text: str) -> None:
        """Send a message to the reviewers."""
        if self.application is not None:
            self._take(await ask(api.applications.message_reviewers, self.application.summary.id, text))
            self.stored += 1

    async def make_document(self, api: Api, version: int | None) -> None:
        if self.application is None:
            return
        summary = self.application.summary
        self.document = await ask(api.applications.document, summary.id, version)
        self.document_name = f"{summary.reference}-{version or 'draft'}"

    # -- advice

    async def find_helpers(self, api: Api, sector: str | None) -> None:
        country = self.organisation.form.country if self.organisation else None
        question = ask(api.calls.helpers, country=country, sector=sector)
        helpers: tuple[Helper, ...] = await self.newest("helpers", question)
        self.helpers = helpers

    # -- invitations

    async def look_at_invitation(self, api: Api, token: str) -> None:
        self.offer = None
        self.offer = await ask(api.projects.invitation, token)

    async def accept(self, api: Api, token: str) -> None:
        project = await ask(api.projects.accept_invitation, token)
        self.offer = None
        self.projects = (*(known for known in self.projects if known.slug != project.slug), project)


def _begun_elsewhere() -> Conflict:
    return Conflict(
        "You began an application in another tab or on another device.", hint="Choose below which text to keep."
    )


def _changed_elsewhere(what: str) -> Conflict:
    hint = "What you typed is still in the fields. Save again to replace the other version, or reload to see it."
    return Conflict(f"{what} was changed in another tab or on another device.", hint=hint)


def _changes(before: Form, after: Form) -> dict[str, Any]:
    """Fields of ``after`` that differ from ``before``."""
    old, new = before.model_dump(), after.model_dump()
    return {name: value for name, value in new.items() if value != old[name]}
