"""Throw-away Hubs beside the deployment, on the same Slurm and for the same people: stock ones, and ones of ours."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx2

from tests.deployment import Deployment
from tests.polling import eventually
from tests.web import client, free_port

START_SECONDS = 60
STOP_SECONDS = 30
ANSWER_SECONDS = 120
SCOPES = ["admin:users", "admin:servers", "access:servers", "read:users", "list:users"]

# batchspawner's wrapper, which a stock site installs in the users' environment; ours has no use for it there.
WRAPPER = """\
#!{python}
import sys
sys.path.insert(0, {folder!r})
from batchspawner.singleuser import main
main()
"""
OURS = """\
c = get_config()
from hub import config, settings
config.apply(c, settings.load())
c.JupyterHub.named_server_limit_per_user = 0
c.ConfigurableHTTPProxy.should_start = True
c.ConfigurableHTTPProxy.command = {proxy!r}
c.JupyterHub.cleanup_proxy = True
c.JupyterHub.services.append({service!r})
c.JupyterHub.load_roles.append({role!r})
"""


@dataclass(frozen=True)
class Hub:
    """A Hub that runs. ``token`` is a service's that may start, stop and open everybody's server."""

    url: str
    token: str
    pid: int
    origins: str
    log: Path

    def server_url(self, name: str, server: str = "") -> str:
        """Address of a server for the browser, with a closing slash."""
        origin = self.url if self.origins == "path" else self.url.replace("://", f"://{name}.", 1)
        return f"{origin}/user/{name}/{f'{server}/' if server else ''}"

    def api(self, path: str) -> str:
        return f"{self.url}/hub/api/{path}"

    def client(self) -> httpx2.Client:
        """With patience: a Hub that starts a thousand servers answers late."""
        http = client(self.token)
        http.timeout = httpx2.Timeout(ANSWER_SECONDS)
        return http

    @property
    def cpu_seconds(self) -> float:
        """What the Hub's process itself has used since it started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_mb(self) -> float:
        """Resident memory of the Hub's process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@dataclass(frozen=True)
class Job:
    """What a server of a stock Hub asks Slurm for, and runs; that of a default notebook of ours unless told."""

    cpus: int = 2
    memory_gb: int = 4
    hours: int = 4
    program: Path | None = None
    """In place of batchspawner's wrapper and ``jupyterhub-singleuser``: it announces a port and listens."""


@contextmanager
def stock(
    deployment: Deployment, people: list[str], *, job: Job | None = None, path: Path | None = None
) -> Iterator[Hub]:
    """Plain JupyterHub with ``batchspawner.SlurmSpawner`` as their manuals set them up, run by root.

    :param path: a folder whose Slurm commands are taken in place of the machine's.
    """
    token = secrets.token_hex(16)
    with _folder() as folder:
        shutil.copytree(_package(deployment, "batchspawner"), folder / "batchspawner")
        wrapper = folder / "batchspawner-singleuser"
        wrapper.write_text(WRAPPER.format(python=deployment.user_python, folder=str(folder)))
        wrapper.chmod(0o755)
        ports = {name: free_port() for name in ("public", "proxy", "hub")}
        job = job or Job()
        if job.program is not None:
            wrapper = Path(shutil.copy(job.program, folder))
        tables = _stock(deployment, folder, ports, people, job, wrapper)
        tables["JupyterHub"] |= {"services": [_service(token)], "load_roles": [_role()]}
        if path is not None:
            tables["SlurmSpawner"] |= {  # by their full names: sudo has a search path of its own
                "batch_submit_cmd": f"{path}/sbatch --parsable",
                "batch_query_cmd": f"{path}/squeue -h -j {{job_id}} -o '%T %B'",
                "batch_cancel_cmd": f"{path}/scancel {{job_id}}",
            }
        (folder / "config.json").write_text(json.dumps(tables))
        environment = {"PATH": os.environ["PATH"]}
        url = f"http://localhost:{ports['public']}"
        with _running(deployment, folder, "config.json", environment, url, token, "path") as hub:
            try:
                yield hub
            finally:
                for name in people:
                    _forget_logs(name)


def _stock(
    deployment: Deployment, folder: Path, ports: Mapping[str, int], people: list[str], job: Job, wrapper: Path
) -> dict[str, dict[str, Any]]:
    slurm, login = deployment.settings.slurm, deployment.settings.login
    singleuser = deployment.user_python.parent / "jupyterhub-singleuser"
    return {
        "JupyterHub": {
            "bind_url": f"http://127.0.0.1:{ports['public']}/",
            "hub_bind_url": f"http://127.0.0.1:{ports['hub']}/",
            "db_url": f"sqlite:///{folder}/jupyterhub.sqlite",
            "cookie_secret_file": str(folder / "cookie"),
            "spawner_class": "batchspawner.SlurmSpawner",
            "authenticator_class": "pam",
            "concurrent_spawn_limit": 100,
            "allow_named_servers": True,
        },
        "ConfigurableHTTPProxy": {
            "api_url": f"http://127.0.0.1:{ports['proxy']}",
            "command": [str(deployment.settings.proxy.command)],
        },
        "PAMAuthenticator": {"service": login.pam_service, "open_sessions": False},
        "Authenticator": {"allowed_users": people},
        "Spawner": {
            "cmd": [""] if job.program else [str(singleuser)],
            "env_keep": ["PATH", "LANG", "SLURM_CONF"],
            "http_timeout": 60,
            "start_timeout": 600,  # its minute is not enough when a thousand start
        },
        "SlurmSpawner": {
            "req_partition": slurm.partition,
            "req_options": f"--account={slurm.default_account}",
            "req_nprocs": str(job.cpus),
            "req_memory": f"{job.memory_gb}G",
            "req_runtime": f"{job.hours}:00:00",
            "req_prologue": f"export PATH={singleuser.parent}:/usr/local/bin:/usr/bin:/bin",
            "batchspawner_singleuser_cmd": str(wrapper),
            "state_exechost_exp": "127.0.0.1",  # several nodes of one machine have names that nobody resolves
        },
    }


@contextmanager
def ours(
    deployment: Deployment, *, path: Path | None = None, program: Path | None = None, **overrides: object
) -> Iterator[Hub]:
    """Atrium's Hub with the deployment's settings and secrets, state and addresses of its own, run by root.

    :param program: in place of everything in the users' environment that a job may run.
    :param overrides: settings by name, sections and keys joined by two underscores.
    """
    token = secrets.token_hex(16)
    with _folder() as folder:
        ports = {name: free_port() for name in ("public", "proxy", "hub")}
        url = f"http://localhost:{ports['public']}"
        settings: dict[str, object] = {
            "site__public_url": url,
            "paths__state": folder,
            "nginx__port": ports["public"],
            "proxy__api_port": ports["proxy"],
            "hub__port": ports["hub"],
            "api__database_url": f"sqlite:///{folder}/atrium.sqlite",
            "spawn__gateway": "bench",
            **overrides,
        }
        if path is not None:
            settings["slurm__bin"] = path
        if program is not None:
            settings["paths__user_env"] = _environment_of(program, folder)
        environment = {f"ATRIUM_{name.upper()}": str(value) for name, value in settings.items()}
        environment |= {"ATRIUM_CONFIG": str(deployment.etc / "atrium.toml"), "PATH": os.environ["PATH"]}
        migrate = [str(deployment.hub_python), "-m", "hub.cli", "migrate"]
        subprocess.run(migrate, env=environment, check=True, timeout=START_SECONDS)
        command = [str(deployment.settings.proxy.command)]
        (folder / "config.py").write_text(OURS.format(proxy=command, service=_service(token), role=_role()))
        origins = deployment.settings.site.origins
        with _running(
            deployment, folder, "config.py", environment, url, token, origins, program="spawners.application"
        ) as hub:
            yield hub


def _service(token: str) -> dict[str, object]:
    return {"name": "bench", "api_token": token}


def _role() -> dict[str, object]:
    return {"name": "bench", "scopes": SCOPES, "services": ["bench"]}


def _package(deployment: Deployment, name: str) -> Path:
    [package] = deployment.hub_python.parent.parent.glob(f"lib/python3*/site-packages/{name}")
    return package


def _environment_of(program: Path, folder: Path) -> Path:
    """A users' environment whose every program is ``program``."""
    bin = folder / "user/bin"
    bin.mkdir(parents=True)
    for name in ("python", "jupyterhub-singleuser"):
        shutil.copy(program, bin / name)
    return bin.parent


@contextmanager
def _folder() -> Iterator[Path]:
    """Readable to jobs, gone afterwards."""
    folder = Path(mkdtemp(prefix="atrium-throwaway-hub-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(
    deployment: Deployment,
    folder: Path,
    config: str,
    environment: dict[str, str],
    url: str,
    token: str,
    origins: str,
    *,
    program: str = "jupyterhub",
) -> Iterator[Hub]:
    """Run JupyterHub in ``folder``; its servers are stopped with it, whatever happens."""
    log = folder / "hub.log"
    command = [str(deployment.hub_python), "-m", program, "-f", str(folder / config)]
    environment |= {"SLURM_CONF": str(deployment.slurm_conf), "LANG": "C.UTF-8", "HOME": "/root", "LOGNAME": "root"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    hub = Hub(url, token, process.pid, origins, log)
    try:
        eventually(lambda: _answers(process, hub), within=START_SECONDS, what=f"a Hub at {url}")
        yield hub
    except BaseException:
        shutil.copy(log, Path(deployment.settings.paths.log) / f"bench-{program.partition('.')[0]}.log")
        raise
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):  # its proxy, and whatever it was about to run
            os.killpg(process.pid, signal.SIGKILL)


def _answers(process: subprocess.Popen[bytes], hub: Hub) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"the Hub ended with {process.returncode}:\n{hub.log.read_text()[-2000:]}")
    with suppress(httpx2.TransportError):
        return client().get(hub.api("")).status_code == 200
    return False


def _forget_logs(name: str) -> None:
    """What stock jobs leave in a home."""
    for log in Path(pwd.getpwnam(name).pw_dir).glob("jupyterhub_slurmspawner_*.log"):
        log.unlink()
