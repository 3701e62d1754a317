"""nginx is the one way in: what every answer has, who listens where, and what people read while a program is away."""

from __future__ import annotations

import pwd
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest
from fastapi.routing import iter_route_contexts
from jupyterhub.apihandlers import default_handlers as hub_api_handlers
from jupyterhub.handlers import default_handlers as hub_handlers

from deploy.dev.processes import has_ipv6
from hub.app import routed_app
from tests.browser import fetch
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.test_isolation import DASHBOARD_PAGES, DASHBOARD_ROUTES, hub_log
from tests.polling import eventually
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

HEADERS = (
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "content-security-policy",
)
SERVER_PATHS = ("", "lab", "api/contents", "api/kernels", "atrium/scaling", "static/favicons/favicon.ico", "nothing")
GROUP = re.compile(r"\((?:[^()]|\([^()]*\))*\)\??")
FORGED = "192.0.2.66"
BACK_SECONDS = 90


def test_every_route_of_every_program_answers_with_each_security_header_once(deployment: Deployment) -> None:
    addresses = [*hub_addresses(deployment), *api_addresses(deployment), *dashboards_addresses(deployment)]
    addresses += [f"{deployment.public_url}{path}" for path in ("/", "/nothing", "/atrium-message/unavailable.html")]
    addresses += [deployment.server_url(deployment.person("colleague")) + path for path in SERVER_PATHS]
    assert len(addresses) > 150
    with client() as stranger:
        missing = {address: without(stranger.get(address)) for address in addresses}
        missing["unknown host"] = without(stranger.get(deployment.public_url, headers={"Host": "evil.example"}))
        missing["too long"] = without(stranger.put(f"{deployment.public_url}/hub/x", content=b"x" * (2 * 2**20)))

    assert {address: names for address, names in missing.items() if names} == {}


def hub_addresses(deployment: Deployment) -> Iterator[str]:
    handlers = [*hub_handlers, *((f"/api{pattern}", handler) for pattern, handler, *_ in hub_api_handlers)]
    for pattern, *_ in handlers:
        yield f"{deployment.public_url}/hub{plain(pattern)}"


def plain(pattern: str) -> str:
    """An address that a handler's pattern matches, or nearly."""
    return re.sub(r"[\\^$?*+]", "", GROUP.sub("x", pattern)).removeprefix("/hub")


def api_addresses(deployment: Deployment) -> Iterator[str]:
    origin = deployment.settings.service_host("atrium")
    for route in iter_route_contexts(routed_app().routes):
        yield origin + re.sub(r"{[^}]*}", "x", str(route.path))


def dashboards_addresses(deployment: Deployment) -> Iterator[str]:
    for path in (*DASHBOARD_PAGES, *DASHBOARD_ROUTES, "health", "atrium/static/theme.css", "voila/static/x/x.js"):
        yield deployment.settings.service_url("dashboards") + path


def without(answer: httpx2.Response) -> list[str]:
    """Names of the headers that an answer does not have exactly once."""
    return [name for name in HEADERS if len(answer.headers.get_list(name)) != 1]


def test_so_does_every_route_of_a_persons_server(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    cookies = {cookie["name"]: cookie["value"] for cookie in founder.page.context.cookies(founder.page.url)}
    with client() as http:
        http.cookies.update(cookies)
        answers = {path: http.get(deployment.server_url(founder.name) + path) for path in SERVER_PATHS}

    assert answers["api/contents"].status_code == 200
    assert {path: without(answer) for path, answer in answers.items() if without(answer)} == {}
    status = fetch(founder.page, "GET", f"{deployment.server_url(founder.name)}api/status")
    assert status["status"] == 200


def test_programs_behind_nginx_listen_where_people_cannot_reach_them(deployment: Deployment) -> None:
    processes = deployment.processes()
    for name in ("proxy", "api", "dashboards"):
        allowed = {deployment.settings.proxy.api_port} if name == "proxy" else set()
        assert listening_ports(processes[name]) == allowed, name
    settings = deployment.settings
    face = psutil.Process(processes["nginx"])
    assert pwd.getpwuid(face.uids().effective).pw_name == "atrium"
    assert listening_ports(face.pid) == {settings.nginx.port, settings.api.port}
    addresses = {entry.laddr.ip for entry in face.net_connections("tcp") if entry.laddr.port == settings.nginx.port}
    assert addresses == ({"127.0.0.1", "::1"} if has_ipv6() else {"127.0.0.1"})

    paths, person = settings.paths, deployment.person("colleague")
    sockets = (paths.proxy_socket, paths.api_socket, paths.error_page_socket, paths.dashboards_socket)
    for path in sockets:
        assert stat.S_ISSOCK(path.stat().st_mode)
        argv = ["curl", "--silent", "--show-error", "--max-time", "5", "--unix-socket", str(path), "http://localhost/"]
        assert deployment.run(*argv, check=False).returncode == 0, "root reaches it, so the request is right"
        refused = deployment.run("runuser", "-u", person, "--", *argv, check=False)
        assert (refused.returncode, refused.stdout) == (7, ""), path


def listening_ports(pid: int) -> set[int]:
    connections = psutil.Process(pid).net_connections("tcp")
    return {entry.laddr.port for entry in connections if entry.status == psutil.CONN_LISTEN}


def test_the_address_that_a_client_names_reaches_no_log(deployment: Deployment) -> None:
    forged = {"X-Forwarded-For": FORGED, "X-Real-IP": FORGED, "Forwarded": f"for={FORGED}"}
    credentials = {"username": "nobody", "password": "wrong"}
    with client() as stranger:
        stranger.post(f"{deployment.public_url}/hub/login", data=credentials, headers=forged)
        stranger.get(deployment.settings.service_url("atrium") + "api/me", headers=forged)
        stranger.get(deployment.settings.service_url("dashboards") + "nothing", headers=forged)
    eventually(lambda: "/hub/login" in hub_log(deployment), within=20, what="a line of the Hub's log")

    assert FORGED not in "".join(path.read_text() for path in (deployment.prefix / "var/log/atrium").glob("*.log"))


def test_while_a_program_is_away_people_read_what_to_do(deployment: Deployment) -> None:
    settings = deployment.settings
    api, dashboards = settings.service_url("atrium") + "api/health", settings.service_url("dashboards") + "health"
    with client(verify=deployment.certificate) as http:
        for program, addresses in {
            "hub": [f"{deployment.public_url}/hub/login", f"{deployment.public_url}/hub/api/"],
            "api": [api, f"{settings.api_url}/health"],
            "dashboards": [dashboards],
            "proxy": [f"{deployment.public_url}/hub/login"],
        }.items():
            with stopped(deployment, program):
                answers = [http.get(address) for address in addresses]
            for answer in answers:
                assert answer.status_code == 503, (program, answer.url)
                assert "Try again in a minute" in answer.text, (program, answer.url)
                assert without(answer) == [], (program, answer.url)
        json_kinds = [http.get(address).status_code for address in (api, dashboards)]

    assert json_kinds == [200, 200]


@contextmanager
def stopped(deployment: Deployment, program: str) -> Iterator[None]:
    deployment.supervisorctl("stop", program)
    try:
        yield
    finally:
        deployment.supervisorctl("start", program)
        with client() as http:
            addresses = [f"{deployment.public_url}/hub/login", deployment.settings.service_url("atrium") + "api/health"]
            addresses.append(deployment.settings.service_url("dashboards") + "health")
            eventually(
                lambda: all(http.get(address).status_code == 200 for address in addresses),
                within=BACK_SECONDS,
                every=0.5,
                what=f"all is well after {program} was stopped",
            )


def test_a_reload_without_changes_does_nothing(deployment: Deployment) -> None:
    before = deployment.processes()["nginx"]
    assert deployment.atrium("nginx", "--reload") == "unchanged\n"
    assert deployment.processes()["nginx"] == before
