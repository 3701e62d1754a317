"""Health checks use TLS as the settings say, also before certificates exist."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.dev import health
from deploy.dev.layout import Layout, Options


@pytest.mark.parametrize("text", ["", "[hub]\nport = 1\n", "[hub]\ninternal_ssl = false\n", "[hub\n"])
def test_without_tls_unless_the_settings_say_so(tmp_path: Path, text: str) -> None:
    layout = Layout(Options(prefix=str(tmp_path)))
    assert health.internal_tls(layout) is None, "nothing is laid down yet"
    layout.etc.mkdir(parents=True)
    layout.settings.write_text(text)
    assert health.internal_tls(layout) is None


def test_with_tls_also_while_the_certificates_are_still_to_be_made(tmp_path: Path) -> None:
    layout = Layout(Options(prefix=str(tmp_path)))
    layout.etc.mkdir(parents=True)
    layout.settings.write_text("[hub]\ninternal_ssl = true\n")

    assert isinstance(health.internal_tls(layout), ssl.SSLContext)


class Answers(BaseHTTPRequestHandler):
    status = 421
    host = ""

    def do_GET(self) -> None:
        type(self).host = self.headers["Host"]
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_nginx_has_to_answer_at_every_address_of_the_settings(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        layout = Layout(Options(prefix=str(tmp_path), port=server.server_port))
        layout.etc.mkdir(parents=True)
        layout.settings.write_text('[nginx]\nlisten = ["0.0.0.0"]\n')
        assert health.nginx(layout) == ""
        layout.settings.write_text('[nginx]\nlisten = ["127.0.0.1", "127.0.0.2"]\n')
        assert "no answer at 127.0.0.2" in health.nginx(layout)
        server.shutdown()


def test_the_hub_is_called_by_the_name_in_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        layout = Layout(Options(prefix=str(tmp_path)))
        monkeypatch.setitem(layout.ports, "hub", server.server_port)
        layout.etc.mkdir(parents=True)
        layout.settings.write_text('[site]\npublic_url = "https://hub.example.org"\n')
        health.hub_api(layout)
        server.shutdown()
    assert Answers.host == "hub.example.org"


def test_the_dashboards_have_to_answer_at_their_socket(tmp_path: Path) -> None:
    layout = Layout(Options(prefix=str(tmp_path)))
    assert "dashboards.sock (" in health.dashboards(layout)
