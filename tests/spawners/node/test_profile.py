"""A person's shell start-up files: what they set, and files that hang, end the shell or print without end."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from spawners.node import profile
from spawners.node.person import NOTICE, PersonEnvironment, added
from tests.polling import eventually

pytestmark = pytest.mark.process

SERVER = {
    "LANG": "C.UTF-8",
    "JUPYTERHUB_API_TOKEN": "secret",
    "JPY_API_TOKEN": "secret",
    "JUPYTERHUB_USER": "maria",
    "JUPYTERHUB_SERVICE_PREFIX": "/user/maria/",
    "JUPYTERHUB_SSL_KEYFILE": "/tmp/atrium-1/server.key",
    "JUPYTER_RUNTIME_DIR": "/tmp/atrium-1",
    "ATRIUM_TLS_KEY": "secret",
    "ATRIUM_API_TOKEN": "secret",
    "ATRIUM_API_URL": "http://api",
    "ATRIUM_API_CA": "/tmp/atrium/ca.crt",
    "ATRIUM_JOB_ID": "7",
    "ATRIUM_JOB_ACCOUNT": "steel",
    "ATRIUM_JOB_NODE": "cpu1",
    "ATRIUM_ENVIRONMENT": "/opt/atrium/user",
    "SLURM_CONF": "/etc/slurm/slurm.conf",
    "SLURM_JOB_ID": "7",
    "SLURM_MEM_PER_NODE": "4096",
    "SBATCH_ACCOUNT": "other",
    "CUDA_VISIBLE_DEVICES": "1",
    "DASK_JOBQUEUE__SLURM__QUEUE": "batch",
    "SOMETHING_NEW": "of the server",
}
HANDED_ON = {
    "JUPYTERHUB_USER",
    "JUPYTERHUB_SERVICE_PREFIX",
    "JUPYTER_RUNTIME_DIR",
    "ATRIUM_API_URL",
    "ATRIUM_API_CA",
    "ATRIUM_JOB_ID",
    "ATRIUM_JOB_ACCOUNT",
    "ATRIUM_JOB_NODE",
    "ATRIUM_ENVIRONMENT",
    "SLURM_CONF",
    "CUDA_VISIBLE_DEVICES",
    "DASK_JOBQUEUE__SLURM__QUEUE",
}
LOGIN = {"HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "TERM"}


def account(home: Path, shell: str = "/bin/bash") -> pwd.struct_passwd:
    return pwd.struct_passwd(("maria", "x", os.getuid(), os.getgid(), "", str(home), shell))


def person(home: Path, start_up: str, *, seconds: float = 10, shell: str = "/bin/bash") -> PersonEnvironment:
    (home / ".bash_profile").write_text(start_up)
    (home / ".profile").write_text(start_up)
    return PersonEnvironment(account(home, shell), SERVER, seconds=seconds)


async def test_of_the_server_only_the_closed_list_and_of_the_person_everything(tmp_path: Path) -> None:
    own = "export PYTHONPATH=~/lib LD_LIBRARY_PATH=~/so SBATCH_ACCOUNT=mine JUPYTER_RUNTIME_DIR=/elsewhere\n"
    variables = await person(tmp_path, own + "export PATH=~/bin:$PATH TEXT=$'two\\nlines'").variables()

    assert set(variables) >= LOGIN | HANDED_ON
    assert "secret" not in variables.values()
    assert not {"SLURM_JOB_ID", "SLURM_MEM_PER_NODE", "SOMETHING_NEW", "JUPYTERHUB_SSL_KEYFILE"} & set(variables)
    assert (variables["PYTHONPATH"], variables["LD_LIBRARY_PATH"]) == (f"{tmp_path}/lib", f"{tmp_path}/so")
    assert (variables["SBATCH_ACCOUNT"], variables["TEXT"]) == ("mine", "two\nlines")
    assert variables["JUPYTER_RUNTIME_DIR"] == SERVER["JUPYTER_RUNTIME_DIR"], "where the API's token is"
    own_programs, first = variables["PATH"].split(":")[:2]
    assert (Path(own_programs) / "python").exists()
    assert first == f"{tmp_path}/bin"
    assert not {"SHLVL", "_", "PWD", "OLDPWD"} & set(variables)


async def test_a_terminal_begins_as_a_login_does(tmp_path: Path) -> None:
    environment = person(tmp_path, "export MINE=1")
    assert set(environment.login()) == LOGIN | HANDED_ON
    assert environment.shell == ["/bin/bash", "-l"]


@pytest.mark.parametrize("start_up", ["exit 3", "exec cat", "yes", "sleep 60 & sleep 60", "read answer; exit"])
async def test_files_without_a_result_cost_their_deadline_and_the_person_is_informed(
    tmp_path: Path, start_up: str
) -> None:
    environment, start = person(tmp_path, start_up, seconds=1), time.monotonic()
    variables = await environment.variables()

    assert time.monotonic() - start < 5
    assert set(variables) == LOGIN | HANDED_ON
    assert environment.notice == NOTICE
    assert environment.shell[:3] == ["/bin/bash", "--noprofile", "--norc"], "so that they can be corrected"
    assert len(NOTICE) <= 140
    eventually(lambda: not working_in(tmp_path), within=5, what="nothing is still running")


def working_in(folder: Path) -> list[int]:
    return [process.pid for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder)]


async def test_what_the_files_leave_running_holds_nothing_up(tmp_path: Path) -> None:
    environment, start = person(tmp_path, "sleep 5 & export MINE=1"), time.monotonic()
    assert (await environment.variables())["MINE"] == "1"
    assert time.monotonic() - start < 4
    assert environment.notice == ""


async def test_the_files_run_once_also_for_requests_that_are_given_up(tmp_path: Path) -> None:
    environment = person(tmp_path, "echo run >> ~/runs; sleep 0.2; export MINE=1")
    first = environment.begin()
    assert environment.begin() is first
    variables = [(await environment.variables())["MINE"] for _ in range(3)]
    assert variables == ["1"] * 3
    assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.parametrize("shell", ["/bin/sh", "/usr/sbin/nologin", "/bin/false", "/nonexistent", ""])
async def test_shells_of_all_kinds(tmp_path: Path, shell: str) -> None:
    assert (await person(tmp_path, "export MINE=1", shell=shell).variables())["MINE"] == "1"


async def test_output_of_the_files_is_no_variable(tmp_path: Path) -> None:
    variables = await person(tmp_path, "echo HELLO=there; printf 'A=1\\0B=2'; trap 'echo bye' EXIT").variables()
    assert not {"HELLO", "A", "B"} & set(variables)


def test_what_jupyter_adds_for_a_kernel_stays() -> None:
    assert added({**SERVER, "JPY_SESSION_NAME": "a.ipynb"}, SERVER) == {"JPY_SESSION_NAME": "a.ipynb"}


def test_the_deadline_is_ten_seconds() -> None:
    assert profile.DEADLINE_SECONDS == 10
