"""A server as its job starts it, with a home full of files that would change it; only the Hub is a stand-in."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest

from tests.node_server import stand_in_hub
from tests.polling import eventually

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]
TOKEN = "secret-of-the-server"
START = "import sys; sys.path[:0] = sys.argv[1:]; from spawners.node.launch import main; main()"
REPORTER = """
import os
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

class Environment(JupyterHandler):
    @web.authenticated
    def get(self):
        self.finish(dict(os.environ))

def _jupyter_server_extension_points():
    return [{"module": "reporter"}]

def _load_jupyter_server_extension(server):
    server.web_app.add_handlers(".*$", [(server.base_url + "environment", Environment)])
"""
"""A server extension that tells which variables programs inherit that the server starts."""
INTRUDER = "import os; open(os.path.join({home!r}, 'intruder-' + {name!r} + '-' + str(os.getpid())), 'w').close()\n"


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    address: str
    home: Path
    runtime: Path

    def post(self, path: str, body: object = None) -> dict[str, str]:
        headers = {"Authorization": f"token {TOKEN}"}
        response = httpx2.post(f"{self.address}{path}", json=body or {}, headers=headers, timeout=60)
        assert response.is_success, response.text
        return dict(response.json())

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"{self.address}{path}", headers={"Authorization": f"token {TOKEN}"}, timeout=60)

    def environments(self) -> dict[int, dict[str, str]]:
        """Variables with which the programs that the server has started began, by their numbers."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return {child.pid: child.environ() for child in children}

    def started_by(self, path: str, body: object) -> tuple[dict[str, str], dict[str, str]]:
        """The answer to ``POST path``, and the variables of the program that it started."""
        before = set(self.environments())
        answer = self.post(path, body)
        pid = eventually(lambda: min(set(self.environments()) - before, default=0), within=20, what="a program")
        servers = psutil.Process(self.process.pid).environ()  # a copy of the server has them until it becomes a shell
        eventually(lambda: self.environments()[pid] != servers, within=5, what="variables of its own")
        return answer, self.environments()[pid]


def fill(home: Path) -> None:
    """Files that Python, Jupyter, bash and the loader of programs would read at their start."""
    user_site = home / ".local/lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    for folder in (user_site, home / ".jupyter", home / "modules"):
        folder.mkdir(parents=True)
    files = {
        "usercustomize": user_site / "usercustomize.py",
        "sitecustomize": home / "modules/sitecustomize.py",
        "jupyter_config": home / ".jupyter/jupyter_config.py",
        "jupyter_server_config": home / ".jupyter/jupyter_server_config.py",
        "terminals": home / ".jupyter/jupyter_server_terminals_config.py",
        "module": home / "jupyterlab.py",
    }
    for name, path in files.items():
        path.write_text(INTRUDER.format(home=str(home), name=name))
    switched_off = {"ServerApp": {"jpserver_extensions": {"spawners.node": False}}}
    (home / ".jupyter/jupyter_server_config.json").write_text(json.dumps(switched_off))
    (home / ".bash_profile").write_text(
        "export PYTHONPATH=$HOME/modules JUPYTER_CONFIG_DIR=$HOME/.jupyter LD_LIBRARY_PATH=$HOME MINE=1\n"
    )
    kernel = home / ".local/share/jupyter/kernels/mine"
    kernel.mkdir(parents=True)
    specification = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Mine",
        "metadata": {"kernel_provisioner": {"provisioner_name": "local-provisioner"}},
        "env": {"COPIED": "${JUPYTERHUB_API_TOKEN}"},
    }
    (kernel / "kernel.json").write_text(json.dumps(specification))
    settings = home / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text('{"theme": "Mine"}')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home, runtime = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("run")
    runtime.chmod(0o700)
    fill(home)
    settings = tmp_path_factory.mktemp("etc")
    configuration = json.loads((ROOT / "spawners/jupyter/jupyter_server_config.json").read_text())
    configuration["ServerApp"] |= {"allow_root": True}
    configuration["ServerApp"]["jpserver_extensions"] |= {"spawners.node": True, "reporter": True}
    (settings / "reporter.py").write_text(REPORTER)
    (settings / "jupyter_server_config.json").write_text(json.dumps(configuration))
    with stand_in_hub("maria", token=TOKEN) as (hub, ports):
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "JUPYTER_CONFIG_PATH": str(settings),
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTERHUB_API_TOKEN": TOKEN,
            "JUPYTERHUB_API_URL": hub,
            "JUPYTERHUB_ACTIVITY_URL": f"{hub}/users/maria/activity",
            "JUPYTERHUB_BASE_URL": "/",
            "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-maria",
            "JUPYTERHUB_HOST": "",
            "JUPYTERHUB_USER": "maria",
            "JUPYTERHUB_SERVER_NAME": "",
            "JUPYTERHUB_SERVICE_PREFIX": "/user/maria/",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=maria/"]',
            "ATRIUM_API_TOKEN": "token-of-notebooks",
            "ATRIUM_API_URL": "http://127.0.0.1:1",
            "ATRIUM_JOB_ID": "7",
            "ATRIUM_JOB_ACCOUNT": "steel",
            "ATRIUM_JOB_NODE": "cpu1",
            "SLURM_JOB_ID": "7",
            "SLURM_MEM_PER_NODE": "4096",
            "PYTHONPATH": str(home / "modules"),  # a variable that a site's shell may add
        }
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", START, str(ROOT), str(settings)], env=environment, cwd=home
        )
        try:
            port = eventually(lambda: next(iter(ports), 0), within=120, what="the server's port")
            yield Server(process, f"http://127.0.0.1:{port}/user/maria/", home, runtime)
        finally:
            process.terminate()
            process.wait(30)


def test_nothing_of_the_home_is_loaded_into_the_server(server: Server) -> None:
    assert server.get("api/status").is_success
    assert server.get("lab/api/settings").is_success
    intruders = [path.name for path in server.home.glob(f"intruder-*-{server.process.pid}")]
    assert intruders == []
    assert server.get("atrium/job").is_success, "what the home switches off is on"


def test_the_persons_lab_settings_and_kernels_are_there(server: Server) -> None:
    themes = server.get("lab/api/settings/@jupyterlab/apputils-extension:themes").json()
    assert "Mine" in themes["raw"]
    assert set(server.get("api/kernelspecs").json()["kernelspecs"]) >= {"python3", "mine"}


def check(variables: dict[str, str]) -> None:
    """Variables of a program of the person: none of the server's."""
    assert TOKEN not in variables.values()
    assert "token-of-notebooks" not in variables.values()
    assert [name for name in variables if name.startswith("SLURM_")] == []
    own = {"JUPYTERHUB_USER": "maria", "JUPYTERHUB_SERVICE_PREFIX": "/user/maria/", "ATRIUM_JOB_ID": "7"}
    assert own.items() <= variables.items()
    assert {"HOME", "USER", "SHELL", "PATH", "ATRIUM_JOB_ACCOUNT", "ATRIUM_JOB_NODE"} <= set(variables)


@pytest.mark.parametrize("kernel", ["python3", "mine"])
def test_a_kernel_has_the_persons_variables_and_none_of_the_servers(server: Server, kernel: str) -> None:
    """Also one of a notebook, for which Jupyter copies the server's variables, and after a restart."""
    notebook = {"path": f"{kernel}.ipynb", "type": "notebook", "name": f"{kernel}.ipynb", "kernel": {"name": kernel}}
    session, variables = server.started_by("api/sessions", notebook)

    check(variables)
    assert variables["MINE"] == "1"
    assert variables["JPY_SESSION_NAME"].endswith(f"{kernel}.ipynb")
    number = session["kernel"]["id"]  # type: ignore[index]
    server.post(f"api/kernels/{number}/restart")
    variables = eventually(
        lambda: next((v for v in server.environments().values() if v.get("JPY_SESSION_NAME")), None),
        within=20,
        what="the kernel after its restart",
    )
    check(variables)
    headers = {"Authorization": f"token {TOKEN}"}
    httpx2.delete(f"{server.address}api/sessions/{session['id']}", headers=headers, timeout=60)


def test_a_terminal_has_none_of_the_servers_variables(server: Server) -> None:
    _, variables = server.started_by("api/terminals", {})
    check(variables)
    assert variables["TERM"] != "dumb"


def test_the_server_itself_forgets_its_secrets_once_it_runs(server: Server) -> None:
    """So that no program inherits them, whichever library starts it."""
    response = server.get("environment")
    assert response.is_success
    variables = response.json()
    assert variables["JUPYTERHUB_USER"] == "maria"
    assert TOKEN not in variables.values()
    assert "token-of-notebooks" not in variables.values()


def test_the_token_of_notebooks_is_a_file_for_the_person_only(server: Server) -> None:
    path = server.runtime / "api-token"
    assert path.read_text() == "token-of-notebooks"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_file_of_the_runtime_directory_holds_the_servers_token(server: Server) -> None:
    files = [path for path in server.runtime.rglob("*") if path.is_file()]
    assert any(path.name.startswith("jpserver-") for path in files)
    assert [path.name for path in files if TOKEN in path.read_text(errors="replace")] == []
