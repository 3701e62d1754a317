"""nginx: its configuration, and a real one in front of programs that say what they received."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any, ClassVar

import psutil
import pytest

from deploy.dev.unix_http import UnixConnection
from hub import app
from hub.errors import SettingsError
from hub.programs import nginx
from hub.settings import Api, Hub, Nginx, Paths, Settings, Site
from tests.polling import eventually
from tests.tls_server import tls_server
from tests.web import free_port

PROGRAM = Path("/usr/sbin/nginx")
HEADERS = (
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Content-Security-Policy",
)

real = [pytest.mark.process, pytest.mark.skipif(not PROGRAM.exists(), reason="nginx is not installed")]


class Program(BaseHTTPRequestHandler):
    """Answers with what it received, and with headers of its own below ``…/own-headers``."""

    name: ClassVar[str]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Upgrade"):
            self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
            self.wfile.write(self.rfile.read(5).upper())
            self.close_connection = True
            return
        body = json.dumps({"program": self.name, "path": self.path, "headers": self.headers.items()}).encode()
        self.send_response(503 if self.path.endswith("/busy") else 200)
        self.send_header("Content-Length", str(len(body)))
        if self.path.endswith("/own-headers"):
            for name in HEADERS:
                self.send_header(name, "own")
            self.send_header("Set-Cookie", "own=1")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_GET

    def address_string(self) -> str:
        return "nginx"

    def log_message(self, *_: object) -> None:
        """Quiet."""


class UnixServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def program(name: str, path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with UnixServer(str(path), type(name, (Program,), {"name": name})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
    path.unlink()


class Face:
    """A real nginx with these settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = settings.nginx.port
        self.folder = settings.paths.nginx

    def start(self) -> None:
        nginx._end_leftovers(self.folder)
        self.settings.paths.error_page_socket.unlink(missing_ok=True)
        nginx.write(self.settings, self.folder)
        command = [*nginx._command(self.settings, self.folder), "-g", "user root;"]
        self.process = subprocess.Popen(command, cwd=self.folder, process_group=0)
        eventually(self.answers, within=10, every=0.05, what="nginx answers")

    def answers(self) -> bool:
        with suppress(OSError):
            return self.get("/", "nobody").status == 421
        return False

    def get(self, path: str, host: str, method: str = "GET", **options: Any) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", options.pop("port", self.port), timeout=10)
        headers = {"Host": host, **options.pop("headers", {})}
        connection.request(method, path, headers=headers, **options)
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        return answer

    def seen(self, path: str, host: str = "", **options: Any) -> dict[str, Any]:
        """What a program received."""
        received: dict[str, Any] = json.loads(self.get(path, host or f"localhost:{self.port}", **options).text)  # type: ignore[attr-defined]
        return received

    def raw(self, request: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request.encode())
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def build(folder: Path, **sections: Any) -> Settings:
    port = free_port()
    defaults: dict[str, Any] = {
        "site": Site(public_url=f"http://localhost:{port}"),
        "paths": Paths(run=folder, state=folder),
        "nginx": Nginx(command=PROGRAM, port=port, upload_mb=3),
        "api": Api(port=free_port()),
        "hub": Hub(port=free_port()),
    }
    settings = Settings(**defaults | sections)
    for path in (settings.paths.sockets, settings.paths.nginx):
        path.mkdir(exist_ok=True)
    return settings


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Short, because sockets lie below it."""
    folder = Path(tempfile.mkdtemp(prefix="atrium-"))
    yield folder
    shutil.rmtree(folder)


@contextmanager
def running(settings: Settings) -> Iterator[Face]:
    face, paths = Face(settings), settings.paths
    with (
        program("proxy", paths.proxy_socket),
        program("api", paths.api_socket),
        program("dashboards", paths.dashboards_socket),
    ):
        try:
            face.start()
            yield face
        finally:
            face.process.terminate()
            face.process.wait(10)


@pytest.fixture(scope="module")
def face(folder: Path) -> Iterator[Face]:
    (folder / "subdomain").mkdir()
    with running(build(folder / "subdomain")) as face:
        yield face


# -- the configuration ------------------------------------------------------------------------------------------------


def test_it_takes_as_long_requests_as_the_api() -> None:
    assert nginx.API_MB * 1024 * 1024 == app.LONGEST_BODY


@pytest.mark.parametrize("bad", ['http://a";', "http://a b", "http://$host", "http://a{", "http://a\\"])
def test_a_value_that_would_change_the_configuration_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(SettingsError, match="cannot hold"):
        nginx.configuration(build(tmp_path, site=Site(public_url=bad)), tmp_path)


@pytest.mark.parametrize(
    "bad", [{"listen": ["localhost"]}, {"listen": []}, {"certificate": "/x"}, {"certificate_key": "/x"}]
)
def test_settings_that_cannot_work_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Nginx(**bad)


def test_addresses_and_ports(tmp_path: Path) -> None:
    settings = build(tmp_path, nginx=Nginx(listen=("0.0.0.0", "::1"), port=8100), api=Api(host="fd00::1", port=5))
    text = nginx.configuration(settings, tmp_path)

    assert "listen 0.0.0.0:8100;" in text
    assert "listen [::1]:8100 default_server;" in text
    assert "listen [fd00::1]:5;" in text


@pytest.mark.process
@pytest.mark.skipif(not PROGRAM.exists(), reason="nginx is not installed")
@pytest.mark.parametrize("origins", ["subdomain", "path"])
@pytest.mark.parametrize("tls", [False, True])
def test_nginx_accepts_it(folder: Path, origins: str, tls: bool) -> None:
    here = folder / f"{origins}-{tls}"
    (here / "tls").mkdir(parents=True)
    sections: dict[str, Any] = {"site": Site(public_url="http://hub.example.org", origins=origins)}
    if tls:
        pem = here / "tls/client.pem"
        make_certificate(pem)
        make_certificate(here / "tls/api.pem")
        sections |= {
            "site": Site(public_url="https://hub.example.org", origins=origins),
            "hub": Hub(internal_ssl=True),
            "nginx": Nginx(command=PROGRAM, port=free_port(), certificate=pem, certificate_key=pem),
        }
    settings = build(here, **sections)
    nginx.write(settings, settings.paths.nginx)

    nginx._check(settings, settings.paths.nginx)
    assert ("Strict-Transport-Security" in (settings.paths.nginx / "atrium.conf").read_text()) is tls


@pytest.mark.process
def test_notebooks_reach_the_api_by_tls_and_a_renewed_certificate_is_loaded(folder: Path) -> None:
    (folder / "tls").mkdir()
    make_certificate(folder / "tls/client.pem")
    settings = build(folder, hub=Hub(internal_ssl=True))
    listener = f"listen {settings.api.host}:{settings.api.port}"
    assert f"{listener} ssl;" in nginx.configuration(settings, folder), "also before the certificate is made"
    make_certificate(folder / "tls/api.pem")
    before = nginx.configuration(settings, folder)
    assert nginx.configuration(settings, folder) == before
    make_certificate(folder / "tls/api.pem")

    assert f"ssl_certificate_key {folder}/tls/api.pem;" in before
    assert nginx.configuration(settings, folder) != before
    without = build(folder)
    assert f"listen {without.api.host}:{without.api.port};" in nginx.configuration(without, folder)


def make_certificate(path: Path) -> None:
    key = path.with_suffix(".key")
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*argv, "-keyout", str(key), "-out", str(path)], check=True, capture_output=True, timeout=60)
    path.write_text(path.read_text() + key.read_text())


# -- a real nginx -----------------------------------------------------------------------------------------------------


class TestRealNginx:
    pytestmark = real

    @pytest.mark.parametrize(
        ("host", "path", "served_by"),
        [
            ("localhost", "/hub/home", "proxy"),
            ("LOCALHOST", "/hub/home", "proxy"),
            ("localhost", "/services/atrium/api/health", "proxy"),
            ("founder.localhost", "/user/founder/lab", "proxy"),
            ("t-founder_1.localhost", "/user/founder/lab", "proxy"),
            ("founder.localhost", "/services/atrium/api/health", "proxy"),
            ("atrium--service.localhost", "/services/atrium/api/health", "api"),
            ("atrium--service.localhost", "/services/atrium/../../hub/home", "proxy"),
            ("atrium--service.localhost", "/hub/login", "proxy"),
            ("dashboards--service.localhost", "/services/dashboards/", "dashboards"),
            ("dashboards--service.localhost", "/services/atrium/api/health", "proxy"),
        ],
    )
    def test_the_host_decides_what_is_served(self, face: Face, host: str, path: str, served_by: str) -> None:
        received = face.seen(path, f"{host}:{face.port}")

        assert (received["program"], received["path"]) == (served_by, path)

    def test_any_other_host_is_refused(self, face: Face) -> None:
        port = face.port
        hosts = ["", "localhost", "localhost:1", f"127.0.0.1:{port}", f"localhost.:{port}", f"a.b.localhost:{port}"]
        hosts += [f"other--service.localhost:{port}", f"evil.example:{port}", f"localhost.evil.example:{port}", "_"]
        for host in hosts:
            for method in ("GET", "POST"):
                answer = face.get("/hub/login", host, method)
                assert answer.status in (400, 421), host
                assert "program" not in answer.text, host  # type: ignore[attr-defined]

        assert face.settings.site.public_url in face.get("/", "nobody").text  # type: ignore[attr-defined]
        assert " 421 " in face.raw("GET / HTTP/1.0\r\n\r\n")
        other = f"GET http://localhost:{port}/hub/home HTTP/1.1\r\nHost: founder.localhost:{port}\r\n\r\n"
        assert " 421 " in face.raw(other), "the name that chose the server is not the one that is passed on"

    def test_what_a_client_says_about_itself_is_not_passed_on(self, face: Face) -> None:
        forged = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", *nginx._UNBELIEVED), "192.0.2.1")
        forged |= {"X-Scheme": "https", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil", "Accept": "x"}
        forged |= {"X-Forwarded-Port": "1"}
        addresses = [("", "/hub/home"), ("atrium--service.", "/services/atrium/api"), ("founder.", "/user/founder/")]
        for host, path in (*addresses, ("dashboards--service.", "/services/dashboards/")):
            received = face.seen(path, f"{host}localhost:{face.port}", headers=forged)["headers"]
            assert "192.0.2.1" not in dict(received).values()
            names = [name.lower() for name, _ in received]
            assert len(names) == len(set(names))
            headers = {name.lower(): value for name, value in received}
            assert headers["x-real-ip"] == headers["x-forwarded-for"] == "127.0.0.1"
            assert headers["x-scheme"] == headers["x-forwarded-proto"] == "http"
            assert headers["host"] == headers["x-forwarded-host"] == f"{host}localhost:{face.port}"
            assert headers["accept"] == "x"

    @pytest.mark.parametrize(
        ("host", "path"),
        [
            ("localhost", "/"),
            ("localhost", "/hub/own-headers"),
            ("localhost", "/hub/busy"),
            ("localhost", "/atrium-message/unavailable.html"),
            ("founder.localhost", "/user/founder/"),
            ("atrium--service.localhost", "/services/atrium/api"),
            ("atrium--service.localhost", "/services/atrium/own-headers"),
            ("dashboards--service.localhost", "/services/dashboards/"),
            ("dashboards--service.localhost", "/services/dashboards"),
            ("evil.example", "/"),
        ],
    )
    def test_every_answer_has_each_security_header_once(self, face: Face, host: str, path: str) -> None:
        answer = face.get(path, f"{host}:{face.port}")
        for name in HEADERS:
            values = answer.headers.get_all(name)
            assert values is not None, name
            assert len(values) == 1, name
            assert (values == ["own"]) == path.endswith("/own-headers"), name

    def test_even_a_bad_request_has_them(self, face: Face) -> None:
        for request in (
            "x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            f"GET /{'x' * 20000} HTTP/1.1\r\n",
        ):
            answer = face.raw(request)
            assert answer.startswith("HTTP/1.1 4")
            assert [name for name in HEADERS if f"\r\n{name}: " not in answer] == []

    @pytest.mark.parametrize(
        ("host", "path", "limit"),
        [
            ("localhost", "/hub/api/users", 1),
            ("atrium--service.localhost", "/services/atrium/api/x", 8),
            ("dashboards--service.localhost", "/services/dashboards/x", 1),
            ("founder.localhost", "/user/founder/api/contents/x", 3),
        ],
    )
    def test_the_length_of_requests_is_limited_by_route(self, face: Face, host: str, path: str, limit: int) -> None:
        host = f"{host}:{face.port}"
        assert face.get(path, host, "PUT", body=b"x" * (limit * 2**20)).status == 200
        length = {"Content-Length": str(limit * 2**20 + 1), "Accept": "application/json"}
        refused = face.get(path, host, "PUT", headers=length)
        assert refused.status == 413
        assert "larger than" in json.loads(refused.text)["error"]["message"]  # type: ignore[attr-defined]

    def test_a_web_socket_passes_and_no_other_protocol(self, face: Face) -> None:
        request = f"GET /user/founder/x HTTP/1.1\r\nHost: founder.localhost:{face.port}\r\nConnection: Upgrade\r\n"
        with socket.create_connection(("127.0.0.1", face.port), timeout=10) as connection:
            connection.sendall(f"{request}Upgrade: websocket\r\n\r\nhello".encode())
            received = b""
            while b"HELLO" not in received:
                received += connection.recv(4096)
        assert received.startswith(b"HTTP/1.1 101 ")

        other = {"Connection": "Upgrade", "Upgrade": "h2c"}
        assert face.get("/user/founder/x", f"founder.localhost:{face.port}", headers=other).status == 200

    @pytest.mark.parametrize("host", ["localhost", "founder.localhost", "dashboards--service.localhost"])
    @pytest.mark.parametrize(
        ("site", "method", "headers", "status"),
        [
            ("cross-site", "GET", {}, 200),
            ("same-origin", "POST", {}, 200),
            ("none", "POST", {}, 200),
            ("", "POST", {}, 200),
            ("cross-site", "POST", {}, 403),
            ("same-site", "POST", {}, 403),
            ("same-site", "PUT", {}, 403),
            ("same-site", "GET", {"Upgrade": "websocket"}, 403),
        ],
    )
    def test_pages_of_other_hosts_link_and_send_nothing(
        self, face: Face, host: str, site: str, method: str, headers: dict[str, str], status: int
    ) -> None:
        path = {"localhost": "/hub/x", "founder.localhost": "/user/founder/x"}.get(host, "/services/dashboards/x")
        answer = face.get(path, f"{host}:{face.port}", method, headers={"Sec-Fetch-Site": site} | headers)
        assert answer.status == status

    @pytest.mark.parametrize("token", ["token abc", "Bearer abc", "TOKEN abc"])
    @pytest.mark.parametrize("path", ["/user/founder/api/contents/a%20b%2Fc?x=%2F", "/user/founder", "/user/t-2/"])
    def test_a_token_at_the_hubs_host_reaches_the_persons_server(self, face: Face, token: str, path: str) -> None:
        origin = face.settings.site.public_url
        received = face.seen(path, method="PUT", body=b"x" * 2**21, headers={"Authorization": token, "Origin": origin})
        headers = {name.lower(): value for name, value in received["headers"]}
        host = f"{path.split('/')[2]}.localhost:{face.port}"

        assert (received["program"], received["path"]) == ("proxy", path)
        assert (headers["host"], headers["x-forwarded-host"]) == (host, host)
        assert headers["authorization"] == token
        assert {"origin", "cookie"} & headers.keys() == set()

    def test_a_web_socket_with_a_token_does_too(self, face: Face) -> None:
        request = f"GET /user/founder/x HTTP/1.1\r\nHost: localhost:{face.port}\r\nConnection: Upgrade\r\n"
        with socket.create_connection(("127.0.0.1", face.port), timeout=10) as connection:
            connection.sendall(f"{request}Authorization: token abc\r\nUpgrade: websocket\r\n\r\nhello".encode())
            received = b""
            while b"HELLO" not in received:
                received += connection.recv(4096)
        assert received.startswith(b"HTTP/1.1 101 ")

    def test_an_answer_that_is_passed_on_has_no_part_in_the_hubs_origin(self, face: Face) -> None:
        host = f"localhost:{face.port}"
        for path in ("/user/founder/", "/user/founder/own-headers"):
            answer = face.get(path, host, headers={"Authorization": "token abc"})
            assert [len(answer.headers.get_all(name, [])) for name in HEADERS] == [1] * len(HEADERS)
            assert answer.headers["Content-Security-Policy"] == "sandbox"
            assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Basic YTpi"},
            {"Authorization": "token"},
            {"Authorization": "token abc", "Cookie": "a=b"},
            {"Authorization": "token abc", "Cookie": ""} | {"Sec-Fetch-Mode": "navigate"},
            {"Authorization": "token abc", "Sec-Fetch-Site": "same-origin"},
            {"Authorization": "token abc", "Sec-Fetch-Dest": "document"},
            {"Authorization": "token abc", "Sec-Fetch-User": "?1"},
            {"Authorization": "token abc", "Origin": "http://founder.localhost"},
            {"Authorization": "token abc", "Origin": "null"},
            {"Cookie": "token abc"},
            {"Cookie": "||||token abc", "Authorization": "||token abc"},
        ],
    )
    def test_everybody_else_is_sent_to_the_persons_host(self, face: Face, headers: dict[str, str]) -> None:
        for method in ("GET", "POST"):
            answer = face.get("/user/founder/lab?x=%2F", f"localhost:{face.port}", method, headers=headers)
            assert answer.status == 307
            assert answer.headers["Location"] == f"http://founder.localhost:{face.port}/user/founder/lab?x=%2F"
            assert "program" not in answer.text  # type: ignore[attr-defined]

    @pytest.mark.parametrize("name", ["jane_doe", "a--b", "atrium--service", "a-", "_a", "A", "1", "a.b", "a:b"])
    def test_names_that_are_no_domains_are_left_to_the_hub(self, face: Face, name: str) -> None:
        host = f"localhost:{face.port}"
        received = face.seen(f"/user/{name}/lab", headers={"Authorization": "token abc"})

        assert {value for header, value in received["headers"] if header.lower() == "host"} == {host}

    @pytest.mark.parametrize("path", ["/user/founder/../../hub/home", "/hub/../user/founder/x", "/user/a/../founder/x"])
    def test_the_path_that_chose_the_person_is_the_one_that_is_passed_on(self, face: Face, path: str) -> None:
        received = face.seen(path, headers={"Authorization": "token abc"})
        host = {value for header, value in received["headers"] if header.lower() == "host"}

        assert (received["path"], host) == (
            path,
            {f"{'localhost' if path.endswith('home') else 'founder.localhost'}:{face.port}"},
        )

    @pytest.mark.parametrize("trusted", [True, False])
    def test_the_hub_is_verified_by_its_own_name_whatever_name_a_browser_asks_for(
        self, folder: Path, trusted: bool
    ) -> None:
        here = folder / f"hub-{trusted}"
        (here / "tls").mkdir(parents=True)
        for name in ("client", "api", "stranger"):
            make_certificate(here / f"tls/{name}.pem")
        pem = here / f"tls/{'client' if trusted else 'stranger'}.pem"
        with (
            tls_server(pem, b"{}") as (port, requests),
            running(build(here, hub=Hub(internal_ssl=True, port=port))) as face,
        ):
            connection = UnixConnection(face.settings.paths.hub_socket, timeout=10)
            headers = {"Host": "founder.localhost", "X-Real-IP": "192.0.2.7", "Cookie": "a=b"}
            connection.request("GET", "/user/founder/", headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode()

        if trusted:
            assert (answer.status, requests[0] | headers) == (200, requests[0])
        else:
            assert (answer.status, requests) == (503, [])
            assert "Try again in a minute" in text

    def test_nodes_reach_the_api_and_nothing_else(self, face: Face) -> None:
        port = face.settings.api.port
        assert face.seen("/services/atrium/api/me", "127.0.0.1", port=port)["program"] == "api"
        for path in ("/", "/hub/login", "/user/founder/", "/services/dashboards/", "/services/atrium/../../hub/"):
            assert face.get(path, "127.0.0.1", port=port).status == 404, path

    def test_a_program_that_is_away_gets_our_words(self, folder: Path) -> None:
        (folder / "away").mkdir()
        with running(build(folder / "away")) as face:
            for path in (face.settings.paths.proxy_socket, face.settings.paths.api_socket):
                path.rename(path.with_suffix(".away"))
            host, service = f"localhost:{face.port}", f"atrium--service.localhost:{face.port}"
            page = face.get("/hub/home", host)
            answers = [
                face.get("/services/atrium/api/me", service, "POST"),
                face.get("/hub/api/user", host),
                face.get("/hub/home", host, headers={"Accept": "application/json"}),
                face.get("/user/founder/lab", host, headers={"Authorization": "token abc"}),
            ]
            for path in (face.settings.paths.proxy_socket, face.settings.paths.api_socket):
                path.with_suffix(".away").rename(path)
            busy = face.get("/hub/busy", host)

        assert (page.status, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
        assert "Not available at the moment" in page.text  # type: ignore[attr-defined]
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        for answer in answers:
            assert answer.status == 503
            assert "does not answer" in json.loads(answer.text)["error"]["message"]  # type: ignore[attr-defined]
        assert busy.status == 503
        assert "program" in busy.text, "a page of a program's own stays"  # type: ignore[attr-defined]

    def test_error_pages_of_the_proxy_are_ours_while_the_hub_is_away(self, face: Face) -> None:
        assert away_page(face, "/hub/error/503?url=%2Fhub%2Fhome").startswith("<!DOCTYPE html>")
        assert json.loads(away_page(face, "/hub/error/503?url=%2Fhub%2Fapi%2Fusers"))["status"] == 503

    def test_on_one_origin_the_path_decides(self, folder: Path) -> None:
        (folder / "one").mkdir()
        port = free_port()
        site = Site(public_url=f"http://127.0.0.1:{port}", origins="path")
        with running(build(folder / "one", site=site, nginx=Nginx(command=PROGRAM, port=port, upload_mb=3))) as face:
            host = f"127.0.0.1:{port}"
            paths = ("/hub/", "/user/a/", "/services/atrium/api", "/services/dashboards/", "/services/other/")
            programs = [face.seen(path, host)["program"] for path in paths]
            assert face.get("/user/a/x", host, "PUT", body=b"x" * 2**21).status == 200
            assert face.get("/hub/x", host, "PUT", headers={"Content-Length": str(2**21)}).status == 413
            assert face.get("/hub/", f"localhost:{port}").status == 421

        assert programs == ["proxy", "proxy", "api", "dashboards", "proxy"]

    def test_a_reload_loses_no_request(self, folder: Path) -> None:
        (folder / "reload").mkdir()
        with running(build(folder / "reload")) as face, requests_all_the_time(face) as statuses:
            port = free_port()
            changed = face.settings.model_copy(update={"api": Api(port=port)})
            assert nginx.reload(changed)
            eventually(lambda: listens(port), within=10, every=0.05, what="the new port")
            assert not nginx.reload(changed), "nothing changed"

            missing = Nginx(command=PROGRAM, port=face.port, certificate=Path("/none"), certificate_key=Path("/none"))
            with pytest.raises(SettingsError, match="refuses the configuration and goes on"):
                nginx.reload(face.settings.model_copy(update={"nginx": missing}))
            assert face.get("/hub/home", f"localhost:{face.port}").status == 200
            eventually(lambda: len(statuses) > 100, within=60, what="many requests")

        assert set(statuses) == {200}

    def test_after_a_kill_a_new_one_has_the_port_and_open_connections_go_on(self, folder: Path) -> None:
        (folder / "killed").mkdir()
        with running(build(folder / "killed")) as face:
            host = f"founder.localhost:{face.port}"
            with socket.create_connection(("127.0.0.1", face.port), timeout=10) as connection:
                request = (
                    f"GET /user/founder/x HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                )
                connection.sendall(f"{request}\r\n".encode())
                eventually(lambda: connection.recv(4096, socket.MSG_PEEK), within=5, what="the answer")
                os.kill(face.process.pid, signal.SIGKILL)
                face.process.wait(10)
                face.start()
                eventually(lambda: listeners(face.port) == {face.process.pid}, within=10, what="only it listens")
                assert face.seen("/hub/home")["program"] == "proxy"
                connection.sendall(b"hello")
                received = b""
                while b"HELLO" not in received:
                    received += connection.recv(4096)


def listeners(port: int) -> set[int]:
    """Process groups of those that listen at a port: a master and its workers are in that of its starter."""
    connections = psutil.net_connections("tcp4")
    pids = {entry.pid for entry in connections if entry.laddr.port == port and entry.status == psutil.CONN_LISTEN}
    return {os.getpgid(pid) for pid in pids}


def listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    return False


def away_page(face: Face, path: str) -> str:
    connection = HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(face.settings.paths.error_page_socket))
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 503
    return answer.read().decode()


@contextmanager
def requests_all_the_time(face: Face) -> Iterator[list[int]]:
    """The status of each request, from four clients at once; 0 for one that got no answer."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                statuses.append(face.get("/hub/home", f"localhost:{face.port}").status)
            except OSError:
                statuses.append(0)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
