"""A person who uses the Hub's REST API, with queries of their servers in the ledger and Slurm."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from playwright.sync_api import Browser

from tests.browser import api_token, sign_in
from tests.deployment import Deployment
from tests.polling import eventually
from tests.web import client

READY_SECONDS = 120
END_SECONDS = 120
SMALL = {"account": "demo", "partition": "notebooks", "cpus": 1, "memory_gb": 1}


@dataclass(frozen=True)
class Account:
    """The demo person ``name`` with a token of an hour."""

    deployment: Deployment
    name: str
    http: httpx2.Client

    def url(self, server: str = "") -> str:
        return f"{self.deployment.public_url}/hub/api/users/{self.name}/server{f's/{server}' if server else ''}"

    def start(self, server: str = "", **options: object) -> httpx2.Response:
        """Ask for a start; the Hub answers when it is through, or after ten seconds."""
        return self.http.post(self.url(server), json={"user_options": {**SMALL, **options}}, timeout=60)

    def stop(self, server: str = "") -> httpx2.Response:
        return self.http.delete(self.url(server), timeout=60)

    def server(self, server: str = "") -> dict[str, Any] | None:
        """The Hub's model of an active server, None when it has none."""
        people = self.http.get(f"{self.deployment.public_url}/hub/api/users/{self.name}")
        server_model: dict[str, Any] | None = people.raise_for_status().json()["servers"].get(server)
        return server_model

    def is_ready(self, server: str = "") -> bool:
        server_model = self.server(server)
        return bool(server_model and server_model["ready"])

    def wait_until_ready(self, server: str = "") -> None:
        eventually(lambda: self.is_ready(server), within=READY_SECONDS, what=f"{self.name}'s server is ready")
        answer = self.http.get(f"{self.deployment.server_url(self.name)}{f'{server}/' if server else ''}api/status")
        assert answer.status_code == 200, answer.text

    def wait_until_gone(self, server: str = "") -> None:
        eventually(lambda: not self.server(server), within=END_SECONDS, what=f"{self.name}'s server is gone")

    def wait_until_pending(self, action: str, server: str = "") -> None:
        """The ledger says first what a server waits for; the Hub's model follows within its own steps."""

        def pending() -> bool:
            return (self.server(server) or {}).get("pending") == action

        eventually(pending, within=END_SECONDS, what=f"the Hub says that {self.name}'s server has a pending {action}")

    def jobs(self) -> list[int]:
        return [int(number) for number in self.deployment.jobs_of(self.name)]

    def attempt(self, server: str = "") -> dict[str, Any]:
        """The newest row of the ledger for a server; empty if there is none."""
        with ledger(self.deployment) as database:
            row = database.execute(
                "SELECT * FROM server_attempts WHERE person = ? AND server = ? ORDER BY id DESC", (self.name, server)
            ).fetchone()
        return dict(row) if row else {}

    def wait_for_state(self, state: str, server: str = "", within: float = READY_SECONDS) -> dict[str, Any]:
        def there() -> bool:
            return bool(self.attempt(server).get("state") == state)

        eventually(there, within=within, what=f"the ledger says {state} of {self.name}'s server")
        return self.attempt(server)

    def stop_everything(self) -> None:
        """End all servers, then whatever else of the person's is in Slurm."""
        people = self.http.get(f"{self.deployment.public_url}/hub/api/users/{self.name}").json()
        for server in people.get("servers", {}):
            self.stop(server)
        self.deployment.run("scancel", f"--user={self.name}", check=False)
        eventually(lambda: not self.jobs(), within=END_SECONDS, what=f"no job of {self.name} is left")


@contextmanager
def ledger(deployment: Deployment) -> Iterator[sqlite3.Connection]:
    """The API's database; what is changed in it is committed."""
    path = deployment.settings.api.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=10)) as database, database:
        database.row_factory = sqlite3.Row
        yield database


@contextmanager
def signed_in(deployment: Deployment, browser: Browser, role: str) -> Iterator[Account]:
    """The demo person of ``role``; their servers are ended afterwards."""
    name = deployment.person(role)
    context = browser.new_context()
    try:
        token = api_token(sign_in(context, deployment, name), deployment, name)
    finally:
        context.close()
    with client(token) as http:
        account = Account(deployment, name, http)
        try:
            yield account
        finally:
            account.stop_everything()
