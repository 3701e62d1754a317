"""A person's server as its job starts it (``spawners.node.launch``), with a small Hub beside it and without Slurm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

ROOT = Path(__file__).parent.parent
BASE = "/user/founder/"
SCOPE = "access:servers!server=founder/"
START_SECONDS = 240
STOP_SECONDS = 30


class StandInHub(BaseHTTPRequestHandler):
    """What a server asks the Hub: takes the port, hands out a token, and says whom a token belongs to."""

    person: str
    token: str
    ports: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/batchspawner"):
            self.ports.append(json.loads(body).get("port", 0))
        self._answer({"access_token": "token-of-the-browser"})

    def do_GET(self) -> None:
        scopes = [f"access:servers!server={self.person}/"]
        model = {"kind": "user", "name": self.person, "groups": [], "scopes": scopes}
        self._answer({**model, "session_id": "", "admin": False})

    def _answer(self, model: dict[str, Any]) -> None:
        body = json.dumps(model).encode()
        is_known = not self.token or self.headers.get("Authorization") == f"token {self.token}"
        self.send_response(200 if is_known else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def stand_in_hub(person: str, *, token: str = "") -> Iterator[tuple[str, list[int]]]:
    """Address of the API of a Hub with one person, and the ports that servers announced to it.

    :param token: the only token that it knows; "": any.
    """
    ports: list[int] = []
    values = {"person": person, "token": token, "ports": ports}
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Hub", (StandInHub,), values)) as hub:
        Thread(target=hub.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{hub.server_port}/hub/api", ports
        finally:
            hub.shutdown()


@contextmanager
def node_server(home: Path, *extensions: str) -> Iterator[str]:
    """The address of a server of a person with this home; ``extensions``: modules that are loaded, too."""
    configuration(home, extensions)
    command = [sys.executable, "-P", "-m", "spawners.node.launch"]
    with stand_in_hub("founder") as (hub, ports), (home / "server.log").open("wb") as log:
        environment = _environment(home, hub)
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{_port(ports, process, home)}{BASE}"
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _port(ports: list[int], process: subprocess.Popen[bytes], home: Path) -> int:
    from tests.polling import eventually

    def announced() -> int:
        assert process.poll() is None, (home / "server.log").read_text()[-4000:]
        return ports[0] if ports else 0

    return eventually(announced, within=START_SECONDS, what="the server's port")


def configuration(home: Path, extensions: tuple[str, ...]) -> None:
    """The gateway's files where an installation puts them, and what the environment's own packages bring."""
    site = _site(home)
    for source, folder in (("spawners/jupyter", "etc"), ("notebooks/voila", "share/voila/templates/atrium")):
        (site / folder).parent.mkdir(parents=True, exist_ok=True)
        (site / folder).symlink_to(ROOT / source)
    more = site / "more/jupyter_server_config.d"
    more.mkdir(parents=True)
    (home / "runtime").mkdir(mode=0o700)
    for path, settings in (
        (more / "more.json", {"jpserver_extensions": dict.fromkeys(extensions, True)}),
        (more.with_suffix(".json"), {"allow_root": True}),
    ):
        path.write_text(json.dumps({"ServerApp": settings}))


def _site(home: Path) -> Path:
    """The installation's files; a server reads no settings below its person's home."""
    return home.with_name(f"{home.name}-site")


def _environment(home: Path, hub: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "JUPYTER_CONFIG_PATH": f"{_site(home) / 'etc'}:{_site(home) / 'more'}",
        "JUPYTER_PATH": str(_site(home) / "share"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "SLURM_JOB_ID": "4711",
        "ATRIUM_DASHBOARDS_DIR": str(ROOT / "notebooks/dashboards"),
        "ATRIUM_HUB_URL": "http://localhost:8000/hub/",
        "ATRIUM_API_URL": "http://127.0.0.1:9/",
        "ATRIUM_PROJECTS": str(home / "projects"),
        "JUPYTERHUB_USER": "founder",
        "JUPYTERHUB_API_TOKEN": "token-of-the-server",
        "JUPYTERHUB_API_URL": hub,
        "JUPYTERHUB_ACTIVITY_URL": f"{hub}/users/founder/activity",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-founder",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([SCOPE]),
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{BASE}oauth_callback",
        "JUPYTERHUB_SERVICE_PREFIX": BASE,
    }


def browser(address: str) -> httpx2.Client:
    """A client that is signed in by cookies, as a browser is."""
    client = httpx2.Client(timeout=60, headers={"Origin": address.removesuffix(BASE)})
    page = client.get(f"{address}lab")
    state = parse_qs(urlsplit(page.headers["Location"]).query)["state"][0]
    client.get(f"{address}oauth_callback", params={"code": "1", "state": state})
    client.get(f"{address}lab")
    assert client.cookies.get("_xsrf"), page
    return client
