"""The idle culler: its requests to the Hub, and that it ends only servers that are idle for long."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hub.programs import culling
from hub.settings import Hub, Paths, Settings


def ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def server(hours: float) -> dict[str, Any]:
    return {"name": "", "ready": True, "pending": None, "last_activity": ago(hours), "started": ago(200), "url": "/"}


class FakeHub(BaseHTTPRequestHandler):
    """Three people with a server each; notes who is ended."""

    ended: list[str]

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "token of-the-worker"
        users = [
            {
                "name": name,
                "admin": False,
                "last_activity": ago(hours),
                "created": ago(999),
                "servers": {"": server(hours)},
            }
            for name, hours in (("fresh", 1), ("nearly", 23), ("forgotten", 25))
        ]
        self._answer(200, users if "users" in self.path else {"version": "6.1.1"})

    def do_DELETE(self) -> None:
        self.ended.append(self.path)
        self._answer(204, None)

    def _answer(self, status: int, body: object) -> None:
        self.send_response(status)
        self.end_headers()
        if body is not None:
            self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Settings, list[str]]]:
    handler = type("Handler", (FakeHub,), {"ended": []})
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/worker").write_text("of-the-worker")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield Settings(paths=Paths(etc=tmp_path), hub=Hub(port=running.server_address[1])), handler.ended
        running.shutdown()


async def test_a_server_that_nobody_has_used_for_a_day_is_ended_and_no_other(hub: tuple[Settings, list[str]]) -> None:
    settings, ended = hub
    await culling.end_forgotten(settings)

    assert ended == ["/hub/api/users/forgotten/server"]


async def test_a_hub_that_is_away_is_asked_again_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/worker").write_text("of-the-worker")
    await culling.end_forgotten(Settings(paths=Paths(etc=tmp_path), hub=Hub(port=9)))

    assert "cannot look for idle servers" in caplog.text


def test_the_token_can_end_servers_and_do_nothing_else_to_people() -> None:
    assert [scope for scope in culling.SCOPES if not scope.startswith(("list:", "read:"))] == ["delete:servers"]
