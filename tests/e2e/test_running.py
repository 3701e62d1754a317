"""Running notebooks: time left, warnings, endings, and continuing in a new job."""

from __future__ import annotations

import json
import pwd
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import Page, expect

from hub import tls
from tests.browser import accessibility_problems, api_token, fetch, screenshot
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, open_empty_lab, run_cell, wait_for_kernel
from tests.e2e.test_isolation import no_node_for_notebooks, press_start
from tests.e2e.visitor import START_SECONDS, Visitor, staying
from tests.polling import eventually
from tests.temporary_deployment import changed_settings
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

TIME_BUTTON = "#atrium-time"
TIME = "%Y-%m-%dT%H:%M:%S"
"""As Slurm writes a moment."""
POLL_SECONDS = 30
"""How often an open Lab asks its server (widgets/labextension/static/job.js)."""


def start(visitor: Visitor, **options: int | str) -> None:
    """A server by the Hub's API with these options, and its Lab, with an empty workspace, on the visitor's page."""
    deployment = visitor.deployment
    hub = f"{deployment.public_url}/hub/api/users/{visitor.name}/server"
    answer = fetch(visitor.page, "POST", hub, json.dumps({"user_options": options}))
    assert answer["status"] in (201, 202), answer
    eventually(lambda: running(visitor), within=START_SECONDS, what=f"{visitor.name}'s server is ready")
    open_empty_lab(visitor.page, deployment.server_url(visitor.name))
    visitor.page.locator(".jp-LauncherCard").first.wait_for(timeout=180_000)


def job_of(visitor: Visitor) -> str:
    [job] = visitor.deployment.jobs_of(visitor.name)
    return job


def job_status(visitor: Visitor) -> dict[str, Any]:
    answer = fetch(visitor.page, "GET", f"{visitor.deployment.server_url(visitor.name)}atrium/job")
    assert answer["status"] == 200, answer
    return dict(json.loads(answer["text"]))


def warning(page: Page, text: str | re.Pattern[str]) -> Any:
    return page.locator(".jp-toastContainer .Toastify__toast, .Toastify__toast").filter(has_text=text)


@pytest.fixture(scope="module", autouse=True)
def little_patience(deployment: Deployment) -> Iterator[None]:
    """A size whose servers end soon without use, and servers that give a Hub up after seconds."""
    impatient = '{ name = "impatient", title = "Impatient", idle_minutes = 1.5 }'
    lines = f"[spawn]\nunreachable_seconds = 5\nprofiles = [{impatient}]\n"
    with changed_settings(deployment, {"[spawn]\n": lines}, apply=restart_hub):
        yield


@pytest.fixture(scope="module", autouse=True)
def forgotten(
    deployment: Deployment, signed_in: Callable[[str], Page], little_patience: None
) -> Iterator[tuple[Visitor, str]]:
    """Somebody who went away from their notebook, and its job. It is there from the first test on, so that it has ended
    when one looks."""
    with staying(deployment, signed_in, "learner01") as learner:
        start(learner, profile="impatient")
        job = job_of(learner)
        learner.page.goto(learner.home)
        yield learner, job


# -- time ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def notebook(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    """A notebook of four hours that tests only look at, open on its owner's page."""
    with staying(deployment, signed_in, "trainer") as trainer:
        start(trainer, minutes=240)
        yield trainer


def test_the_status_bar_shows_the_time_left_and_the_projects_hours(deployment: Deployment, notebook: Visitor) -> None:
    page = notebook.page
    button = page.locator(TIME_BUTTON)
    expect(button).to_have_text(re.compile(r"^3 h 5\d min left"), timeout=180_000)
    expect(button).to_have_text(re.compile(r"CPU h"), timeout=(POLL_SECONDS + 15) * 1000)
    screenshot(page, "lab-time")
    assert re.search(r"on cpu\d, partition notebooks, as job \d+", button.get_attribute("title") or "")

    button.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It also ends when nothing happens in it for 2 h.", timeout=90_000)
    screenshot(page, "lab-time-dialog")
    dialog.get_by_role("button", name="Close").click()

    ends = deployment.run("squeue", "--noheader", f"--jobs={job_of(notebook)}", "--format=%e").stdout.strip()
    assert time.mktime(time.strptime(ends, TIME)) == job_status(notebook)["ends"]


def test_a_job_that_ends_soon_is_warned_of_and_goes_on_in_a_new_one(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    start(founder, minutes=5)
    page, first = founder.page, job_of(founder)
    expect(warning(page, re.compile("This notebook ends in [345] min"))).to_be_visible(timeout=180_000)
    expect(page.locator(TIME_BUTTON)).to_contain_text(re.compile("⚠ [345] min left"))
    screenshot(page, "lab-warning")
    new_notebook(page)
    run_cell(page, "kept = 1")
    workspace = page.url
    page.reload()
    wait_for_kernel(page)
    expect(page.locator(TIME_BUTTON)).to_contain_text("left", timeout=180_000)
    assert warning(page, "This notebook ends in").count() == 0, "said once, also to a page that is loaded again"

    page.get_by_role("menuitem", name="Atrium").click()
    page.get_by_role("menuitem", name="Continue in a new job").click()
    page.wait_for_url(re.compile("/hub/atrium/continue"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Continue in a new job")
    expect(page.locator("main")).to_contain_text("5 min in notebooks")
    assert accessibility_problems(page) == []
    screenshot(page, "continue")
    page.get_by_role("button", name="Stop it and continue").click()
    page.wait_for_url(re.compile("/hub/spawn-pending/|/lab|/hub/atrium/continue"), timeout=90_000)
    founder.wait_for_lab()

    assert job_of(founder) != first
    assert page.url.partition("?")[0] == workspace.partition("?")[0]
    expect(page.locator(".jp-Notebook").first).to_be_visible(timeout=180_000)
    wait_for_kernel(page)
    assert "NameError" in run_cell(page, "kept"), "a new kernel"


def test_a_job_whose_time_is_over_ends_by_itself_before_slurm_ends_it(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    start(founder, minutes=60)
    new_notebook(founder.page)
    run_cell(founder.page, "import atexit, pathlib; atexit.register(pathlib.Path('ended-in-order').touch)")
    home, job = Path(pwd.getpwnam(founder.name).pw_dir), job_of(founder)
    (home / "ended-in-order").unlink(missing_ok=True)
    # An administrator takes time away: Slurm sends its signal, and the server asks when the end is now. Slurm looks for
    # jobs to be signalled or ended every half a minute, so that the end must not be nearer.
    ends = time.strftime(TIME, time.localtime(time.time() + 40))
    deployment.run("scontrol", "update", f"jobid={job}", f"EndTime={ends}")
    founder.wait_until_nothing_runs_within(120)

    assert outcome(deployment, job) == "COMPLETED 0:0"
    assert (home / "ended-in-order").exists(), "the kernel was not asked to end"
    assert f"{founder.name} goes: time limit" in hub_log(deployment)


def outcome(deployment: Deployment, job: str) -> str:
    """State and exit code of a job that is over, once the accounts know."""

    def ended() -> str:
        row = deployment.run("sacct", "-X", "-P", "-n", f"--jobs={job}", "--format=State,ExitCode").stdout.strip()
        return "" if row.startswith(("RUNNING", "PENDING")) else row.replace("|", " ")

    return eventually(ended, within=30, what="the job's end in the accounts")


def hub_log(deployment: Deployment) -> str:
    return "\n".join(path.read_text() for path in (deployment.prefix / "var/log/atrium").glob("hub*"))


# -- idleness -----------------------------------------------------------------------------------------------------


def restart_hub(deployment: Deployment) -> None:
    before = deployment.processes().get("hub")
    deployment.supervisorctl("restart", "hub")
    eventually(lambda: deployment.processes().get("hub", before) != before, within=90, what="a new Hub")
    eventually(lambda: hub_answers(deployment), within=90, what="the Hub answers")


def hub_answers(deployment: Deployment) -> bool:
    with client() as anybody:
        return anybody.get(f"{deployment.public_url}/hub/api/health").status_code == 200


def test_an_idle_server_warns_can_be_extended_and_ends(
    deployment: Deployment, visit: Visit, forgotten: tuple[Visitor, str]
) -> None:
    founder = visit("founder")
    page = founder.page
    page.clock.install()
    start(founder, profile="impatient")
    eventually(
        lambda: job_status(founder)["idle_end"] is not None, within=60, what="the founder's server thinks of its end"
    )
    page.clock.fast_forward(POLL_SECONDS * 1000)
    notice = warning(page, "Nothing has happened here for a while")
    expect(notice).to_be_visible()
    screenshot(page, "lab-idle")
    notice.get_by_role("button", name="Keep it running").click()
    expect(notice).to_be_hidden()
    assert job_status(founder)["idle_end"] is None

    forgetful, job = forgotten
    forgetful.wait_until_nothing_runs_within(150)
    assert outcome(deployment, job) == "COMPLETED 0:0"
    assert f"{forgetful.name} goes: idle" in hub_log(deployment)
    assert deployment.jobs_of(founder.name), "the one that was kept is still there"


# -- others on the node -------------------------------------------------------------------------------------------


def test_another_user_of_the_node_gets_nothing_from_a_server(
    deployment: Deployment, notebook: Visitor, visit: Visit
) -> None:
    colleague = visit("colleague")
    address = f"{server_address(notebook.name)}/user/{notebook.name}"
    token = api_token(colleague.page, deployment, colleague.name)
    paths = ("api/contents", "api/kernels", "api/sessions", "api/terminals", "api/status", "lab", "atrium/job")
    # By TLS, nobody else's server gets as far as a request.
    refusals = {"000"} if address.startswith("https:") else {"302", "403"}
    got = {
        (path, who): curl(deployment, colleague.name, f"{address}/{path}", header, "--insecure", check=False)
        for path in paths
        for who, header in (("nobody", ""), ("colleague", f"Authorization: token {token}"))
    }

    assert {entry: status for entry, status in got.items() if status not in refusals} == {}
    for path in ("api/shutdown", "atrium/job/keep", "api/kernels"):
        post = ("", "--insecure", "-X", "POST")
        assert curl(deployment, colleague.name, f"{address}/{path}", *post, check=False) in refusals
    assert deployment.jobs_of(notebook.name), "nobody else ended it"


def server_process(name: str) -> psutil.Process:
    [server] = [
        process
        for process in psutil.process_iter(["username", "cmdline"])
        if process.info["username"] == name and "spawners.node.launch" in (process.info["cmdline"] or [])
    ]
    return server


def server_address(name: str) -> str:
    """Where the person's server really listens, past the proxy."""
    server = server_process(name)
    scheme = urlsplit(server.environ()["JUPYTERHUB_API_URL"]).scheme
    connections = server.net_connections("inet")
    [place] = {connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN}
    assert place.ip == "127.0.0.1", "only where the Hub reaches it"
    return f"{scheme}://{place.ip}:{place.port}"


def curl(deployment: Deployment, user: str, url: str, header: str, *more: str, check: bool = True) -> str:
    """The status that the OS user ``user`` gets, 000 without an answer; the header comes by standard input."""
    command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--header", "@-"]
    if url.startswith("https:"):
        command += ["--cacert", str(tls.authority_file(deployment.settings))]
    command += [*more, url]
    return deployment.run("runuser", "-u", user, "--", *command, text=header, check=check).stdout


def test_a_terminal_can_be_interrupted(notebook: Visitor) -> None:
    """What a shell starts beside itself does not hear Ctrl-C, and all it starts inherits that: the server undoes it."""
    status = Path(f"/proc/{server_process(notebook.name).pid}/status").read_text()
    ignored = int(re.findall(r"SigIgn:\s*([0-9a-f]+)", status)[0], 16)

    assert ignored & (1 << (signal.SIGINT - 1)) == 0
    assert ignored & (1 << (signal.SIGQUIT - 1)) == 0


# -- what is wrong on a node --------------------------------------------------------------------------------------


def test_a_closed_home_and_a_missing_environment_have_different_messages(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    home, software = Path(pwd.getpwnam(founder.name).pw_dir), deployment.settings.paths.user_env
    assert failed_start(founder) is None, "all is well"
    with mode_of(home, 0o500):
        assert failed_start(founder) == "FAILED 0:53", "Slurm cannot write the log there"
    with moved(software):
        assert failed_start(founder) == "FAILED 72:0"


def test_a_server_that_cannot_reach_the_hub_ends_and_says_so(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    with no_node_for_notebooks(deployment):
        press_start(founder)
        [job] = eventually(lambda: deployment.jobs_of(founder.name), within=60, what="a job that waits")
        deployment.supervisorctl("stop", "hub")
    try:
        founder.wait_until_nothing_runs()
        assert outcome(deployment, job) == "FAILED 70:0"
    finally:
        deployment.supervisorctl("start", "hub")
        eventually(lambda: hub_answers(deployment), within=90, what="the Hub answers")
    log = Path(pwd.getpwnam(founder.name).pw_dir) / ".atrium-notebook.log"
    assert "This node cannot reach the Hub" in log.read_text()


def failed_start(visitor: Visitor) -> str | None:
    """How the job of a start ended; None: it did not."""
    deployment = visitor.deployment
    hub = f"{deployment.public_url}/hub/api/users/{visitor.name}/server"
    visitor.page.goto(visitor.home)
    known = all_jobs(visitor)
    fetch(visitor.page, "POST", hub, "{}")
    [job] = eventually(lambda: all_jobs(visitor) - known, within=30, what="a job")
    try:
        eventually(lambda: running(visitor) or not deployment.jobs_of(visitor.name), within=60, what="up, or over")
        return None if running(visitor) else outcome(deployment, job)
    finally:
        visitor.stop_everything()


def all_jobs(visitor: Visitor) -> set[str]:
    return set(visitor.deployment.run("sacct", "-X", "-n", "-P", f"--user={visitor.name}", "-oJobID").stdout.split())


def running(visitor: Visitor) -> bool:
    hub = f"{visitor.deployment.public_url}/hub/api/users/{visitor.name}"
    servers = json.loads(fetch(visitor.page, "GET", hub)["text"])["servers"]
    return bool(servers) and servers[""]["ready"]


@contextmanager
def mode_of(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode & 0o7777
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


@contextmanager
def moved(path: Path) -> Iterator[None]:
    aside = path.with_name(f"{path.name}-aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)
