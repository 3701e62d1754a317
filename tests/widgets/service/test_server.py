"""The dashboards service: every address asks who is there, and a real server process does what its README says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import tornado.web
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import Resolver
from tornado.testing import bind_unused_port
from tornado.websocket import websocket_connect

from hub.errors import SettingsError
from hub.kernels import manager
from hub.programs.dashboards import dashboards_environment
from hub.settings import Settings as Deployment
from tests.polling import eventually
from widgets.rendering import find_dashboards
from widgets.service.server import Dashboards, Settings

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent.parent
KERNEL = "11111111-2222-3333-4444-555555555555"
SERVICE_TOKEN = "service-token"
PEOPLE = {"token-of-founder": "founder", "token-of-colleague": "colleague"}
PUBLIC = ("health", "voila/templates/", "voila/static/", "voila/labextensions/", "voila/api/themes/", "atrium/static/")
SIGN_IN = ("oauth_callback", "logout")


class Outside(BaseHTTPRequestHandler):
    """The Hub's and the API's answers about two people and one service."""

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("token ")
        name = PEOPLE.get(token)
        if self.path.endswith("/me"):
            self._answer({"name": name, "display_name": f"Dr {name}", "roles": [], "projects": []} if name else None)
        elif self.path.endswith("/atrium/text-key"):
            self._answer({"key": f"key of {name}"} if name else None)
        else:
            self._answer(self._model(token, name))

    def _model(self, token: str, name: str | None) -> dict[str, Any] | None:
        scopes = ["access:services!service=dashboards"]
        if token == "token-of-pages":
            return {"kind": "service", "name": "pages", "scopes": scopes}
        return {"kind": "user", "name": name, "groups": [], "scopes": scopes} if name else None

    def _answer(self, model: dict[str, Any] | None) -> None:
        self.send_response(200 if model else 403)
        self.end_headers()
        self.wfile.write(json.dumps(model or {}).encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def outside() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture(scope="module")
def environment(outside: int) -> Iterator[dict[str, str]]:
    """What the service is told, from where it is told in earnest, for a checkout."""
    state, run = (Path(tempfile.mkdtemp(prefix="atrium-")) for _ in range(2))  # short: sockets lie below it
    templates = state / "jupyter/voila/templates"
    templates.mkdir(parents=True)
    (templates / "atrium").symlink_to(ROOT / "notebooks/voila")
    deployment = Deployment(
        paths={"state": state, "run": run},
        hub={"port": outside},
        api={"port": outside},
    )
    deployment.paths.dashboards_socket.parent.mkdir()
    yield {
        **dashboards_environment(deployment, SERVICE_TOKEN),
        "PYTHONPATH": str(ROOT),
        "JUPYTER_PATH": str(state / "jupyter"),
        "ATRIUM_DASHBOARDS_DIR": str(ROOT / "notebooks/dashboards"),
    }
    shutil.rmtree(state)
    shutil.rmtree(run)


def changed(environment: dict[str, str], **settings: int) -> dict[str, str]:
    """The environment with other settings of the dashboards."""
    section = json.loads(environment["ATRIUM_DASHBOARDS"]) | settings
    return {**environment, "ATRIUM_DASHBOARDS": json.dumps(section)}


# -- settings and the folder ------------------------------------------------------------------------------------------


def test_settings_come_from_the_environment(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)

    assert settings.prefix == "/services/dashboards/"
    assert settings.public_url == "http://dashboards--service.localhost:8000/services/dashboards/"
    assert (settings.dashboards.kernels, settings.dashboards.preheated) == (40, 1)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ATRIUM_HUB_URL", None, "ATRIUM_HUB_URL is not set"),
        ("ATRIUM_DASHBOARDS", '{"kernels": "many"}', "ATRIUM_DASHBOARDS: kernels: .* valid integer"),
        ("ATRIUM_DASHBOARDS", "many", "ATRIUM_DASHBOARDS: .*JSON"),
        ("JUPYTER_RUNTIME_DIR", "/" + "x" * 60, "too long for sockets"),
    ],
)
def test_wrong_settings_are_named(environment: dict[str, str], name: str, value: str | None, words: str) -> None:
    wrong = {key: text for key, text in {**environment, name: value}.items() if text is not None}

    with pytest.raises(SettingsError, match=words):
        Settings.from_environment(wrong)


def test_only_files_inside_the_folder_are_served(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "dashboards", tmp_path / "elsewhere.ipynb"
    folder.mkdir()
    text = (ROOT / "notebooks/dashboards/onboarding.ipynb").read_text()
    elsewhere.write_text(text)
    (folder / "onboarding.ipynb").write_text(text)
    (folder / "stolen.ipynb").symlink_to(elsewhere)
    (folder / "gone.ipynb").symlink_to(tmp_path / "nothing")

    assert list(find_dashboards(folder)) == ["onboarding.ipynb"]


def test_scaling_runs_in_a_persons_own_server_only() -> None:
    dashboards = find_dashboards(ROOT / "notebooks/dashboards")

    assert {dashboard.name for dashboard in dashboards.values() if dashboard.own_server} == {"scaling"}


# -- deny by default --------------------------------------------------------------------------------------------------


@pytest.fixture
async def routes(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The application's rules, served here without any kernel: (address, path pattern) of each."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = Dashboards(Settings.from_environment(environment))
    app.connection_dir = str(tmp_path)
    application = tornado.web.Application(**app.init_settings())
    rules = app.init_handlers()
    application.add_handlers(".*$", rules)
    listener, port = bind_unused_port()
    server = HTTPServer(application)
    server.add_sockets([listener])
    yield f"http://127.0.0.1:{port}", app.base_url, [rule[0] for rule in rules]
    server.stop()


async def test_every_address_asks_who_is_there(routes: tuple[str, str, list[str]]) -> None:
    address, prefix, patterns = routes
    unlisted = ["tree", "voila/tree", "voila/files/x.png", f"voila/query/{KERNEL}", "api/kernels", "api/contents", "x"]
    paths = [re.sub(r"\((\?P<kernel_id>)?[^()]*(\([^)]*\))?[^()]*\)", KERNEL, pattern) for pattern in patterns]
    paths += [prefix + path for path in unlisted] + ["/", "/api/kernels"]
    guarded = [path for path in paths if not path.removeprefix(prefix).startswith((*PUBLIC, *SIGN_IN))]
    assert len(guarded) > len(unlisted) + 4

    async with httpx2.AsyncClient(base_url=address, timeout=10) as stranger:
        answers = {
            f"{method} {path}": (await stranger.request(method, path)).status_code
            for path in guarded
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        }
        health = await stranger.get(prefix + "health")

    assert {request: status for request, status in answers.items() if status not in (302, 403)} == {}
    assert health.json() == {"status": "ok"}


@pytest.mark.parametrize(
    "path",
    [
        "atrium/static/../settings.py",
        "atrium/static/%2e%2e/settings.py",
        "atrium/static/..%2fsettings.py",
        "atrium/static//etc/passwd",
        "voila/static/1/..%2f..%2fapp.py",
        "voila/labextensions/1/..%2f..%2fkernels/python3/kernel.json",
        "voila/templates/atrium/static/..%2findex.html.j2",
        "voila/templates/..%2fstatic/x",
        "voila/api/themes/..%2f..%2fx",
    ],
)
async def test_static_files_end_at_their_folder(routes: tuple[str, str, list[str]], path: str) -> None:
    address, prefix, _ = routes
    reader, writer = await asyncio.open_connection(*address.removeprefix("http://").split(":"))
    writer.write(f"GET {prefix}{path} HTTP/1.0\r\n\r\n".encode())  # as it is: clients tidy addresses up

    status = int((await asyncio.wait_for(reader.readline(), 10)).split()[1])

    writer.close()
    assert status in (302, 403, 404)


# -- the real process -------------------------------------------------------------------------------------------------


class Service:
    """The server as ``atrium dashboards`` starts it."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        self.listens_on = environment["ATRIUM_DASHBOARDS_SOCKET"]
        self.address = "http://localhost/services/dashboards/"
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "widgets.service.server"], env=environment, stdout=output, stderr=output
            )

    def get(self, person: str, path: str, method: str = "GET") -> httpx2.Response:
        headers = {"Authorization": f"token token-of-{person}"}
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=self.listens_on), timeout=120) as client:
            return client.request(method, self.address + path, headers=headers)

    def kernels(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if manager.LAUNCHER in child.cmdline()]

    def open(self, person: str, dashboard: str = "onboarding") -> str:
        """The kernel of a new page."""
        page = self.get(person, f"voila/render/{dashboard}.ipynb")
        assert page.status_code == 200, page.text
        match = re.search(r'"kernelId": "([-0-9a-f]+)"', page.text)
        assert match
        return match[1]

    async def socket(self, person: str, kernel: str) -> Any:
        url = self.address.replace("http", "ws", 1) + f"api/kernels/{kernel}/channels?session_id=s"
        request = HTTPRequest(url, headers={"Authorization": f"token token-of-{person}"})
        return await websocket_connect(request, resolver=UnixResolver(self.listens_on))


class UnixResolver(Resolver):
    """Every name is the Unix socket."""

    def initialize(self, path: str) -> None:
        self.path = path

    async def resolve(self, host: str, port: int, family: int = 0) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self.path)]


@pytest.fixture(scope="module")
def service(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(changed(environment, kernels_per_visitor=2), tmp_path_factory.mktemp("log") / "server.log")
    eventually(lambda: len(service.kernels()) == 3, within=60, what=f"three pages rendered ahead, see {service.log}")
    yield service
    kernels = service.kernels()
    service.process.send_signal(signal.SIGTERM)
    service.process.wait(15)
    assert not [kernel for kernel in kernels if kernel.is_running()], "no kernel outlives the server"
    log = service.log.read_text()
    assert not [secret for secret in (SERVICE_TOKEN, *PEOPLE) if secret in log], "no token in the log"


def test_kernels_know_nothing_of_the_service(service: Service) -> None:
    for kernel in service.kernels():
        known = kernel.environ()
        assert SERVICE_TOKEN not in known.values()
        assert not [name for name in known if name.startswith("JUPYTERHUB_")]
        connection = Path(kernel.cmdline()[-1])
        assert json.loads(connection.read_text())["transport"] == "ipc"
        assert connection.stat().st_mode & 0o077 == connection.parent.stat().st_mode & 0o077 == 0
    environ = Path(f"/proc/{service.process.pid}/environ")
    assert environ.stat().st_uid == 0, "unreadable for the service's own user, and so for its kernels"


async def test_the_visitors_name_comes_through_the_kernels_own_line(service: Service) -> None:
    kernel = await asyncio.to_thread(service.open, "founder", "dataspaces")  # it asks for no more than who is there
    line = await service.socket("founder", kernel)
    for _ in range(2):  # the second time it knows already
        shown = await asyncio.to_thread(service.get, "founder", f"api/kernels/{kernel}/shown", "POST")
        assert shown.status_code == 204
    states = request("comm_msg", {"comm_id": "c", "data": {"method": "request_states"}})
    await line.write_message(
        request("comm_open", {"comm_id": "c", "target_name": "jupyter.widget.control", "data": {}})
    )

    async with asyncio.timeout(20):
        text = ""
        while "Dr founder" not in text:
            await line.write_message(states)
            text = str(await line.read_message())

    line.close()
    assert (await asyncio.to_thread(service.get, "founder", f"api/kernels/{kernel}", "DELETE")).status_code == 204


async def test_a_kernel_changes_nothing_before_the_page_has_its_widgets(service: Service) -> None:
    """Else a page gets some widgets before and some after the change, and cannot draw what refers to others."""
    kernel = await asyncio.to_thread(service.open, "founder", "dataspaces")
    line = await service.socket("founder", kernel)
    messages: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(3):
            while True:
                messages.append(json.loads(await line.read_message())["header"]["msg_type"])

    line.close()
    assert {"comm_open", "comm_msg", "comm_close"}.isdisjoint(messages)
    assert (await asyncio.to_thread(service.get, "founder", f"api/kernels/{kernel}", "DELETE")).status_code == 204


async def test_a_page_loses_its_socket_within_two_seconds_of_its_kernel(service: Service) -> None:
    kernel = await asyncio.to_thread(service.open, "founder")
    line = await service.socket("founder", kernel)
    [process] = [process for process in service.kernels() if kernel in process.cmdline()[-1]]
    process.kill()

    async with asyncio.timeout(10):
        begin = time.monotonic()
        while await line.read_message() is not None:
            pass
    assert time.monotonic() - begin < 4
    assert (await asyncio.to_thread(service.get, "founder", f"api/kernels/{kernel}")).status_code == 404


async def test_a_kernel_is_its_visitors_alone(service: Service) -> None:
    kernel = await asyncio.to_thread(service.open, "founder")

    for method, path in (
        ("GET", f"api/kernels/{kernel}"),
        ("PATCH", f"api/kernels/{kernel}"),
        ("DELETE", f"api/kernels/{kernel}"),
        ("POST", f"api/kernels/{kernel}/shown"),
        ("POST", f"api/kernels/{kernel}/interrupt"),
        ("POST", f"api/kernels/{kernel}/restart"),
        ("POST", f"voila/api/shutdown/{kernel}"),
        ("GET", f"voila/query/{kernel}"),
        ("GET", "api/kernels"),
    ):
        answer = await asyncio.to_thread(service.get, "colleague", path, method)
        assert answer.status_code == 404, f"{method} {path}"
    with pytest.raises(HTTPClientError, match="404"):
        await service.socket("colleague", kernel)

    assert (await asyncio.to_thread(service.get, "founder", f"api/kernels/{kernel}")).status_code == 200
    assert (await asyncio.to_thread(service.get, "founder", f"voila/api/shutdown/{kernel}", "POST")).status_code == 204
    assert (await asyncio.to_thread(service.get, "founder", f"api/kernels/{kernel}")).status_code == 404


async def test_a_page_runs_no_code(service: Service, tmp_path: Path) -> None:
    kernel = await asyncio.to_thread(service.open, "founder")
    line = await service.socket("founder", kernel)
    mark = tmp_path / "mark"
    for channel in ("shell", "control"):
        await line.write_message(request("execute_request", {"code": f"open({str(mark)!r}, 'w')"}, channel))
    await line.write_message(request("kernel_info_request", {}))

    async with asyncio.timeout(20):
        while json.loads(await line.read_message())["header"]["msg_type"] != "kernel_info_reply":
            pass

    line.close()
    assert not mark.exists()
    await asyncio.to_thread(service.get, "founder", f"api/kernels/{kernel}", "DELETE")


async def test_too_many_pages_are_refused_with_a_message(service: Service) -> None:
    kernels = [service.open("colleague") for _ in range(2)]
    lines = [await service.socket("colleague", kernel) for kernel in kernels]  # pages that are there make no room

    refused = service.get("colleague", "voila/render/onboarding.ipynb")

    assert refused.status_code == 429
    assert "You have 2 dashboards open" in refused.text
    assert refused.headers["Retry-After"] == "15"
    assert '<meta http-equiv="refresh" content="15">' in refused.text
    assert "This page tries again by itself every 15 seconds." in refused.text
    for line in lines:
        line.close()
    for kernel in kernels:
        service.get("colleague", f"api/kernels/{kernel}", "DELETE")
    service.get("colleague", f"api/kernels/{service.open('colleague')}", "DELETE")


def test_twenty_pages_asked_for_at_once_all_come_and_few_kernels_start_together(
    environment: dict[str, str], tmp_path: Path
) -> None:
    runtime = tempfile.mkdtemp(prefix="atrium-")
    places = {"JUPYTER_RUNTIME_DIR": runtime, "ATRIUM_DASHBOARDS_SOCKET": f"{runtime}/socket"}
    service = Service(changed(environment, preheated=0, kernels_per_visitor=20) | places, tmp_path / "log")
    eventually(lambda: "dashboards at" in service.log.read_text(), within=60, what="a server")
    starting = []
    with ThreadPoolExecutor(20) as threads:
        pages = [threads.submit(service.open, "founder") for _ in range(20)]
        while wait(pages, timeout=0.2).not_done:
            complete = sum(page.done() for page in pages)
            starting.append(len(service.kernels()) - complete)
    service.process.terminate()
    service.process.wait(15)
    shutil.rmtree(runtime, ignore_errors=True)

    assert len({page.result() for page in pages}) == 20
    assert max(starting) <= 2 * len(os.sched_getaffinity(0)), "some of these have just come"


def test_the_page_is_in_the_frame_and_names_its_person(service: Service) -> None:
    page = service.get("founder", "voila/render/dataspaces.ipynb")

    assert "frame-header" in page.text
    assert re.search(r'aria-current="page">Data<', page.text)
    assert 'id="frame-person-name">founder<' in page.text
    assert page.headers["Content-Encoding"] == "gzip"
    assert "token-of-founder" not in page.text


@pytest.mark.parametrize("path", ["voila/render/nothing.ipynb", "voila/render/..%2f..%2fREADME.ipynb", "voila/tree"])
def test_not_found_is_a_readable_page(service: Service, path: str) -> None:
    answer = service.get("founder", path)

    assert answer.status_code == 404
    assert "Page not found" in answer.text
    assert "Retry-After" not in answer.headers
    assert 'http-equiv="refresh"' not in answer.text


def test_scaling_leads_to_the_persons_own_server(service: Service) -> None:
    answer = service.get("founder", "voila/render/scaling.ipynb")

    assert answer.status_code == 302
    assert answer.headers["Location"] == "http://localhost:8000/hub/user-redirect/atrium/scaling"


def test_visitors_get_the_key_of_their_own_text(service: Service) -> None:
    for person in ("founder", "colleague"):
        response = service.get(person, "atrium/text-key")
        assert response.json() == {"key": f"key of {person}"}
        assert response.headers["cache-control"] == "no-store"


def test_a_service_is_no_visitor(service: Service) -> None:
    assert service.get("pages", "voila/render/onboarding.ipynb").status_code == 403


def test_kernels_end_even_when_the_server_is_killed(environment: dict[str, str], tmp_path: Path) -> None:
    runtime = tempfile.mkdtemp(prefix="atrium-")
    elsewhere = environment | {"JUPYTER_RUNTIME_DIR": runtime, "ATRIUM_DASHBOARDS_SOCKET": f"{runtime}/socket"}
    killed = Service(elsewhere, tmp_path / "log")
    kernels = eventually(killed.kernels, within=30, what="a kernel")

    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait(5)

    eventually(lambda: not [kernel for kernel in kernels if kernel.is_running()], within=10, what="no kernel")
    shutil.rmtree(runtime)


def request(kind: str, content: dict[str, Any], channel: str = "shell") -> str:
    """A message as a page sends it."""
    header = {"msg_id": os.urandom(8).hex(), "msg_type": kind, "session": "s", "username": "", "version": "5.3"}
    metadata = {"version": "1.0.0"}  # of the widgets' control protocol
    return json.dumps(
        {"channel": channel, "header": header, "parent_header": {}, "metadata": metadata, "content": content}
    )


def test_a_socket_without_a_directory_is_one_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    runtime = tempfile.mkdtemp(prefix="atrium-")
    elsewhere = environment | {"JUPYTER_RUNTIME_DIR": runtime, "ATRIUM_DASHBOARDS_SOCKET": f"{runtime}/none/socket"}
    refused = Service(elsewhere, tmp_path / "log")
    assert refused.process.wait(20) == 1
    shutil.rmtree(runtime)

    assert "The dashboards cannot listen on" in (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_two_servers_do_not_share_a_directory(environment: dict[str, str], service: Service, tmp_path: Path) -> None:
    before = sorted(Path(environment["JUPYTER_RUNTIME_DIR"]).iterdir())
    second = Service(environment, tmp_path / "log")

    assert second.process.wait(20) == 1
    assert re.fullmatch(r"Other dashboards run in .+ already\.\n", (tmp_path / "log").read_text())
    assert sorted(Path(environment["JUPYTER_RUNTIME_DIR"]).iterdir()) == before


def test_health_tells_when_kernels_have_no_place(environment: dict[str, str], tmp_path: Path) -> None:
    runtime = Path(tempfile.mkdtemp(prefix="atrium-"))
    listens_on = tmp_path / "socket"
    elsewhere = changed(environment, preheated=0) | {"JUPYTER_RUNTIME_DIR": str(runtime)}
    service = Service(elsewhere | {"ATRIUM_DASHBOARDS_SOCKET": str(listens_on)}, tmp_path / "log")
    eventually(lambda: "dashboards at" in service.log.read_text(), within=30, what="a server")
    assert service.get("nobody", "health").json() == {"status": "ok"}

    shutil.rmtree(runtime)
    answer = service.get("nobody", "health")

    service.process.terminate()
    service.process.wait(15)
    assert (answer.status_code, answer.json()) == (503, {"status": "no place for kernels"})
