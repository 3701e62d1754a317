"""A server's announcement and farewell to the Hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spawners.node import announce
from tests.web import free_port


class Hub(ThreadingHTTPServer):
    """Keeps what it hears; answers with the next of its statuses, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Ear)
        self.requests: list[tuple[str, str, dict[str, object]]] = []
        self.statuses = [201]
        self.answer = b""
        self.deaf = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server_address[1]}/hub/api"
        return {"JUPYTERHUB_API_URL": url, "JUPYTERHUB_API_TOKEN": "secret"}


class Ear(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        if self.server.deaf.is_set():
            time.sleep(30)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers["Authorization"], body))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.end_headers()

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Authorization"], {}))
        self.send_response(self.server.statuses[0])
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_the_port_is_told_with_the_servers_token_and_nothing_else(hub: Hub) -> None:
    assert announce.announce(34567, hub.environment)
    assert hub.requests == [("/hub/api/batchspawner", "token secret", {"port": 34567})]


def test_a_hub_that_refuses_or_fails_is_asked_again(hub: Hub) -> None:
    hub.statuses = [403, 503, 409, 201]
    pauses: list[float] = []

    assert announce.announce(34567, hub.environment, pause=pauses.append)
    assert len(hub.requests) == 4
    assert pauses == sorted(pauses)


def test_a_hub_that_never_takes_it_is_given_up(hub: Hub) -> None:
    hub.statuses = [403]

    assert not announce.announce(34567, hub.environment, seconds=1, pause=lambda _: None)


def test_a_server_that_nobody_can_reach_ends_with_its_own_code() -> None:
    program = "from spawners.node import announce; import os; announce._announce_or_end(34567, os.environ)"
    environment = {**os.environ, "JUPYTERHUB_API_URL": f"http://127.0.0.1:{free_port()}/hub/api"}
    environment |= {"JUPYTERHUB_API_TOKEN": "secret", "ATRIUM_UNREACHABLE_SECONDS": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == announce.EXIT_UNREACHABLE == 70
    assert "cannot reach the Hub" in done.stderr
    assert "secret" not in done.stderr


def test_the_farewell_is_posted(hub: Hub) -> None:
    announce.farewell("idle", hub.environment)

    assert hub.requests[0][2] == {"farewell": "idle"}


@pytest.mark.parametrize("statuses", [[403], [500]])
def test_a_farewell_that_is_not_taken_raises_nothing(hub: Hub, statuses: list[int]) -> None:
    hub.statuses = statuses
    announce.farewell("finished", hub.environment)


def test_a_hub_that_does_not_answer_holds_nobody_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "FAREWELL_SECONDS", 0.2)
    hub.deaf.set()
    announce.farewell("finished", hub.environment)  # pytest's own limit would be in its way otherwise

    assert hub.requests == []


def test_the_end_of_the_job_is_asked_for_with_the_servers_token(hub: Hub) -> None:
    hub.statuses, hub.answer = [200], b'{"ends": 1800000000.0}'

    assert announce.job_end(hub.environment) == 1_800_000_000
    assert hub.requests == [("/hub/api/batchspawner", "token secret", {})]


@pytest.mark.parametrize(
    ("status", "answer"),
    [(200, b'{"ends": null}'), (200, b"[]"), (200, b"no JSON"), (403, b'{"ends": 1800000000.0}'), (200, b"")],
)
def test_an_end_that_is_not_known_is_none(hub: Hub, status: int, answer: bytes) -> None:
    hub.statuses, hub.answer = [status], answer

    assert announce.job_end(hub.environment) is None
    assert announce.job_end({}) is None


def test_outside_of_a_hub_nothing_is_posted() -> None:
    announce.farewell("finished", {})
    announce.announce_in_background(34567, {})


def test_no_import_that_the_start_would_have_to_wait_for() -> None:
    """What runs before Jupyter is imported brings nothing heavy of its own."""
    program = "import sys, spawners.node.launch; print([m for m in ('httpx2', 'tornado', 'ssl') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout.strip() == "[]"
