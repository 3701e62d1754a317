"""Isolation: requests and actions that must be refused."""

from __future__ import annotations

import json
import pwd
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import Browser, Page

from deploy.dev.processes import has_ipv6
from tests.browser import api_token, fetch, websocket_opens
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.visitor import Visitor, staying
from tests.polling import eventually
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

REFUSED = {401, 403, 404, 405}
NO_SERVER = 424
"""What programs get at an address below which no server runs, whoever they are."""
KERNEL = re.compile(r"/api/kernels/([0-9a-f-]{36})/channels")

HUB_PAGES = ("", "hub/", "hub/home", "hub/spawn", "hub/admin", "hub/token", "hub/metrics")
HUB_ROUTES = ("users", "services", "info", "proxy", "groups", "batchspawner")
API_ROUTES = ("", "api", "api/me", "api/people/founder/overview", "api/openapi.json", "api/docs", "docs")
DASHBOARD_PAGES = ("", "onboarding", "voila/render/onboarding.ipynb", "lab", "tree", "files/onboarding.ipynb")
DASHBOARD_ROUTES = ("api/kernels", "api/contents", "api/sessions", "api/status", "api/terminals")

NOT_A_PORT = (
    "",
    "[]",
    "8888",
    "{}",
    '{"port": 80}',
    '{"port": 65536}',
    '{"port": "8888"}',
    '{"port": true}',
    '{"port": 8888.5}',
    '{"port": null}',
    '{"port": 8888, "ip": "192.0.2.1"}',
    '{"port": 8888, "job_id": "1"}',
    '{"user_options": {}}',
    "{not json",
)


@pytest.fixture(scope="module")
def trainer(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    """Somebody whose notebook runs, with a kernel."""
    with staying(deployment, signed_in, "trainer") as visitor:
        visitor.start_notebook()
        new_notebook(visitor.page)
        assert run_cell(visitor.page, "6 * 7") == "42"
        yield visitor


# -- the Hub's host -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["server", "service", "unknown"])
def test_nobody_signs_in_on_a_host_that_is_not_the_hubs(deployment: Deployment, browser: Browser, origin: str) -> None:
    public = urlsplit(deployment.public_url)
    colleague, service = (
        deployment.server_url(deployment.person("colleague")),
        deployment.settings.service_url("atrium"),
    )
    host = {
        "server": urlsplit(colleague).netloc,
        "service": urlsplit(service).netloc,
        "unknown": f"127.0.0.1:{public.port}",
    }
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(f"http://{host[origin]}/hub/login")
    assert answer is not None
    if origin == "unknown":
        assert (answer.status, deployment.public_url in page.content()) == (421, True)
    else:
        assert page.url.startswith(f"{deployment.public_url}/hub/login")
    assert context.cookies(f"http://{host[origin]}/hub/login") == []
    context.close()

    name = deployment.person("founder")
    with client() as http:
        credentials = {"username": name, "password": deployment.login(name)}
        refused = http.post(f"{deployment.public_url}/hub/login", data=credentials, headers={"Host": host[origin]})
        token = http.post(f"{deployment.public_url}/hub/api/users/{name}/tokens", headers={"Host": host[origin]})
    for response in (refused, token):
        assert (response.status_code, response.headers.get_list("set-cookie")) == (421, [])


# -- people and each other's servers ------------------------------------------------------------------------------


def test_a_colleagues_server_is_not_opened(deployment: Deployment, trainer: Visitor, visit: Visit) -> None:
    founder = visit("founder")
    for path in ("", "lab", "api/contents", "api/kernels", "atrium/scaling"):
        answer = founder.page.goto(deployment.server_url(trainer.name) + path)
        assert answer is not None
        assert answer.status == 403, path


def test_a_kernel_belongs_to_the_visitor_who_opened_it(deployment: Deployment, visit: Visit) -> None:
    founder, colleague = visit("founder"), visit("colleague")
    kernel = open_onboarding(founder)
    open_onboarding(colleague)
    dashboards = deployment.settings.service_url("dashboards")
    channels = f"{dashboards.replace('http', 'ws', 1)}api/kernels/{kernel}/channels"

    assert websocket_opens(founder.page, channels), "the owner's own connection, to know that the address is right"
    assert not websocket_opens(colleague.page, channels)
    for method, path in kernel_requests(kernel):
        answer = fetch(colleague.page, method, dashboards + path)
        assert answer["status"] in REFUSED, f"{method} {path}: {answer}"
    assert websocket_opens(founder.page, channels), "the kernel is still there"


def open_onboarding(visitor: Visitor) -> str:
    """The id of the kernel behind the visitor's page."""
    with visitor.page.expect_websocket(lambda socket: bool(KERNEL.search(socket.url))) as opened:
        visitor.open_dashboard("onboarding")
    match = KERNEL.search(opened.value.url)
    assert match
    return match[1]


def kernel_requests(kernel: str) -> Iterator[tuple[str, str]]:
    yield "GET", f"api/kernels/{kernel}"
    yield "PATCH", f"api/kernels/{kernel}"
    yield "POST", f"api/kernels/{kernel}/interrupt"
    yield "POST", f"api/kernels/{kernel}/restart"
    yield "GET", f"voila/query/{kernel}"
    yield "POST", f"voila/api/shutdown/{kernel}"
    yield "DELETE", f"api/kernels/{kernel}"


# -- strangers ----------------------------------------------------------------------------------------------------


def test_a_stranger_reaches_the_login_page_and_health(deployment: Deployment) -> None:
    health = deployment.settings.service_url("atrium") + "api/health"
    dashboards = deployment.settings.service_url("dashboards") + "health"
    with client() as stranger:
        assert stranger.get(f"{deployment.public_url}/hub/login").status_code == 200
        assert stranger.get(f"{deployment.public_url}/hub/api/health").status_code == 200
        assert stranger.get(health).json()["status"] == "ok"
        assert stranger.get(dashboards).status_code == 200


def test_a_stranger_reaches_nothing_else(deployment: Deployment) -> None:
    settings, name = deployment.settings, deployment.person("founder")
    addresses = [f"{deployment.public_url}/{path}" for path in HUB_PAGES]
    addresses += [f"{deployment.public_url}/hub/api/{path}" for path in HUB_ROUTES]
    addresses += [deployment.server_url(name) + path for path in ("", "lab", "api/contents", "atrium/scaling")]
    addresses += [settings.service_url("atrium") + path for path in API_ROUTES]
    addresses += [settings.service_url("dashboards") + path for path in (*DASHBOARD_PAGES, *DASHBOARD_ROUTES)]
    with client() as stranger:
        stranger.follow_redirects = True
        reached = {address: where_it_ends(stranger, address) for address in addresses}

    assert {address: end for address, end in reached.items() if end != "refused"} == {}


def where_it_ends(stranger: httpx2.Client, address: str) -> str:
    answer = stranger.get(address)
    at_login = urlsplit(str(answer.url)).path == "/hub/login"
    return (
        "refused"
        if at_login or answer.status_code in {*REFUSED, NO_SERVER}
        else f"{answer.status_code} at {answer.url}"
    )


@pytest.mark.parametrize("password", ["", "wrong", "founder"])
def test_a_wrong_password_opens_nothing(deployment: Deployment, browser: Browser, password: str) -> None:
    page = browser.new_page()
    page.goto(f"{deployment.public_url}/hub/login")
    page.locator("form").first.evaluate("form => form.noValidate = true")
    page.locator("input[name=username]").fill(deployment.person("founder"))
    page.locator("input[name=password]").fill(password)
    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        page.locator("input[name=password]").press("Enter")
    status = answer.value.status
    page.goto(f"{deployment.public_url}/hub/home")
    ended_at = urlsplit(page.url).path
    page.close()

    assert status == 403
    assert ended_at == "/hub/login"


# -- processes and secrets ----------------------------------------------------------------------------------------


def test_atriums_programs_do_not_run_as_root(deployment: Deployment) -> None:
    owners = {
        program: pwd.getpwuid(psutil.Process(pid).uids().effective).pw_name
        for program, pid in deployment.processes().items()
        if program in ("nginx", "proxy", "hub", "api", "worker", "dashboards")
    }

    service = dict.fromkeys(("nginx", "proxy", "hub", "api", "worker"), "atrium")
    assert owners == {**service, "dashboards": "atrium-web"}


def test_no_kernel_of_the_dashboards_holds_a_token_of_the_service(deployment: Deployment, visit: Visit) -> None:
    open_onboarding(visit("founder"))
    secret = (deployment.etc / "secrets/dashboards").read_text().strip()
    server = psutil.Process(deployment.processes()["dashboards"])
    kernels = server.children(recursive=True)

    assert kernels
    assert [child.pid for child in kernels if secret in " ".join(child.environ().values())] == []
    assert [child.pid for child in kernels if "JUPYTERHUB_API_TOKEN" in child.environ()] == []


def test_the_token_of_a_running_server_can_be_read_nowhere(deployment: Deployment, trainer: Visitor) -> None:
    [job] = deployment.jobs_of(trainer.name)
    token = token_of_server(trainer.name)

    assert [process.pid for process in psutil.process_iter(["cmdline"]) if token in " ".join(cmdline(process))] == []
    assert token not in deployment.run("scontrol", "show", "job", "-dd", job).stdout
    assert token not in deployment.run("scontrol", "write", "batch_script", job, "-").stdout
    assert token not in deployment.run("sacct", f"--jobs={job}", "--parsable2", "--format=ALL").stdout
    assert files_with(token, deployment.prefix / "var/log") == []
    assert readable_files_with(deployment, token, reader=deployment.person("colleague")) == []


def test_kernels_are_closed_to_everybody_else_on_the_node(trainer: Visitor) -> None:
    owner = pwd.getpwnam(trainer.name).pw_uid
    folders = [folder for folder in Path("/tmp").glob("atrium-*") if folder.stat().st_uid == owner]
    connections = [json.loads(path.read_text()) for folder in folders for path in folder.glob("kernel-*.json")]

    assert {folder.stat().st_mode & 0o077 for folder in folders} == {0}
    assert connections
    assert {connection["transport"] for connection in connections} == {"ipc"}


def test_nobody_else_can_answer_for_localhost(deployment: Deployment) -> None:
    """Browsers try ::1 first, so it must be ours as well."""
    if not has_ipv6():
        pytest.skip("this machine has no ::1")
    port = urlsplit(deployment.public_url).port
    with httpx2.Client(trust_env=False) as stranger:
        assert stranger.get(f"http://[::1]:{port}/hub/login", headers={"Host": f"localhost:{port}"}).status_code == 200


def token_of_server(name: str) -> str:
    """Taken by root out of the environment of the person's processes, where alone it may be."""
    tokens = {
        process.environ()["JUPYTERHUB_API_TOKEN"]
        for process in psutil.process_iter(["username"])
        if process.info["username"] == name and "JUPYTERHUB_API_TOKEN" in process.environ()
    }
    [token] = tokens
    return str(token)


def cmdline(process: psutil.Process) -> list[str]:
    return process.info["cmdline"] or []


def files_with(text: str, folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [str(path) for path in files if text.encode() in path.read_bytes()]


def readable_files_with(deployment: Deployment, text: str, *, reader: str) -> list[str]:
    """Files that the OS user ``reader`` can read and that hold ``text``, which is given to grep on its input."""
    folders = [str(deployment.prefix / part) for part in ("etc", "var", "run", "home", "projects")]
    grep = ["grep", "-rlsF", "--devices=skip", "--file=-", *folders, "/tmp", "/dev/shm"]
    return deployment.run("runuser", "-u", reader, "--", *grep, check=False, text=text).stdout.splitlines()


# -- the handshake ------------------------------------------------------------------------------------------------


def test_the_handshake_takes_one_port_once_and_only_while_a_start_is_pending(
    deployment: Deployment, visit: Visit
) -> None:
    founder, colleague = visit("founder"), visit("colleague")
    strangers_token = api_token(colleague.page, deployment, colleague.name)
    with no_node_for_notebooks(deployment):
        press_start(founder)
        [job] = eventually(lambda: deployment.jobs_of(founder.name), within=60, what="a job that waits")
        token = token_of_waiting_job(deployment, job)
        assert [body for body in NOT_A_PORT if announce(deployment, token, body) != 422] == []
        assert announce(deployment, "", '{"port": 8888}') in REFUSED
        assert announce(deployment, strangers_token, '{"port": 8888}') in REFUSED
    founder.wait_for_lab()
    assert announce(deployment, token, '{"port": 8888}') == 409, "a second port"
    assert fetch(founder.page, "GET", f"{deployment.server_url(founder.name)}api/status")["status"] == 200

    founder.stop_everything()
    assert announce(deployment, token, '{"port": 8888}') in REFUSED, "no start is pending"
    refusals = [line for line in hub_log(deployment).splitlines() if "Refused a handshake" in line]
    assert len(refusals) >= len(NOT_A_PORT) + 3


@contextmanager
def no_node_for_notebooks(deployment: Deployment) -> Iterator[None]:
    """Jobs of the notebooks' partition wait for as long as this lasts."""
    partition = f"PartitionName={deployment.settings.slurm.partition}"
    deployment.run("scontrol", "update", partition, "State=DOWN")
    try:
        yield
    finally:
        deployment.run("scontrol", "update", partition, "State=UP")


def press_start(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(f"{visitor.deployment.public_url}/hub/spawn")
    page.get_by_role("button", name="Start notebook").click()


def token_of_waiting_job(deployment: Deployment, job: str) -> str:
    """Taken by root out of the controller's own state, which only it may read."""
    config = deployment.run("scontrol", "show", "config").stdout
    [folder] = re.findall(r"^StateSaveLocation\s*=\s*(\S+)", config, flags=re.MULTILINE)
    [environment] = Path(folder).glob(f"hash.*/job.{job}/environment")
    match = re.search(rb"JUPYTERHUB_API_TOKEN=([^\0]+)", environment.read_bytes())
    assert match
    return match[1].decode()


def announce(deployment: Deployment, token: str, body: str) -> int:
    with client(token) as server:
        address = f"{deployment.public_url}/hub/api/batchspawner"
        return server.post(address, content=body, headers={"Content-Type": "application/json"}).status_code


def hub_log(deployment: Deployment) -> str:
    logs = (deployment.prefix / "var/log/atrium").glob("hub*")
    return "\n".join(path.read_text() for path in logs)


@pytest.mark.parametrize("options", [{"cmd": ["/bin/sh"]}, {"cpus": 10**6}, {"account": "demo\n#SBATCH --uid=0"}])
def test_options_that_are_not_offered_are_neither_started_nor_stored(
    deployment: Deployment, visit: Visit, options: dict[str, object]
) -> None:
    founder = visit("founder")
    token = api_token(founder.page, deployment, founder.name)
    address = f"{deployment.public_url}/hub/api/users/{founder.name}"
    with client(token) as person:
        refused = person.post(f"{address}/server", json={"user_options": options})
        stored = person.get(f"{address}/servers/").text

    assert refused.status_code == 422
    assert "cmd" not in stored
    assert "uid" not in stored
    assert deployment.jobs_of(founder.name) == []


def test_a_link_with_options_starts_nothing(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.page.goto(f"{deployment.public_url}/hub/spawn?opt-cpus=2&opt-account=demo")
    status = fetch(founder.page, "GET", f"{deployment.public_url}/hub/api/users/{founder.name}")

    assert json.loads(status["text"])["server"] is None
    assert deployment.jobs_of(founder.name) == []
