"""Extensions that are turned on by the first request for them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from jupyter_server.serverapp import ServerApp
from pytest import MonkeyPatch

from widgets.ownserver.lazy import LazyRouter

EXTENSION = """
import threading
from pathlib import Path

THREAD = threading.current_thread()

def _jupyter_server_extension_points():
    return [{"module": "atrium_late_probe"}]

def _load_jupyter_server_extension(server):
    if not Path(__file__).with_name("healthy").exists():
        raise RuntimeError("not today")
    server.probed = True
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: MonkeyPatch) -> ServerApp:
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_PATH"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "1")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "atrium_late_probe", raising=False)
    (tmp_path / "atrium_late_probe.py").write_text(EXTENSION)
    app = ServerApp(root_dir=str(tmp_path), allow_root=True)
    app.initialize(argv=[], find_extensions=False, new_httpserver=False)
    return app


async def test_a_failed_load_is_retried_by_the_next_request(server: ServerApp, tmp_path: Path) -> None:
    late = LazyRouter(server, {"probe": ("atrium_late_probe",)})

    assert not await late.load("probe")
    assert not await late.load("probe")
    (tmp_path / "healthy").touch()
    assert await late.load("probe")

    assert getattr(server, "probed", False)
    assert not server.reraise_server_extension_failures, "other extensions may fail as before"
    del server.probed
    assert await late.load("probe")
    assert not hasattr(server, "probed"), "once is enough"


async def test_it_is_imported_where_all_other_requests_import(server: ServerApp, tmp_path: Path) -> None:
    """Two threads that import what imports each other both find it half made."""
    (tmp_path / "healthy").touch()
    assert await LazyRouter(server, {"probe": ("atrium_late_probe",)}).load("probe")

    assert sys.modules["atrium_late_probe"].THREAD is threading.current_thread()
