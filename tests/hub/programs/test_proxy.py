"""The proxy's command line, and getting its routes back. The real proxy is in the end-to-end tests."""

import os
import time
from pathlib import Path

import httpx2
import pytest

from hub.programs import proxy
from hub.settings import Proxy, Settings, Site
from tests.polling import eventually


def test_the_command_line_has_no_secret(settings):
    argv = proxy.command(settings)
    assert "secret-of-proxy" not in " ".join(argv)
    options = dict(zip(argv[1:-2:2], argv[2:-2:2], strict=True))
    assert options == {
        "--socket": "/run/atrium/sockets/proxy.sock",
        "--api-ip": "127.0.0.1",
        "--api-port": "18001",
        "--default-target": "http://127.0.0.1:18002",
        "--error-target": "http+unix://%2Frun%2Fatrium%2Fsockets%2Ferror-pages.sock/hub/error",
        "--log-level": "warn",
    }
    assert argv[-2:] == ["--no-x-forward", "--host-routing"]


def test_an_upgrade_does_not_move_its_files(tmp_path):
    command = tmp_path / "proxy/bin/configurable-http-proxy"
    (tmp_path / "base/bin").mkdir(parents=True)
    (tmp_path / "proxy").symlink_to(tmp_path / "base")
    command.touch()
    argv = proxy.command(Settings(proxy=Proxy(command=command)))
    assert argv[0] == str(tmp_path / "base/bin/configurable-http-proxy")


def test_on_one_origin_hosts_do_not_matter():
    assert "--host-routing" not in proxy.command(Settings(site=Site(origins="path")))


class Machines:
    """A proxy and a Hub that need some time to start."""

    def __init__(self, proxy_after: int, hub_after: int) -> None:
        self.missing = {18001: proxy_after, 18002: hub_after}
        self.posted = []

    def __call__(self, request):
        self.missing[request.url.port] -= 1
        if self.missing[request.url.port] >= 0:
            if request.url.port == 18002 and self.missing[18002] == 0:
                return httpx2.Response(503)
            raise httpx2.ConnectError("refused")
        if request.url.port == 18001:
            return httpx2.Response(200 if request.headers["Authorization"] == "token secret-of-proxy" else 403)
        self.posted.append((request.method, request.url.path, request.headers["Authorization"]))
        return httpx2.Response(200)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_the_hub_is_asked_once_both_are_up(settings):
    machines = Machines(proxy_after=3, hub_after=2)
    assert proxy.restore_routes(settings, transport=httpx2.MockTransport(machines))
    assert machines.posted == [("POST", "/hub/api/proxy", "token secret-of-worker")]


def test_it_gives_up_in_the_end(settings, caplog):
    machines = Machines(proxy_after=0, hub_after=10**9)
    assert not proxy.restore_routes(settings, seconds=0.05, transport=httpx2.MockTransport(machines))
    assert "giving up" in caplog.text
    assert "secret-of-worker" not in caplog.text


def children() -> set[str]:
    """Process ids of the children of this process, those that ended and were not collected among them."""
    return {pid for thread in Path("/proc/self/task").iterdir() for pid in (thread / "children").read_text().split()}


def test_what_works_in_the_background_is_nobodys_child(tmp_path):
    def work():
        (tmp_path / "draft").write_text(str(os.getppid()))
        (tmp_path / "draft").rename(tmp_path / "parent")

    before = children()
    proxy._in_background(work)
    eventually((tmp_path / "parent").exists, within=10, what="the work is done", every=0.05)
    assert (tmp_path / "parent").read_text() != str(os.getpid())
    assert children() == before
