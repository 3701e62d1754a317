"""The scaling page in a person's own server."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub import api_token
from tests.polling import eventually
from tests.web import free_port
from widgets.ownserver.extension import keep_lab_extensions
from widgets.ownserver.scaling_page import ABANDONED_SECONDS, PageKernels

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent.parent


class FakeManager:
    """The kernels of a server, as names with a number of open pages."""

    def __init__(self) -> None:
        self.pages = {"a-notebook": 0}

    async def start_kernel(self, **_: Any) -> str:
        self.pages["scaling"] = 0
        return "scaling"

    async def shutdown_kernel(self, kernel_id: str) -> None:
        del self.pages[kernel_id]

    def kernel_model(self, kernel_id: str) -> dict[str, int]:
        return {"connections": self.pages[kernel_id]}

    def __contains__(self, kernel_id: str) -> bool:
        return kernel_id in self.pages


def test_a_page_that_stays_away_ends_its_kernel_and_no_other() -> None:
    manager, times = FakeManager(), [0.0]
    kernels = PageKernels(manager, lambda: times[0])  # type: ignore[arg-type]
    asyncio.run(kernels.start_kernel())

    def later(pages: int, seconds: float) -> set[str]:
        if "scaling" in manager.pages:
            manager.pages["scaling"] = pages
        times[0] += seconds
        asyncio.run(kernels.end_abandoned())
        return set(manager.pages)

    assert "scaling" in later(pages=1, seconds=10 * ABANDONED_SECONDS)
    assert "scaling" in later(pages=0, seconds=ABANDONED_SECONDS - 1)
    assert later(pages=0, seconds=2) == {"a-notebook"}
    assert later(pages=0, seconds=ABANDONED_SECONDS) == {"a-notebook"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Jupyter server as a person's job starts it, without the Hub around it."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    templates = home / "share/voila/templates"
    templates.mkdir(parents=True)
    (templates / "atrium").symlink_to(ROOT / "notebooks/voila")
    (home / "scaling.ipynb").write_text("not what is installed")
    (home / "run").mkdir()
    api_token.write(home / "run", "token-of-founder")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "JUPYTER_PATH": str(home / "share"),
        "ATRIUM_DASHBOARDS_DIR": str(ROOT / "notebooks/dashboards"),
        "ATRIUM_HUB_URL": "http://localhost:8000/hub/",
        "ATRIUM_API_URL": "http://127.0.0.1:9/",
        "JUPYTERHUB_USER": "founder",
        "JUPYTER_RUNTIME_DIR": str(home / "run"),
    }
    options = {"port": port, "ip": "127.0.0.1", "token": "t", "base_url": "/user/founder/", "allow_root": True}
    argv = [f"--ServerApp.{name}={value}" for name, value in options.items()]
    extensions = ["--ServerApp.jpserver_extensions=widgets.ownserver.extension=True"]
    process = subprocess.Popen([sys.executable, "-m", "jupyter_server", *argv, *extensions], env=environment, cwd=home)
    address = f"http://127.0.0.1:{port}/user/founder/"
    eventually(lambda: reachable(address), within=30, what="the server")
    yield address
    process.terminate()
    process.wait(20)
    shutil.rmtree(home)


def reachable(address: str) -> bool:
    try:
        return httpx2.get(address + "api", timeout=5).is_success
    except httpx2.TransportError:
        return False


def get(address: str) -> httpx2.Response:
    """As the person, on from the redirect that loads what is loaded on demand."""
    return httpx2.get(address, headers={"Authorization": "token t"}, timeout=60, follow_redirects=True)


def test_a_server_is_ready_without_voila_and_dask() -> None:
    slow = {"dask", "distributed", "nbconvert", "nbclient", "voila"}
    source = f"import sys, widgets.ownserver.extension; print(*{slow} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True)

    assert loaded.stdout.split() == []


def test_a_stranger_loads_nothing(server: str) -> None:
    assert httpx2.get(server + "voila/tree", timeout=20).status_code in (302, 403)


def test_extensions_load_on_the_first_request(server: str) -> None:
    path = "voila/tree"
    headers = {"Authorization": "token t"}
    first, later = (httpx2.get(server + path, headers=headers, timeout=60) for _ in range(2))

    assert (first.status_code, first.headers["Location"]) == (307, f"/user/founder/{path}")
    assert later.status_code == 200


def test_browsers_keep_what_has_a_hash_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in ("plain/static/remoteEntry.0a1b2c.js", "@scoped/name/static/remoteEntry.3d4e.js"):
        (tmp_path / "labextensions" / entry).parent.mkdir(parents=True)
        (tmp_path / "labextensions" / entry).touch()
    (tmp_path / "labextensions/by-hand/static").mkdir(parents=True)
    (tmp_path / "labextensions/by-hand/static/remoteEntry.js").touch()
    monkeypatch.setattr(
        "widgets.ownserver.extension.jupyter_path", lambda *_: [str(tmp_path / "labextensions"), "/nowhere"]
    )
    settings = {"static_immutable_cache": ["/user/founder/static/lab/"]}

    keep_lab_extensions(settings, "/user/founder/")

    below = "/user/founder/lab/extensions/"
    expected = ["/user/founder/static/lab/", f"{below}plain/static/", f"{below}@scoped/name/static/"]
    assert settings["static_immutable_cache"] == expected


def test_the_installed_page_is_shown_in_the_frame(server: str) -> None:
    page = get(server + "atrium/scaling")

    assert page.status_code == 200
    assert "<h1>Scale with Dask</h1>" in page.text
    assert 'id="frame-person-name">founder<' in page.text
    assert "application/vnd.jupyter.widget-view+json" in page.text
    assert "token-of-founder" not in page.text


def test_not_found_is_shown_in_the_frame(server: str) -> None:
    """The address of another server of the person that does not run is one of these."""
    answer = httpx2.get(server + "other/lab", headers={"Authorization": "token t"}, timeout=20)

    assert answer.status_code == 404
    assert "<h1>Page not found</h1>" in answer.text
    assert 'class="button primary" href="http://localhost:8000/hub/home"' in answer.text


def test_errors_are_shown_in_the_frame(server: str) -> None:
    answer = httpx2.put(server + "files/a", headers={"Authorization": "token t"}, timeout=20)

    assert answer.status_code == 405
    assert "<h1>This page cannot be shown</h1>" in answer.text
    assert "It says 405, Method Not Allowed." in answer.text
    assert 'class="button primary" href="http://localhost:8000/hub/home"' in answer.text


def test_jupyters_own_pages_stay(server: str) -> None:
    assert 'name="password"' in httpx2.get(server + "login", timeout=20).text


def test_no_page_names_a_cdn(server: str) -> None:
    page = get(server + "atrium/scaling")

    assert "cdn" not in page.text


def test_a_stranger_gets_the_theme_and_no_page(server: str) -> None:
    assert httpx2.get(server + "atrium/scaling", timeout=20).status_code in (302, 403)
    assert httpx2.get(server + "atrium/static/mark.svg", timeout=20).status_code == 200
