"""Stateful fakes of the external systems that projects are provisioned in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2
from sqlalchemy.orm import Session

from hub.applications.models import Application, Form
from hub.client import Api
from hub.db.base import now
from hub.organisations.models import OrganisationForm, ProfileForm
from hub.projects import provisioning, service
from hub.projects.models import ProjectSpec, StepResult
from hub.projects.provisioning import Backends
from hub.projects.tables import Project
from hub.settings import Settings

URL = "http://api/services/atrium/api"


class Through(httpx2.BaseTransport):
    """From the client's requests to the app under test."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.api.request(request.method, request.url, headers=request.headers, content=request.read())
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


class FakeStorage:
    """Directories by slug: who is in the group, and whether it is closed. ``error`` is raised when set."""

    def __init__(self) -> None:
        self.directories: dict[str, tuple[tuple[str, ...], bool]] = {}
        self.created_directories = 0
        self.strangers: set[str] = set()
        """People without an OS account."""
        self.error: BaseException | None = None

    async def ensure(self, slug: str, members: Sequence[str], *, storage_gb: int, closed: bool) -> StepResult:
        if self.error:
            raise self.error
        self.created_directories += slug not in self.directories
        self.directories[slug] = (tuple(name for name in members if name not in self.strangers), closed)
        strangers = tuple(sorted(self.strangers & set(members)))
        return StepResult(f"no account here: {', '.join(strangers)}" if strangers else "", strangers)


class FakeGroups:
    """Groups of the Hub, which knows everybody but ``strangers``."""

    def __init__(self) -> None:
        self.groups: dict[str, set[str]] = {}
        self.strangers: set[str] = set()
        self.calls = 0
        self.error: BaseException | None = None

    async def ensure(self, project: str, members: Sequence[str]) -> tuple[str, ...]:
        if self.error:
            raise self.error
        self.calls += 1
        self.groups[project] = set(members) - self.strangers
        return tuple(sorted(self.strangers & set(members)))


def backends(slurm: Any, settings: Settings | None = None) -> Backends:
    return Backends(slurm=slurm, storage=FakeStorage(), groups=FakeGroups(), settings=settings or Settings())


async def provision(session: Session, slurm: Any, spec: ProjectSpec) -> Project:
    """A project as ``atrium project create`` makes it."""
    project = service.record(session, spec, who="admin", today=now().date())
    await provisioning.provision(session, backends(slurm), project)
    return project


# -- somebody who applies ---------------------------------------------------------------------------------------------

ORGANISATION: dict[str, Any] = {
    "name": "Green Steel GmbH",
    "kind": "company",
    "country": "AT",
    "figures": {"staff": 12, "turnover": 900_000, "balance": 400_000},
}
QUESTIONS = (
    *("manipulation", "vulnerability", "social-scoring", "crime-prediction", "face-scraping", "emotion-at-work"),
    *("biometric-categories", "remote-identification", "intimate-imagery", "safety-component", "annex-iii", "gpai"),
    *("talks-to-people", "synthetic-content", "emotion-or-category"),
)
FORM: dict[str, Any] = {
    "call": "playground-2026",
    "title": "Green steel from hydrogen",
    "sector": "clean-agri-tech",
    "goal": "try",
    "use_case": "Surrogate models of direct reduction shafts, trained on our simulations and sensor data.",
    "resources": {"systems": ["atrium-gpu"], "cpu_hours": 1000, "gpu_hours": 200, "storage_gb": 50, "months": 2},
    "data": {"personal_data": False, "datasets": [{"title": "Shaft runs", "url": "https://example.eu/shaft"}]},
    "ai_act": dict.fromkeys(QUESTIONS, False),
    "declaration": {"issues": "None known.", "civilian_use": True, "truthful": True},
}


def form(**changes: Any) -> Form:
    return Form.model_validate(FORM | changes)


def settle(client: Api, **organisation: Any) -> None:
    """Have a profile and an organisation."""
    client.organisations.write_profile(ProfileForm(full_name="Ada Lovelace", position="CTO"))
    client.organisations.create(OrganisationForm.model_validate(ORGANISATION | organisation))


def submitted(client: Api, **changes: Any) -> Application:
    """An application of a settled person, on the review desk."""
    draft = client.applications.start(form(**changes))
    return client.applications.submit(draft.summary.id, draft.revision)


class Clock:
    """A clock that a test sets, in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now
