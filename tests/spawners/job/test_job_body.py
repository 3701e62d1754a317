"""The shell part of the job script, run by a real bash with a stand-in for the environment's Python."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from hub.settings import Paths, Settings, Spawn
from hub.slurm import naming, steps
from hub.slurm.steps import StartStep
from spawners.job import script
from spawners.job.request import SpawnRequest
from tests.polling import eventually

pytestmark = pytest.mark.process

SERVER = f"""#!{sys.executable}
import os, signal, sys, time
print("runs", sys.argv[1:], os.getcwd(), flush=True)
def said(number, _frame):
    print("heard", signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(7)
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, said)
runtime = os.environ["JUPYTER_RUNTIME_DIR"]
print("runtime", runtime, os.stat(runtime).st_mode & 0o777, flush=True)
print("variables", sorted(os.environ), flush=True)
print("told", {{name: value for name, value in os.environ.items() if name.startswith("ATRIUM_")}}, flush=True)
while True:
    time.sleep(0.05)
"""


JOB = 4711
LOG = ".atrium-notebook.log"


@dataclass(frozen=True)
class Node:
    """Where a job runs: a home and an environment."""

    home: Path
    environment: Path

    def text(self, **spawn: str) -> str:
        return script.render(
            SpawnRequest(account="demo", partition="notebooks"),
            comment=naming.server_comment("atrium", "founder", "", 1),
            home=self.home,
            settings=Settings(paths=Paths(user_env=self.environment), spawn=Spawn(**spawn)),
            dask_partition="batch",
        )

    @contextmanager
    def job(self, variables: Mapping[str, str] | None = None, **spawn: str) -> Iterator[subprocess.Popen[bytes]]:
        """The script as Slurm runs it: from a file, its output to the log."""
        path = self.home.parent / "job.sh"
        path.write_text(self.text(**spawn))
        path.chmod(0o700)
        environment = {"PATH": os.environ["PATH"], "SLURM_JOB_ID": str(JOB), **(variables or {})}
        with self.log.open("w") as log:
            process = subprocess.Popen([str(path)], stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @property
    def log(self) -> Path:
        return self.home.parent / "log"

    def says(self, text: str) -> None:
        eventually(lambda: text in self.log.read_text(), within=10, what=text)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    home, environment = tmp_path / "home", tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    home.mkdir()
    for name in ("python", "jupyterhub-singleuser"):
        (environment / "bin" / name).write_text(SERVER)
        (environment / "bin" / name).chmod(0o755)
    return Node(home, environment)


def test_the_server_runs_in_the_home_and_hears_what_the_script_hears(node: Node) -> None:
    with node.job(ports="20000-20999") as job:
        node.says("told")
        job.send_signal(signal.SIGUSR1)
        node.says("heard SIGUSR1")
        job.send_signal(signal.SIGUSR1)
        job.send_signal(signal.SIGTERM)
        assert job.wait(10) == 7, "its exit code is the job's"
    log = node.log.read_text()

    assert f"runs ['-I', '-m', 'spawners.node.launch'] {node.home}" in log
    assert "'ATRIUM_PORTS': '20000-20999'" in log
    assert "'ATRIUM_WARN_SECONDS': '120'" in log
    [runtime] = [line for line in log.splitlines() if line.startswith("runtime")]
    assert runtime.endswith(f" {0o700}")
    assert not Path(runtime.split()[1]).exists(), "removed at the end"


def test_the_server_gets_variables_of_a_closed_list_and_bash_reads_no_file(node: Node) -> None:
    start_up = node.home / "start-up"
    start_up.write_text("touch intruder; export ATRIUM_INTRUDER=1\n")
    unwanted = {
        "BASH_ENV": str(start_up),
        "ENV": str(start_up),
        "PYTHONPATH": str(node.home),
        "PYTHONSTARTUP": str(start_up),
        "LD_BIND_NOW": "1",
        "JUPYTER_CONFIG_DIR": str(node.home),
        "JUPYTER_PATH": str(node.home),
        "XDG_RUNTIME_DIR": "/run/user/1",
        "SUDO_USER": "atrium",
    }
    function = {"BASH_FUNC_cd%%": "() { touch intruder; }"}
    needed = {"JUPYTERHUB_API_TOKEN": "t", "ATRIUM_API_TOKEN": "t", "SLURM_JOB_ID": "7", "HOME": str(node.home)}
    with node.job({**unwanted, **function, **needed, "CUDA_VISIBLE_DEVICES": "1"}) as job:
        node.says("told")
        job.terminate()
        job.wait(10)
    [line] = [line for line in node.log.read_text().splitlines() if line.startswith("variables")]
    variables = set(ast.literal_eval(line.removeprefix("variables ")))

    assert not set(unwanted) & variables
    assert set(needed) | {"CUDA_VISIBLE_DEVICES", "ATRIUM_JOB_ID", "PATH", "JUPYTER_RUNTIME_DIR"} <= variables
    assert "ATRIUM_INTRUDER" not in variables
    assert not (node.home / "intruder").exists()


def test_a_home_that_is_not_there_or_closed(node: Node) -> None:
    node.home.rename(node.home.with_name("elsewhere"))
    with node.job() as job:
        assert job.wait(10) == 71
    assert "home directory" in node.log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody whose home is closed")
def test_a_home_that_cannot_be_written(node: Node) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as closed:
        Path(closed).chmod(0o555)
        text = Node(Path(closed), node.environment).text()
        done = subprocess.run(
            ["bash"],
            input=text,
            text=True,
            user="nobody",
            group="nogroup",
            capture_output=True,
            check=False,
            timeout=30,
        )

    assert done.returncode == 71


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_home_that_is_full(node: Node) -> None:
    path = node.home.parent / "job.sh"
    path.write_text(node.text())
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(["bash", str(path)], stdout=full, stderr=subprocess.DEVNULL, check=False, timeout=30)

    assert done.returncode == 73


def test_an_environment_that_is_not_there(node: Node) -> None:
    (node.environment / "bin/jupyterhub-singleuser").unlink()
    with node.job() as job:
        assert job.wait(10) == 72
    assert str(node.environment) in node.log.read_text()


def ended_job(node: Node) -> int:
    """Exit code of a job whose server ends as soon as it is told to."""
    with node.job() as job:
        eventually(
            lambda: job.poll() is not None or "told" in node.log.read_text(), within=10, what="a server or an end"
        )
        job.terminate()
        return job.wait(10)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "directory"])
def test_a_log_that_is_no_plain_file_ends_the_job_and_stays(node: Node, make: Callable[[Path], None]) -> None:
    log, opened = node.home / LOG, node.home / f"{LOG}.{JOB}"
    make(log)
    opened.touch()
    assert ended_job(node) == 74
    assert not log.is_file() and log.exists(), "it is the person's"
    assert not opened.exists()


@pytest.mark.parametrize("before", ["none", "file", "link"])
def test_what_slurm_opened_becomes_the_log(node: Node, before: str) -> None:
    log, opened, other = node.home / LOG, node.home / f"{LOG}.{JOB}", node.home / "other"
    other.write_text("of another program")
    if before == "file":
        log.write_text("of the last job")
    elif before == "link":
        log.symlink_to(other)
    opened.write_text("of this job")
    (node.home / f"{LOG}.17").write_text("of a job that was killed at its start")

    assert ended_job(node) == 7
    assert log.read_text() == "of this job" and not log.is_symlink()
    assert other.read_text() == "of another program"
    assert sorted(path.name for path in node.home.glob(".atrium*")) == [LOG]


def test_the_log_names_each_step_before_it(node: Node) -> None:
    assert ended_job(node) == 7
    assert re.findall(r"^Atrium: job 4711: (\w+)$|^(runs)", node.log.read_text(), re.MULTILINE) == [
        ("home", ""),
        ("environment", ""),
        ("", "runs"),
    ]
    (node.environment / "bin/jupyterhub-singleuser").unlink()
    with node.job() as job:
        assert job.wait(10) == 72
    assert steps.last(node.log.read_text(), JOB) is StartStep.ENVIRONMENT


def test_folders_of_killed_jobs_go_with_the_next_job_and_those_of_running_ones_stay(node: Node) -> None:
    other, following = (at_another_place(node, name) for name in ("other", "following"))
    with node.job() as killed, other.job() as running:
        for place in (node, other):
            place.says("told")
        left, used = runtime_of(node), runtime_of(other)
        parent = psutil.Process(killed.pid)
        for program in [parent, *parent.children(recursive=True)]:
            program.kill()
        killed.wait(10)
        long_ago = time.time() - 3600  # a young folder may be of a job that is about to lock it
        os.utime(left, (long_ago, long_ago))
        os.utime(used, (long_ago, long_ago))
        assert ended_job(following) == 7
        assert used.is_dir() and not left.exists()
        running.terminate()
        running.wait(10)
    assert not used.exists()


def at_another_place(node: Node, name: str) -> Node:
    home = node.home.parent / name / "home"
    home.mkdir(parents=True)
    return Node(home, node.environment)


def runtime_of(node: Node) -> Path:
    [line] = [line for line in node.log.read_text().splitlines() if line.startswith("runtime")]
    return Path(line.split()[1])
