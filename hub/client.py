"""The API's client for kernels, servers and scripts: httpx and models, nothing of the server.

>>> with Api.from_environment() as api:  # doctest: +SKIP
...     print(api.me().display_name)
Founder
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from hub.announcements.models import Announcement, Severity
from hub.applications.models import (
    Application,
    ApplicationSummary,
    Draft,
    Form,
    MessageText,
    Submission,
    Version,
)
from hub.audit.models import Event
from hub.calls.models import (
    Calculation,
    CallChange,
    CallStatus,
    Helper,
    ModeAdvice,
    Need,
    Programme,
    Workload,
)
from hub.dataspace.client import Dataspace, Read
from hub.errors import (
    AtriumError,
    Conflict,
    HubUnavailable,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    SettingsError,
    SlurmError,
)
from hub.health.models import Health
from hub.home.models import Me, Overview
from hub.identity.models import Role
from hub.mail.models import Letter, LetterState
from hub.organisations.models import (
    Figures,
    Joining,
    Organisation,
    OrganisationForm,
    OrganisationUpdate,
    Profile,
    ProfileForm,
    SmeResult,
)
from hub.projects.models import (
    Extension,
    ExtensionDecision,
    ExtensionForm,
    Invitation,
    InvitationOffer,
    MemberRole,
    ProjectView,
    RoleChange,
)
from hub.reports.models import Report, ReportDraft
from hub.reviews.models import (
    AskBack,
    Case,
    ConflictDeclaration,
    DecisionForm,
    Queue,
    QueueEntry,
    QueueFilter,
    ReviewForm,
)
from hub.servers.models import Attempt
from hub.usage.models import Hours, ProjectHours, ProjectUsage

__all__ = [
    "Announcement",
    "Api",
    "Application",
    "ApplicationSummary",
    "AskBack",
    "Attempt",
    "Calculation",
    "CallChange",
    "CallStatus",
    "Case",
    "ConflictDeclaration",
    "DecisionForm",
    "Draft",
    "Event",
    "Extension",
    "ExtensionDecision",
    "ExtensionForm",
    "Figures",
    "Form",
    "Health",
    "Helper",
    "Hours",
    "Invitation",
    "InvitationOffer",
    "Joining",
    "Letter",
    "LetterState",
    "Me",
    "MemberRole",
    "MessageText",
    "ModeAdvice",
    "Need",
    "Organisation",
    "OrganisationForm",
    "OrganisationUpdate",
    "Overview",
    "Profile",
    "ProfileForm",
    "Programme",
    "ProjectHours",
    "ProjectUsage",
    "ProjectView",
    "Queue",
    "QueueEntry",
    "QueueFilter",
    "Report",
    "ReportDraft",
    "ReviewForm",
    "Role",
    "RoleChange",
    "Severity",
    "SmeResult",
    "Submission",
    "Version",
    "Workload",
]

DEADLINE_SECONDS = 10.0

_ERRORS: dict[int, type[AtriumError]] = {
    401: NotSignedIn,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    422: InvalidInput,
    502: SlurmError,
    503: HubUnavailable,
}

Model = TypeVar("Model")


class Api:
    """Atrium's API on behalf of the owner of ``token``; what fails raises a class of :mod:`hub.errors`."""

    def __init__(self, url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        # trust_env: a proxy named in the environment is none of this client's business.
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"token {token}"},
            timeout=DEADLINE_SECONDS,
            trust_env=False,
            transport=transport,
        )

    @classmethod
    def from_environment(cls) -> Self:
        """As the environment of a notebook server or a dashboard says."""
        return cls(_variable("ATRIUM_API_URL"), _variable("JUPYTERHUB_API_TOKEN"))

    def me(self) -> Me:
        """Who I am and what is left of my projects."""
        return self._get("/me", Me)

    def overview(self, name: str) -> Overview:
        """What ``name`` sees first; only ``name`` and the Hub's pages may ask."""
        return self._get(f"/people/{_part(name)}/overview", Overview)

    def health(self) -> Health:
        """Whether the factory's parts are alive."""
        return self._get("/health", Health)

    # -- the programme

    def programme(self) -> Programme:
        """Modes, calls, systems, sectors, questions and criteria, each number with its source and date."""
        return self._get("/programme", Programme)

    def calls(self) -> tuple[CallStatus, ...]:
        """Every call as it stands now."""
        return self._get("/calls", tuple[CallStatus, ...])

    def change_call(self, slug: str, change: CallChange) -> CallStatus:
        """Open, pause or close a call, or say where it is full; for admins."""
        return self._send("PUT", f"/calls/{_part(slug)}", change, CallStatus)

    def helpers(self, *, country: str | None = None, sector: str | None = None) -> tuple[Helper, ...]:
        """Who helps in a country and sector, those nearest first."""
        return self._get("/helpers", tuple[Helper, ...], country=country, sector=sector)

    def advice(self, need: Need) -> tuple[ModeAdvice, ...]:
        """Every access mode, the recommended one first, with what speaks against the others."""
        return self._send("POST", "/advice", need, tuple[ModeAdvice, ...])

    def calculation(self, workload: Workload) -> Calculation:
        """Hours that a workload takes, with the formula."""
        return self._send("POST", "/calculation", workload, Calculation)

    # -- profile and organisation

    def profile(self) -> Profile:
        return self._get("/profile", Profile)

    def write_profile(self, form: ProfileForm) -> Profile:
        return self._send("PUT", "/profile", form, Profile)

    def sme_test(self, figures: Figures) -> SmeResult:
        """What these figures make an enterprise, and why; nothing is stored."""
        return self._send("POST", "/sme", figures, SmeResult)

    def found_organisation(self, form: OrganisationForm) -> Organisation:
        return self._send("POST", "/organisation", form, Organisation)

    def change_organisation(self, revision: int, form: OrganisationForm) -> Organisation:
        """Raises :class:`hub.errors.Conflict` when a colleague changed it since ``revision``."""
        return self._send("PUT", "/organisation", OrganisationUpdate(revision=revision, form=form), Organisation)

    def join_organisation(self, code: str) -> Organisation:
        return self._send("POST", "/organisation/join", Joining(code=code), Organisation)

    def renew_organisation_code(self) -> Organisation:
        return self._send("POST", "/organisation/code", None, Organisation)

    def leave_organisation(self) -> Profile:
        return self._send("POST", "/organisation/leave", None, Profile)

    # -- applications

    def applications(self) -> tuple[ApplicationSummary, ...]:
        """Mine, and those my colleagues submitted; the last changed first."""
        return self._get("/applications", tuple[ApplicationSummary, ...])

    def application(self, number: int) -> Application:
        return self._get(f"/applications/{number}", Application)

    def start_application(self, form: Form) -> Application:
        """A new draft."""
        return self._send("POST", "/applications", form, Application)

    def save_application(self, number: int, revision: int, form: Form) -> Application:
        """Raises :class:`hub.errors.Conflict` when another device saved since ``revision``."""
        return self._send("PUT", f"/applications/{number}", Draft(revision=revision, form=form), Application)

    def submit_application(self, number: int, revision: int) -> Application:
        """Raises :class:`hub.errors.InvalidInput` naming the first field that is missing."""
        return self._send("POST", f"/applications/{number}/submit", Submission(revision=revision), Application)

    def withdraw_application(self, number: int) -> Application:
        return self._send("POST", f"/applications/{number}/withdraw", None, Application)

    def message_reviewers(self, number: int, text: str) -> Application:
        return self._send("POST", f"/applications/{number}/messages", MessageText(text=text), Application)

    def application_version(self, number: int, version: int) -> Version:
        """As it was submitted."""
        return self._get(f"/applications/{number}/versions/{version}", Version)

    def application_document(self, number: int, version: int | None = None) -> bytes:
        """A version as PDF; None: the draft as it would be submitted now."""
        which = "" if version is None else f"/versions/{version}"
        return self._bytes(f"/applications/{number}{which}/document")

    # -- the review desk, for reviewers

    def queue(self, wanted: QueueFilter | None = None) -> Queue:
        """A page of fifty of what is on the desk, due first on top."""
        return self._get("/reviews", Queue, **(wanted or QueueFilter()).model_dump(mode="json", exclude_none=True))

    def declare_conflict(self, number: int, *, conflict: bool, remarks: str = "") -> QueueEntry:
        """Say whether I have a conflict of interest; before that, nothing of an application is shown."""
        said = ConflictDeclaration(conflict=conflict, remarks=remarks)
        return self._send("POST", f"/reviews/{number}/conflict", said, QueueEntry)

    def case(self, number: int) -> Case:
        """The version under review."""
        return self._get(f"/reviews/{number}", Case)

    def case_document(self, number: int) -> bytes:
        """The version under review, as PDF."""
        return self._bytes(f"/reviews/{number}/document")

    def review(self, number: int, review: ReviewForm) -> Case:
        return self._send("PUT", f"/reviews/{number}", review, Case)

    def ask_back(self, number: int, version: int, text: str) -> Case:
        """Send it back to be amended."""
        return self._send("POST", f"/reviews/{number}/changes", AskBack(version=version, text=text), Case)

    def message_applicant(self, number: int, text: str) -> Case:
        return self._send("POST", f"/reviews/{number}/messages", MessageText(text=text), Case)

    def decide(self, number: int, decision: DecisionForm) -> Case:
        """Raises :class:`hub.errors.Conflict` when reviews are missing or somebody decided first."""
        return self._send("POST", f"/reviews/{number}/decision", decision, Case)

    def open_extensions(self) -> tuple[Extension, ...]:
        """Extensions that wait for an answer."""
        return self._get("/extensions", tuple[Extension, ...])

    def decide_extension(self, number: int, *, grant: bool, answer: str) -> Extension:
        said = ExtensionDecision(grant=grant, answer=answer)
        return self._send("POST", f"/extensions/{number}/decision", said, Extension)

    # -- projects

    def projects(self) -> tuple[ProjectView, ...]:
        """Mine, and how far each is made real."""
        return self._get("/projects", tuple[ProjectView, ...])

    def all_projects(self, *, after: str = "") -> tuple[ProjectView, ...]:
        """A hundred of all, by slug; for admins."""
        return self._get("/projects/all", tuple[ProjectView, ...], after=after)

    def project(self, slug: str) -> ProjectView:
        return self._get(f"/projects/{_part(slug)}", ProjectView)

    def change_role(self, slug: str, person: str, role: MemberRole) -> ProjectView:
        path = f"/projects/{_part(slug)}/members/{_part(person)}"
        return self._send("PUT", path, RoleChange(role=role), ProjectView)

    def remove_member(self, slug: str, person: str) -> None:
        """End somebody's access at once, or leave oneself; files stay."""
        self._delete(f"/projects/{_part(slug)}/members/{_part(person)}")

    def invitations(self, slug: str) -> tuple[Invitation, ...]:
        return self._get(f"/projects/{_part(slug)}/invitations", tuple[Invitation, ...])

    def invite(self, slug: str, address: str, role: MemberRole = MemberRole.MEMBER) -> Invitation:
        """Invite by mail; the link works once and for some days. Raises InvalidInput for what is no address."""
        return self._send(
            "POST", f"/projects/{_part(slug)}/invitations", {"address": address, "role": role}, Invitation
        )

    def take_back_invitation(self, slug: str, number: int) -> None:
        self._delete(f"/projects/{_part(slug)}/invitations/{number}")

    def invitation(self, token: str) -> InvitationOffer:
        """What a link invites to."""
        return self._send("POST", "/invitations/offer", {"token": token}, InvitationOffer)

    def accept_invitation(self, token: str) -> ProjectView:
        return self._send("POST", "/invitations/accept", {"token": token}, ProjectView)

    def extensions(self, slug: str) -> tuple[Extension, ...]:
        return self._get(f"/projects/{_part(slug)}/extensions", tuple[Extension, ...])

    def ask_for_extension(self, slug: str, form: ExtensionForm) -> Extension:
        return self._send("POST", f"/projects/{_part(slug)}/extensions", form, Extension)

    def usage(self, slug: str) -> ProjectUsage:
        """Where a project's hours went, and how long they will last."""
        return self._get(f"/projects/{_part(slug)}/usage", ProjectUsage)

    def report(self, slug: str) -> Report:
        return self._get(f"/projects/{_part(slug)}/report", Report)

    def write_report(self, slug: str, draft: ReportDraft) -> Report:
        """Keep a draft, or submit it for good; for leads."""
        return self._send("PUT", f"/projects/{_part(slug)}/report", draft, Report)

    # -- for admins

    def audit(self, *, on: str | None = None, who: str | None = None, before: int | None = None) -> tuple[Event, ...]:
        """The hundred newest events, on one thing or of one person if named."""
        return self._get("/audit", tuple[Event, ...], on=on, who=who, before=before)

    def letters(self, *, before: int | None = None) -> tuple[Letter, ...]:
        """The newest mails of the factory; for admins."""
        return self._get("/mail", tuple[Letter, ...], before=before)

    def attempts(self, name: str, *, server: str | None = None, limit: int = 20) -> list[Attempt]:
        """What became of the servers of ``name``, newest first; ``server`` "" is the default one, None is all."""
        return self._get(f"/people/{_part(name)}/attempts", list[Attempt], server=server, limit=limit)

    @property
    def dataspace(self) -> Dataspace:
        """Searching, publishing and harvesting data."""
        return Dataspace(self._ask_for)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, path: str, model: type[Model], **query: str | int | bool | None) -> Model:
        asked = {name: value for name, value in query.items() if value is not None}
        return _read(self._ask("GET", path, params=asked), model)

    def _send(self, method: str, path: str, body: BaseModel | dict[str, Any] | None, model: type[Model]) -> Model:
        sent = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        return _read(self._ask(method, path, json=sent), model)

    def _delete(self, path: str) -> None:
        _checked(self._ask("DELETE", path))

    def _bytes(self, path: str) -> bytes:
        return _checked(self._ask("GET", path)).content

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise HubUnavailable("Atrium did not answer in time.") from error
        except httpx.HTTPError as error:
            raise HubUnavailable("Atrium cannot be reached just now.") from error

    def _ask_for(
        self,
        method: str,
        path: str,
        read: TypeAdapter[Read],
        *,
        params: dict[str, Any] | None = None,
        body: BaseModel | None = None,
        seconds: float | None = None,
    ) -> Read:
        """As :class:`hub.dataspace.client.Dataspace` asks."""
        sent = None if body is None else body.model_dump(mode="json", exclude_defaults=True)
        timeout = DEADLINE_SECONDS if seconds is None else seconds
        response = _checked(self._ask(method, path, params=params, json=sent, timeout=timeout))
        try:
            return read.validate_json(response.content or b"null")
        except ValidationError as error:
            raise HubUnavailable("Atrium's answer cannot be read; is another version of it running?") from error


def _part(text: str) -> str:
    """One part of an address, whatever is in it."""
    return quote(text, safe="")


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set.", hint="Run this in a notebook or a dashboard of the factory.")
    return value


def _read(response: httpx.Response, model: type[Model]) -> Model:
    # A part that is down makes health answer 503, with the same body as ever.
    if response.is_success or (model is Health and response.status_code == 503):
        try:
            return TypeAdapter(model).validate_json(response.content)
        except ValidationError as error:
            raise HubUnavailable("Atrium's answer cannot be read; is another version of it running?") from error
    raise _refusal(response)


def _checked(response: httpx.Response) -> httpx.Response:
    if not response.is_success:
        raise _refusal(response)
    return response


def _refusal(response: httpx.Response) -> AtriumError:
    kind = _ERRORS.get(response.status_code, AtriumError)
    try:
        told = response.json()["error"]
        return kind(str(told["message"]), field=told.get("field"), hint=told.get("hint"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return kind(f"Atrium answered with status {response.status_code}.")
