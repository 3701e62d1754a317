"""``hub.internal_ssl``, as new copies have it: who shows no certificate, or a wrong one, is refused.

``test_without_internal_tls.py`` switches it off.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Page

from tests.browser import fetch
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.test_running import curl, server_address, server_process
from tests.e2e.visitor import Visitor, staying
from tests.polling import eventually
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]


@pytest.fixture(scope="module")
def with_tls(deployment: Deployment) -> Deployment:
    assert deployment.settings.hub.internal_ssl, "as a new copy has it"
    return deployment


@pytest.fixture(scope="module")
def founder(with_tls: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    """Somebody with an open notebook."""
    with staying(with_tls, signed_in, "founder") as visitor:
        visitor.start_notebook()
        new_notebook(visitor.page)
        yield visitor


def test_the_key_is_in_no_argument_no_script_and_no_kernel(with_tls: Deployment, founder: Visitor) -> None:
    output = run_cell(founder.page, "import os; [name for name in os.environ if name.startswith('ATRIUM_TLS')]")
    assert output == "[]"
    [job] = with_tls.jobs_of(founder.name)
    script = with_tls.run("scontrol", "write", "batch_script", job, "-").stdout
    description = with_tls.run("scontrol", "show", "job", "-dd", job).stdout
    key = server_process(founder.name).environ()["ATRIUM_TLS_KEY"]

    assert key
    assert key not in script + description
    runtime = Path(server_process(founder.name).environ()["JUPYTER_RUNTIME_DIR"])
    assert {(runtime / name).stat().st_mode & 0o777 for name in ("server.key", "server.crt", "ca.crt")} == {0o600}
    assert runtime.stat().st_mode & 0o777 == 0o700
    keys = list((with_tls.settings.paths.state / "tls").rglob("*.key"))
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert [key for key in keys if founder.name in key.name] == [], "the Hub keeps no server's key"


def test_a_notebook_and_a_dashboard_work(founder: Visitor) -> None:
    assert run_cell(founder.page, "6 * 7") == "42"
    code = "import os; from hub.client import Api; Api.from_environment().me().name"
    assert run_cell(founder.page, code) == repr(founder.name), "a kernel and Atrium's API"
    founder.open_dashboard("onboarding")
    assert "https://" in client_address(founder.name)


def client_address(name: str) -> str:
    return str(server_process(name).environ()["JUPYTERHUB_API_URL"])


def test_without_a_certificate_a_server_does_not_even_listen_to_you(with_tls: Deployment, founder: Visitor) -> None:
    colleague = with_tls.person("colleague")
    address = server_address(founder.name).replace("http:", "https:")

    path = f"{address}/user/{founder.name}/api"
    assert curl(with_tls, colleague, path, "", "--insecure", check=False) == "000"
    hub = with_tls.settings.hub_api_url
    assert curl(with_tls, colleague, hub, "", "--insecure", check=False) == "000", "nor does the Hub"


def test_the_key_of_ones_own_server_opens_no_other(with_tls: Deployment, founder: Visitor, visit: Visit) -> None:
    colleague = visit("colleague")
    colleague.start_notebook()
    runtime = server_process(colleague.name).environ()["JUPYTER_RUNTIME_DIR"]
    own = ("--insecure", "--cert", f"{runtime}/server.crt", "--key", f"{runtime}/server.key")
    for name in (founder.name, colleague.name):
        address = f"{server_address(name)}/user/{name}/api"
        assert curl(with_tls, colleague.name, address, "", *own, check=False) == "000", name


def test_the_api_is_reached_by_verified_tls_and_not_without(with_tls: Deployment, founder: Visitor) -> None:
    health = f"{with_tls.settings.api_url}/health"

    assert health.startswith("https://")
    assert curl(with_tls, founder.name, health, "") == "200"
    assert (
        curl(with_tls, founder.name, health, "", "--cacert", "/etc/ssl/certs/ca-certificates.crt", check=False) == "000"
    )
    assert curl(with_tls, founder.name, health.replace("https:", "http:"), "") == "400"


class Impostor(BaseHTTPRequestHandler):
    """Says yes to everything, and keeps what it received."""

    received: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.received.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"give me your cookies")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def impostor(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """A TLS server with a certificate of its own making: its port, and what it received."""
    pem = folder / "own.pem"
    files = ["-keyout", str(pem), "-out", str(folder / "own.crt")]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *files, *name]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.crt", pem)

    class Handler(Impostor):
        received: ClassVar[list[str]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], Handler.received
        server.shutdown()


def test_the_proxy_refuses_a_server_that_shows_a_certificate_of_its_own_making(
    with_tls: Deployment, tmp_path: Path
) -> None:
    host = urlsplit(with_tls.origin_of("nobody")).hostname
    route = f"https://127.0.0.1:{with_tls.settings.proxy.api_port}/api/routes/{host}/user/nobody"
    token = (with_tls.etc / "secrets/proxy").read_text().strip()
    headers = {"Authorization": f"token {token}"}
    with (
        impostor(tmp_path) as (port, received),
        httpx2.Client(verify=with_tls.certificate, trust_env=False, headers=headers) as proxy,
    ):
        proxy.post(route, json={"target": f"https://127.0.0.1:{port}"}).raise_for_status()
        try:
            with client() as somebody:
                address = f"{with_tls.origin_of('nobody')}/user/nobody/"
                status = eventually(lambda: somebody.get(address).status_code, within=30, what="an answer")
        finally:
            proxy.delete(route)

    assert status == 503
    assert received == []


def test_a_project_gets_its_group_in_the_hub(with_tls: Deployment, founder: Visitor) -> None:
    """The worker and ``atrium project`` show the Hub their certificate, as the API does."""
    with_tls.atrium("project", "create", "internal-tls", "--lead", founder.name, "--cpu-hours", "1")
    page = founder.page.context.new_page()
    page.goto(founder.home)
    answer = fetch(page, "GET", f"{with_tls.public_url}/hub/api/users/{founder.name}")
    assert "project-internal-tls" in json.loads(answer["text"])["groups"]
