"""From an application to hours that run out, on the whole deployment: API, worker, Slurm, storage, Hub groups, mail."""

from __future__ import annotations

import grp
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from hub.applications.models import Application
from hub.client import Api
from hub.projects.models import ProjectView
from hub.reviews.models import DecisionForm, ReviewForm
from hub.usage.models import Outlook, ProjectUsage
from tests.browser import api_token, sign_in
from tests.deployment import Deployment
from tests.hub.fakes import form, settle, submitted
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]

READY_SECONDS = 120
SCORES = {"excellence": 4, "impact": 4, "implementation": 4}

As = Callable[[str], Api]


@pytest.fixture(scope="module")
def as_(deployment: Deployment, browser: Browser) -> Iterator[As]:
    """``as_("founder")``: the API's client with a token that this person got from the Hub."""
    clients: dict[str, Api] = {}

    def client(role: str) -> Api:
        if role not in clients:
            name, context = deployment.person(role), browser.new_context()
            token = api_token(sign_in(context, deployment, name), deployment, name)
            context.close()
            clients[role] = deployment.api(token)
        return clients[role]

    yield client
    for api in clients.values():
        api.close()


@pytest.fixture(scope="module", autouse=True)
def nothing_runs_on(deployment: Deployment) -> Iterator[None]:
    yield
    for role in ("founder", "colleague"):
        deployment.run("scancel", f"--user={deployment.person(role)}", check=False)


@pytest.fixture(scope="module", autouse=True)
def spent(deployment: Deployment, as_: As, nothing_runs_on: None) -> str:
    """A project whose hours are being used. Slurm sums them up once a minute, so it begins before the first test and
    is looked at by the last one."""
    slug = approved(as_, cpu_hours=1, gpu_hours=0)
    ready(as_("founder"), slug)
    job = submit(
        deployment, deployment.person("founder"), slug, "--partition=notebooks", "--cpus-per-task=8", "--time=5"
    )
    assert job.isdigit(), job
    return slug


def approved(as_: As, **hours: int) -> str:
    """A project of the founder's, its slug; what the worker still has to do is not waited for."""
    founder, reviewer = as_("founder"), as_("reviewer")
    settle(founder)
    application = submitted(founder)
    number = application.summary.id
    reviewer.reviews.declare_conflict(number, conflict=False)
    reviewer.reviews.ask_back(number, 1, "Say more about the data.")
    amended = _amend(founder, number)
    granted = {"cpu_hours": 500, "gpu_hours": 20} | hours
    reviewer.reviews.review(number, ReviewForm(version=amended.versions, scores=SCORES, approve=True, **granted))
    case = reviewer.reviews.decide(
        number, DecisionForm(version=amended.versions, approve=True, reason="Sound.", storage_gb=1, **granted)
    )
    assert case.decision is not None
    assert case.decision.project is not None
    return case.decision.project


def _amend(founder: Api, number: int) -> Application:
    application = founder.applications.get(number)
    saved = founder.applications.save(number, application.revision, form(title="Steel, amended"))
    return founder.applications.submit(number, saved.revision)


def ready(client: Api, slug: str) -> ProjectView:
    def look() -> ProjectView | None:
        project = client.projects.get(slug)
        return project if project.state == "active" else None

    ready_project = eventually(look, within=READY_SECONDS, what=f"{slug} is ready")
    assert ready_project is not None
    return ready_project


def submit(deployment: Deployment, person: str, slug: str, *options: str) -> str:
    """What ``sbatch`` says to a person: a job's number, or a refusal."""
    argv = ["runuser", "-u", person, "--", "sbatch", "--parsable", f"--account={slug}", *options, "--wrap=sleep 600"]
    process = deployment.run(*argv, "--output=/dev/null", check=False)
    return process.stdout.strip() or process.stderr.strip()


def accounts(deployment: Deployment, slug: str) -> list[str]:
    argv = [
        "sacctmgr",
        "-nP",
        "show",
        "associations",
        f"account={slug}",
        "format=user,partition,parentname,grptresmins",
    ]
    return deployment.run(*argv).stdout.split()


def group_of(deployment: Deployment, slug: str) -> grp.struct_group:
    directory = deployment.settings.paths.projects / slug
    return grp.getgrgid(directory.stat().st_gid)


def test_an_accepted_application_is_a_project_and_a_colleague_joins_and_leaves(deployment: Deployment, as_: As) -> None:
    founder, colleague, admin = as_("founder"), as_("colleague"), as_("admin")
    name, other = deployment.person("founder"), deployment.person("colleague")
    slug = approved(as_)
    project = ready(founder, slug)
    assert all(step.done for step in project.steps)
    assert f"||call-playground-2026|cpu={500 * 60},gres/gpu={20 * 60}" in accounts(deployment, slug)
    directory = Path(project.directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o2770
    assert group_of(deployment, slug).gr_mem == [name]
    letters = [email for email in admin.letters() if email.subject == f"Your project {slug} is ready"]
    assert [email.to.partition("@")[0] for email in letters] == [name]

    founder.projects.invite(slug, "colleague@example.eu")
    letter = eventually(
        lambda: next(
            (email for email in admin.letters() if slug in email.subject and email.text.count("#/invitation/")), None
        ),
        within=60,
        what="the invitation lies in the mailbox",
    )
    token = re.search(r"#/invitation/(\S+)", letter.text)
    assert token is not None
    colleague.projects.accept_invitation(token[1])
    ready(founder, slug)
    assert group_of(deployment, slug).gr_mem == sorted([name, other])
    job = submit(deployment, other, slug, "--partition=notebooks", "--time=10")
    assert job.isdigit(), job

    founder.projects.remove_member(slug, other)
    ready(founder, slug)
    refusal = submit(deployment, other, slug, "--partition=notebooks", "--time=10")
    assert not refusal.isdigit(), refusal
    assert group_of(deployment, slug).gr_mem == [name]
    assert job not in deployment.jobs_of(other)
    # The association goes once Slurm has ended the last job; from the removal on it takes no new one.
    eventually(lambda: other not in " ".join(accounts(deployment, slug)), within=60, what="the association is gone")
    assert "nvalid account" in submit(deployment, other, slug, "--partition=notebooks", "--time=10")
    assert {event.what for event in admin.audit(on=f"project/{slug}")} >= {
        "project awarded",
        "joined",
        "member removed",
    }


@pytest.mark.parametrize("program", ["worker", "api", "slurmdbd"])
def test_a_program_killed_while_a_project_is_made(deployment: Deployment, as_: As, program: str) -> None:
    """Whatever dies, there is one account, one directory and one letter in the end."""
    founder, admin = as_("founder"), as_("admin")
    os.kill(deployment.processes()[program], signal.SIGKILL) if program != "api" else None
    slug = approved(as_)
    if program in ("worker", "api"):
        eventually(lambda: program in deployment.processes(), within=60, what=f"{program} runs")
        os.kill(deployment.processes()[program], signal.SIGKILL)
    eventually(lambda: _answers(founder), within=READY_SECONDS, what="the API answers")
    ready(founder, slug)
    assert [row for row in accounts(deployment, slug) if row.startswith("||")] == [
        f"||call-playground-2026|cpu={500 * 60},gres/gpu={20 * 60}"
    ]
    assert Path(founder.projects.get(slug).directory).is_dir()
    letters = [email for email in admin.letters() if email.subject == f"Your project {slug} is ready"]
    assert len(letters) == 1


def _answers(client: Api) -> bool:
    try:
        return bool(client.me())
    except Exception:  # whatever it is, it is asked again
        return False


def test_hours_move_and_then_slurm_refuses(deployment: Deployment, as_: As, spent: str) -> None:
    founder, name = as_("founder"), deployment.person("founder")

    def moved() -> ProjectUsage | None:
        usage = founder.usage(spent)
        return usage if usage.cpu.used > 0 and usage.people else None

    used = eventually(moved, within=240, every=0.5, what="usage moves")
    assert [person.name for person in used.people] == [name]
    assert [partition.name for partition in used.partitions] == ["notebooks"]
    assert (used.cpu_runs_out, used.cpu_outlook) == (None, Outlook.TOO_EARLY), "it was used on one day"
    deployment.run("scancel", f"--user={name}")
    too_long = submit(deployment, name, spent, "--partition=notebooks", "--cpus-per-task=8", "--time=60")
    eventually(
        lambda: "Assoc" in _why_it_waits(deployment, too_long),
        within=60,
        what="Slurm says that the hours are gone",
    )


def _why_it_waits(deployment: Deployment, job_id: str) -> str:
    """The reason of a waiting job, or the refusal itself."""
    return "".join(deployment.squeue(f"--jobs={job_id}", "--format=%r")) if job_id.isdigit() else job_id
