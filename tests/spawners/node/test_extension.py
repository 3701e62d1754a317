"""What JupyterLab asks a server about its time, hours and idleness; a real server, without the Hub around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from jupyter_server.serverapp import ServerWebApplication

from spawners.node import extension
from spawners.node.hours import project
from tests.polling import eventually
from tests.web import free_port

ROOT = Path(__file__).parent.parent.parent.parent
TOKEN = {"Authorization": "token t"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    home, port = tmp_path_factory.mktemp("home"), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "ATRIUM_JOB_ID": "4711",
        "ATRIUM_JOB_ACCOUNT": "demo",
        "SLURM_JOB_END_TIME": str(int(time.time()) + 3600),
        "ATRIUM_JOB_NODE": "cpu7",
        "ATRIUM_IDLE_MINUTES": "120",
        "ATRIUM_SERVER_NAME": "train",
        "ATRIUM_HUB_URL": "http://localhost:8000/hub/",
    }
    options = {"port": port, "ip": "127.0.0.1", "token": "t", "base_url": "/user/founder/", "allow_root": True}
    argv = [f"--ServerApp.{name}={value}" for name, value in options.items()]
    argv += ["--ServerApp.jpserver_extensions=spawners.node=True"]
    process = subprocess.Popen([sys.executable, "-m", "jupyter_server", *argv], env=environment, cwd=home)
    address = f"http://127.0.0.1:{port}/user/founder/"
    try:
        eventually(lambda: status(address).is_success, within=60, what="the server")
        yield address, process
    finally:
        process.terminate()
        process.wait(20)


def status(address: str, **headers: str) -> httpx2.Response:
    try:
        return httpx2.get(address + "atrium/job", headers={**TOKEN, **headers}, timeout=20)
    except httpx2.TransportError:
        return httpx2.Response(503)


def test_the_status_is_of_this_job(server: tuple[str, Any]) -> None:
    body = status(server[0]).json()

    assert (body["job"], body["node"], body["project"], body["server"]) == ("4711", "cpu7", "demo", "train")
    assert 0 < body["seconds_left"] <= 3600
    assert body["ends"] - body["seconds_left"] == pytest.approx(time.time(), abs=5)
    assert (body["idle_minutes"], body["idle_end"], body["ending"], body["hours"]) == (120, None, False, None)


def test_strangers_get_nothing_and_keep_nothing(server: tuple[str, Any]) -> None:
    assert httpx2.get(server[0] + "atrium/job", timeout=20).status_code == 403
    assert httpx2.post(server[0] + "atrium/job/keep", timeout=20).status_code == 403


def test_keeping_is_a_post_that_another_page_cannot_send(server: tuple[str, Any]) -> None:
    assert httpx2.post(server[0] + "atrium/job/keep", headers=TOKEN, timeout=20).status_code == 204
    assert httpx2.get(server[0] + "atrium/job/keep", headers=TOKEN, timeout=20).status_code == 405
    with httpx2.Client(timeout=20) as person:  # signed in by cookie, as a browser is
        person.get(server[0] + "login", params={"token": "t"})
        person.get(server[0] + "tree", params={"token": "t"})
        assert person.cookies
        assert person.post(server[0] + "atrium/job/keep").status_code == 403
        assert person.post(server[0] + "atrium/job/keep", headers={"X-XSRFToken": person.cookies["_xsrf"]}).is_success


def test_slurms_signal_does_not_end_the_server_at_once(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    server[1].send_signal(signal.SIGUSR1)

    assert status(server[0]).json()["ending"] is False
    assert server[1].poll() is None


ME = {
    "projects": [
        {"slug": "green-steel", "title": "Green steel", "cpu": {"left": 3}, "gpu": {"left": 4}},
        {"slug": "demo", "title": "Demo project", "cpu": {"left": 1}, "gpu": {"left": 2}},
    ]
}


def test_the_project_is_the_one_that_pays() -> None:
    assert project(ME, "demo") == {"title": "Demo project", "cpu": {"left": 1}, "gpu": {"left": 2}}
    assert project(ME, "somebody-elses") is None


def test_jupyter_server_counts_what_the_watch_knows_as_activity() -> None:
    web = ServerWebApplication.__new__(ServerWebApplication)
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    kernels = SimpleNamespace(last_kernel_activity=begin)
    web.settings = {"started": begin, "kernel_manager": kernels, "last_activity_times": {}}
    extension._note_activity(web.settings, begin.timestamp() + 3600)
    assert web.last_activity() == begin + timedelta(hours=1)
