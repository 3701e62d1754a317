"""The server has the gateway's environment and none of the person's; notebooks and terminals have the person's and none
of the server's."""

from __future__ import annotations

import json
import re
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import fetch
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.test_running import curl, server_process, warning
from tests.e2e.visitor import Visitor, staying
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

USER_SITE = f".local/lib/python{sysconfig.get_python_version()}/site-packages"
INTRUDER = "import os; open(os.path.expanduser('~/intruder-%d' % os.getpid()), 'w').close()\n"
FILES = {
    ".bash_profile": (
        "export MINE=1 PYTHONPATH=$HOME/modules LD_LIBRARY_PATH=$HOME/lib JUPYTER_CONFIG_DIR=$HOME/.jupyter\n"
        "export SBATCH_COMMENT=mine PATH=$HOME/bin:$PATH\n"
    ),
    ".jupyter/jupyter_server_config.py": INTRUDER,
    ".jupyter/jupyter_server_config.json": '{"ServerApp": {"jpserver_extensions": {"spawners.node": false}}}',
    f"{USER_SITE}/usercustomize.py": INTRUDER,
    "modules/sitecustomize.py": INTRUDER,
}
TYPE_IN_TERMINAL = """async ([address, line, end]) => {
  const socket = new WebSocket(address);
  let text = "";
  return await new Promise((resolve) => {
    const finish = () => { socket.close(); resolve(text); };
    setTimeout(finish, 60000);
    socket.onmessage = (message) => {
      const [kind, content] = JSON.parse(message.data);
      if (kind === "setup") socket.send(JSON.stringify(["stdin", line + "\\r"]));
      if (kind === "stdout") text += content;
      if (text.includes(end)) finish();
    };
  });
}"""


@contextmanager
def files_in_the_home(deployment: Deployment, name: str, files: dict[str, str]) -> Iterator[Path]:
    """The home of ``name`` with ``files``, written as that person, and afterwards as it was."""
    home = Path(f"~{name}").expanduser()
    as_person = ("runuser", "-u", name, "--")
    previous = {path: (home / path).read_text() for path in files if (home / path).exists()}
    for path, text in files.items():
        deployment.run(*as_person, "mkdir", "-p", str((home / path).parent))
        deployment.run(*as_person, "tee", str(home / path), text=text)
    try:
        yield home
    finally:
        for path in files:
            if path in previous:
                deployment.run(*as_person, "tee", str(home / path), text=previous[path])
            else:
                (home / path).unlink()


@pytest.fixture(scope="module")
def founder(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    """Somebody with start-up files of their own, and an open notebook."""
    name = deployment.person("founder")
    with files_in_the_home(deployment, name, FILES), staying(deployment, signed_in, "founder") as visitor:
        visitor.start_notebook()
        new_notebook(visitor.page)
        yield visitor


def in_terminal(visitor: Visitor, command: str) -> str:
    """What a new terminal shows after ``command``, without the control sequences of bash's line editor."""
    base = visitor.deployment.server_url(visitor.name)
    terminal = json.loads(fetch(visitor.page, "POST", f"{base}api/terminals", "{}")["text"])["name"]
    address = f"{base.replace('http', 'ws', 1)}terminals/websocket/{terminal}"
    shown = visitor.page.evaluate(TYPE_IN_TERMINAL, [address, f"{command}; echo en''d", "end\r\n"])
    return re.sub(r"\x1b\[\?2004[hl]\r?", "", shown)


def test_the_server_has_nothing_of_the_person(founder: Visitor) -> None:
    process = server_process(founder.name)
    variables = set(process.environ())
    home = Path(f"~{founder.name}").expanduser()

    assert not {"MINE", "PYTHONPATH", "LD_LIBRARY_PATH", "JUPYTER_CONFIG_DIR", "SUDO_USER"} & variables
    assert process.environ()["PATH"].split(":")[1:] == ["/usr/local/bin", "/usr/bin", "/bin"]
    assert not (home / f"intruder-{process.pid}").exists()
    status = fetch(founder.page, "GET", f"{founder.deployment.server_url(founder.name)}atrium/job")["status"]
    assert status == 200, "what the home switches off is on"


def test_a_notebook_has_the_persons_variables_and_none_of_the_servers(founder: Visitor) -> None:
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    variables = json.loads(run_cell(founder.page, code))
    [job] = founder.deployment.jobs_of(founder.name)
    server_token = server_process(founder.name).environ()["JUPYTERHUB_API_TOKEN"]

    assert variables["MINE"] == "1"
    assert [name for name in variables if name.startswith("SLURM_") and name != "SLURM_CONF"] == []
    assert server_token not in variables.values()
    assert {"JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN", "ATRIUM_API_TOKEN"} & set(variables) == set()
    assert (variables["JUPYTERHUB_USER"], variables["ATRIUM_JOB_ID"]) == (founder.name, job)
    assert [variables["ATRIUM_JOB_ACCOUNT"]] == founder.deployment.squeue(f"--jobs={job}", "--format=%a")
    assert variables["ATRIUM_JOB_NODE"]
    first, second = variables["PATH"].split(":")[:2]
    assert (Path(first) / "jupyterhub-singleuser").exists()
    assert second == f"{variables['HOME']}/bin"


def test_slurms_commands_in_a_terminal_are_not_bound_to_the_servers_job(founder: Visitor) -> None:
    [job] = founder.deployment.jobs_of(founder.name)
    slurm = founder.deployment.settings.slurm
    options = f"--account={slurm.default_account} --partition={slurm.dask_partition} --ntasks=1 --time=1"
    srun = in_terminal(founder, f"srun {options} bash -c 'echo job:$SLURM_JOB_ID:$MINE:$(command -v python3)'")
    salloc = in_terminal(founder, f"salloc {options} bash -c 'echo job:$SLURM_JOB_ID:$MINE:'")
    sbatch = in_terminal(founder, f"sbatch {options} --output=/dev/null --parsable --wrap true | sed s/^/job:/")
    variables = in_terminal(founder, "env")

    for output in (srun, salloc, sbatch):
        number = re.search(r"^job:(\d+)", output, re.MULTILINE)
        assert number, output
        assert number[1] != job
    assert re.search(r"^job:\d+:1:/", srun, re.MULTILINE), srun
    assert re.search(r"^job:\d+:1:", salloc, re.MULTILINE), salloc
    assert "MINE=1" in variables
    assert [line for line in variables.splitlines() if line.startswith(("SLURM_JOB", "SLURM_MEM"))] == []
    assert server_process(founder.name).environ()["JUPYTERHUB_API_TOKEN"] not in variables


def test_the_token_of_notebooks_is_for_the_api_and_ends_with_the_server(deployment: Deployment, visit: Visit) -> None:
    colleague = visit("colleague")
    colleague.start_notebook()
    runtime = Path(server_process(colleague.name).environ()["JUPYTER_RUNTIME_DIR"])
    path = runtime / "api-token"
    token = path.read_text()
    header = f"Authorization: token {token}"
    api = deployment.settings.api_url
    hub = f"{deployment.public_url}/hub/api"

    assert path.stat().st_mode & 0o777 == 0o600
    assert curl(deployment, colleague.name, f"{api}/me", header) == "200"
    assert curl(deployment, colleague.name, f"{hub}/user", header) == "200"
    server = f"{deployment.server_url(colleague.name)}api/status"
    assert curl(deployment, colleague.name, server, header) == "403", "it opens no server"
    assert curl(deployment, colleague.name, f"{hub}/users/{colleague.name}/tokens", header) in {"403", "404"}
    stop = (f"{hub}/users/{colleague.name}/server", header, "--request", "DELETE")
    assert curl(deployment, colleague.name, *stop) in {"403", "404"}

    colleague.stop_everything()
    eventually(
        lambda: curl(deployment, colleague.name, f"{hub}/user", header) == "403", within=30, what="the token is revoked"
    )
    assert not path.exists()


def test_start_up_files_that_hang_hold_up_a_notebook_and_not_the_server(deployment: Deployment, visit: Visit) -> None:
    learner = visit("learner02")
    with files_in_the_home(deployment, learner.name, {".bash_profile": "export MINE=1\nsleep 1000\n"}):
        learner.start_notebook()
        expect(warning(learner.page, "start-up files did not finish").first).to_be_visible(timeout=45_000)
        new_notebook(learner.page)
        assert run_cell(learner.page, "import os; print(os.environ.get('MINE'))") == "None"
        shown = in_terminal(learner, "echo $HOME")
        assert "start-up files did not finish" in shown
        assert f"/{learner.name}" in shown
