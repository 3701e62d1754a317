"""A stateful stand-in for the API's client: the answers of real models, kept in memory, and refusals like the API's."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from hub.applications import aiact, checks
from hub.applications.client import Applications
from hub.applications.models import (
    EDITABLE,
    Application,
    ApplicationState,
    ApplicationSummary,
    Form,
    Gap,
    Message,
    MessageKind,
    Version,
)
from hub.calls import adviser, calculator, programme
from hub.calls import service as calls
from hub.calls.client import Calls
from hub.calls.models import CallState, CallStatus, Hardware, Need, OrganisationKind, Programme, Workload
from hub.client import Api
from hub.errors import Conflict, InvalidInput, NotFound
from hub.home.models import Me
from hub.organisations import sme
from hub.organisations.client import Organisations
from hub.organisations.models import NEVER, Figures, Organisation, OrganisationForm, Profile, ProfileForm, SmeResult
from hub.projects.client import Projects
from hub.projects.models import InvitationOffer, MemberRole, MemberView, Phase, ProjectState, ProjectView

MOMENT = datetime(2026, 11, 24, 12, tzinfo=UTC)
PROGRAMME = programme.read(Path(programme.SHIPPED))
TOKEN = "an-invitation-of-16"
COMPANY = OrganisationForm(
    name="Green Steel",
    kind=OrganisationKind.COMPANY,
    country="DE",
    figures=Figures(staff=12, turnover=900_000, balance=400_000),
)


def project(slug: str = "steel-1", role: MemberRole = MemberRole.LEAD, **more: Any) -> ProjectView:
    values: dict[str, Any] = {
        "slug": slug,
        "title": "Green steel",
        "account": slug,
        "call": "playground-2026",
        "role": role,
        "state": ProjectState.ACTIVE,
        "phase": Phase.OPEN,
        "cpu_hours": 10,
        "gpu_hours": 100,
        "storage_gb": 0,
        "starts": date(2026, 11, 1),
        "until": date(2027, 1, 31),
        "files_until": None,
        "directory": f"/projects/{slug}",
        "members": (MemberView(person="maria", role=role, leaving=False),),
        "steps": (),
    }
    return ProjectView.model_validate({**values, **more})


class FakeCalls(Calls):
    def programme(self) -> Programme:
        return PROGRAMME

    def machine(self) -> tuple[Hardware, ...]:
        return (
            Hardware(system="atrium-cpu", nodes=3, cores=48, gpus={}),
            Hardware(system="atrium-gpu", nodes=5, cores=80, gpus={"a100": 4, "l40s": 4}),
        )

    def all(self) -> tuple[CallStatus, ...]:
        return tuple(
            CallStatus(
                call=call,
                state=CallState.OPEN,
                full_systems=(),
                note="",
                next_cut_off=call.cut_offs[0] if call.cut_offs else None,
                accepts=True,
                why_not="",
            )
            for call in PROGRAMME.calls
        )

    def helpers(self, *, country: str | None = None, sector: str | None = None) -> Any:
        return calls.helpers(PROGRAMME, country=country, sector=sector)

    def advice(self, need: Need) -> Any:
        return adviser.advise(PROGRAMME, self.all(), need, MOMENT)

    def calculation(self, workload: Workload) -> Any:
        return calculator.calculate(PROGRAMME, workload)


class FakeOrganisations(Organisations):
    def __init__(self, factory: Factory) -> None:
        self.factory = factory

    def sme_test(self, figures: Figures) -> SmeResult:
        return sme.classify(PROGRAMME, figures)

    def profile(self) -> Profile:
        factory = self.factory
        return Profile(person="maria", form=factory.profile_form, organisation=factory.own, changed=None)

    def write_profile(self, form: ProfileForm, *, seen: datetime | None = None) -> Profile:
        assert seen == (self.profile().changed or NEVER)
        self.factory.profile_form = form
        return self.profile()

    def create(self, form: OrganisationForm) -> Organisation:
        self.factory.own = Organisation(
            id=1,
            revision=1,
            form=form,
            sme=sme.classify(PROGRAMME, form.figures) if form.figures else None,
            people=("maria",),
            join_code="join-1",
        )
        return self.factory.own

    def change(self, revision: int, form: OrganisationForm) -> Organisation:
        assert self.factory.own is not None
        if revision != self.factory.own.revision:
            raise Conflict("A colleague changed it since you opened it.", field="revision")
        self.factory.own = self.create(form).model_copy(update={"revision": revision + 1})
        return self.factory.own


class FakeApplications(Applications):
    def __init__(self, factory: Factory) -> None:
        self.factory = factory

    def mine(self) -> tuple[ApplicationSummary, ...]:
        return tuple(application.summary for application in reversed(self.factory.saved.values()))

    def get(self, number: int) -> Application:
        if number not in self.factory.saved:
            raise NotFound("You have no such application.")
        saved = self.factory.saved[number]
        if saved.summary.state not in EDITABLE:
            return saved
        return saved.model_copy(update={"gaps": self.factory.gaps(saved.form)})

    def start(self, form: Form, *, after: int | None = None) -> Application:
        if after is not None and max(self.factory.saved, default=0) > after:
            raise Conflict("You began this application in another tab or on another device.", field="after")
        return self.factory.keep(len(self.factory.saved) + 1, form, 1)

    def delete(self, number: int) -> None:
        del self.factory.saved[number]

    def save(self, number: int, revision: int, form: Form) -> Application:
        saved = self.get(number)
        if saved.summary.state not in EDITABLE:
            raise Conflict(f"This application is {saved.summary.state}.", field="state")
        if saved.revision != revision:
            raise Conflict("This application was changed on another device after you opened it here.", field="revision")
        return self.factory.keep(number, form, revision + 1)

    def submit(self, number: int, revision: int) -> Application:
        saved = self.get(number)
        if saved.gaps:
            raise InvalidInput(saved.gaps[0].message, field=saved.gaps[0].field)
        if saved.revision != revision:
            raise Conflict("This application was changed on another device after you opened it here.", field="revision")
        return self.factory.turns(number, ApplicationState.SUBMITTED, versions=saved.versions + 1)

    def withdraw(self, number: int) -> Application:
        return self.factory.turns(number, ApplicationState.WITHDRAWN)

    def message_reviewers(self, number: int, text: str) -> Application:
        return self.factory.says(number, "maria", MessageKind.MESSAGE, text)

    def document(self, number: int, version: int | None = None) -> bytes:
        return b"%PDF-" + str((number, version)).encode()


class FakeProjects(Projects):
    def __init__(self, factory: Factory) -> None:
        self.factory = factory

    def mine(self) -> tuple[ProjectView, ...]:
        return self.factory.owned

    def invitation(self, token: str) -> InvitationOffer:
        if token != TOKEN:
            raise NotFound("This invitation is used, expired or invalid.", field="token")
        return InvitationOffer(project="steel-1", title="Green steel", role=MemberRole.MEMBER, by="jan", expires=MOMENT)

    def accept_invitation(self, token: str) -> ProjectView:
        self.invitation(token)
        self.factory.owned = (project(role=MemberRole.MEMBER),)
        return self.factory.owned[0]


class Factory(Api):
    """What one person, maria, sees of it. It and its parts are the client's classes, so that mypy keeps them alike."""

    def __init__(self) -> None:
        super().__init__("http://nowhere", "")
        self.person = Me(name="maria", display_name="Maria", roles=(), projects=())
        self.profile_form = ProfileForm()
        self.own: Organisation | None = None
        self.saved: dict[int, Application] = {}
        self.owned: tuple[ProjectView, ...] = ()
        self.down = False
        self.applications = FakeApplications(self)
        self.calls = FakeCalls(self._connection)
        self.organisations = FakeOrganisations(self)
        self.projects = FakeProjects(self)

    def me(self) -> Me:
        return self.person

    # -- what others do

    def says(self, number: int, author: str, kind: MessageKind, text: str) -> Application:
        saved = self.saved[number]
        messages = (*saved.messages, Message(at=MOMENT, author=author, kind=kind, text=text))
        self.saved[number] = saved.model_copy(update={"messages": messages})
        return self.saved[number]

    def asks_back(self, number: int, text: str) -> None:
        self.says(number, "reviewer", MessageKind.CHANGES, text)
        self.turns(number, ApplicationState.CHANGES_REQUESTED)

    def turns(self, number: int, state: ApplicationState, **changes: Any) -> Application:
        saved = self.saved[number]
        summary = saved.summary.model_copy(update={"state": state, "submitted": MOMENT, "due": date(2026, 11, 26)})
        more = {"revision": saved.revision + 1, "next": f"It is {state}.", **changes}
        self.saved[number] = saved.model_copy(update={"summary": summary, **more})
        return self.saved[number]

    def gaps(self, form: Form) -> tuple[Gap, ...]:
        status = next((status for status in self.calls.all() if status.call.slug == form.call), None)
        own = self.own.form if self.own else None
        return checks.gaps(PROGRAMME, status, form, self.profile_form, own, moment=MOMENT)

    def keep(self, number: int, form: Form, revision: int) -> Application:
        before = self.saved.get(number)
        self.saved[number] = Application(
            summary=ApplicationSummary(
                id=number,
                reference=f"A-{number:05}",
                title=form.title,
                call=form.call,
                state=before.summary.state if before else ApplicationState.DRAFT,
                changed=MOMENT,
                submitted=None,
                due=None,
                mine=True,
                deletable=before is None or not before.versions,
            ),
            owner="maria",
            revision=revision,
            form=form,
            versions=before.versions if before else 0,
            self_check=aiact.check(PROGRAMME, form, MOMENT.date()),
            gaps=self.gaps(form),
            messages=before.messages if before else (),
            decision=None,
            next="Go on.",
        )
        return self.saved[number]


def version(form: Form, organisation: OrganisationForm) -> Version:
    """As submitted."""
    return Version(
        number=1,
        submitted=MOMENT,
        by="maria",
        form=form,
        profile=ProfileForm(full_name="Maria"),
        organisation_id=1,
        organisation=organisation,
        sme=None,
        self_check=aiact.check(PROGRAMME, form, MOMENT.date()),
    )
