"""A second Slurm beside a copy's own, on the same slurmdbd, that differs from the demo's in what sites differ in.

Its slurm.conf is ``tests/data/slurm-site/slurm.conf``. No account has a default QOS; accounts form a tree; projects and
members are closed at each level.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from deploy.dev.layout import Layout, Options
from hub.settings import Slurm
from tests.deployment import COMMAND_SECONDS, Deployment
from tests.polling import eventually

DATA = Path(__file__).parent / "data/slurm-site"
CLUSTER = "lakes"
NODES = ("c1.lakes.example", "g1.lakes.example")

START_SECONDS = 30
STOP_SECONDS = 20

FIRST_PORT = 10_030
"""Above the copy's public port, and above the ports of its own Slurm (deploy/dev/layout.py)."""

TASK_PROLOG = "#!/bin/sh\necho export SLURM_TIME_FORMAT=relative\n"
"""What a site's jobs find in their environment."""

QOS = ("normal", "long", "debug", "shut")

ACCOUNTS = (
    ("science", "root", "qos=normal,long,debug,shut", "grpsubmitjobs=40"),
    ("physics", "science", "maxsubmitjobs=20"),
    ("theory", "physics", "qos=long,debug"),
    ("ended", "science", "grpsubmitjobs=0"),
    ("below-ended", "ended"),
    ("left", "science", "qos=normal,long"),
    ("arts", "root", "qos=long"),
)
"""Name, parent and settings of each account, parents first."""

MEMBER_OF = ("physics", "theory", "ended", "below-ended", "left", "arts")


@dataclass(frozen=True)
class Site:
    """The second Slurm while it runs."""

    deployment: Deployment
    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def settings(self) -> Slurm:
        """The section ``[slurm]`` of a gateway to it."""
        places = {"partition": "interactive", "gpu_partition": "accelerated", "dask_partition": "main"}
        values = {"conf": self.conf, "default_account": "physics", **places}
        return self.deployment.settings.slurm.model_copy(update=values)

    def run(self, *argv: str, check: bool = True) -> str:
        """Standard output of one of Slurm's commands, with a deadline."""
        environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        completed = subprocess.run(
            argv, env=environment, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        )
        assert not check or not completed.returncode, f"{argv}: {completed.stdout}{completed.stderr}"
        return completed.stdout

    def sacctmgr(self, *words: str, check: bool = True) -> str:
        return self.run("sacctmgr", "--immediate", *words, check=check)


@contextmanager
def second_site(deployment: Deployment, person: str) -> Iterator[Site]:
    """The second Slurm with ``person`` in its accounts. It is gone afterwards, and the copy's own is as before."""
    site = Site(deployment, deployment.prefix / "second-site")
    _lay_down(site)
    with ExitStack() as ends:
        ends.callback(shutil.rmtree, site.folder)
        ends.callback(_forget, site)
        _register(site, person)
        ends.enter_context(_program("slurmctld", "-D", conf=site.conf, user="slurm"))
        for node in NODES:
            ends.enter_context(_program("slurmd", "-D", "-N", node, conf=site.conf, user="root"))
        ends.callback(_end_jobs, site)
        eventually(lambda: _ready(site), within=START_SECONDS, what="all nodes of the second Slurm are idle")
        yield site


def _lay_down(site: Site) -> None:
    deployment, folder = site.deployment, site.folder
    copy = Layout(Options(prefix=str(deployment.prefix), port=deployment.settings.nginx.port))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("slurmctld", *NODES):
        (folder / name).mkdir()
    for path in (folder, folder / "slurmctld"):
        shutil.chown(path, "slurm", "slurm")
    first = copy.options.port + FIRST_PORT
    values = {
        "host": copy.host,
        "folder": folder,
        "munge_socket": copy.munge_socket,
        "database_port": copy.ports["slurmdbd"],
        "controller_port": first,
        "cpu_port": first + 1,
        "gpu_port": first + 2,
    }
    site.conf.write_text(Template((DATA / "slurm.conf").read_text()).substitute(values))
    devices = copy.state / "slurm/gpus"
    (folder / "gres.conf").write_text(f"Name=gpu Type=h200 File={devices}/gpu[0-1]\n")
    prolog = folder / "task-prolog"
    prolog.write_text(TASK_PROLOG)
    prolog.chmod(0o755)


def _register(site: Site, person: str) -> None:
    """Accounts, QOS and members in slurmdbd, which must know the cluster before its controller starts."""
    site.sacctmgr("add", "cluster", CLUSTER, check=False)
    for name in QOS:
        site.sacctmgr("add", "qos", name, check=False)
    site.sacctmgr("modify", "qos", "shut", "set", "maxsubmitjobsperuser=0", check=False)
    for name, parent, *options in ACCOUNTS:
        site.sacctmgr("add", "account", name, f"cluster={CLUSTER}", f"parent={parent}", *options)
    for account in MEMBER_OF:
        site.sacctmgr("add", "user", person, f"account={account}", f"cluster={CLUSTER}")
    left = ("where", f"name={person}", "account=left", f"cluster={CLUSTER}")
    site.sacctmgr("modify", "user", *left, "set", "maxsubmitjobs=0")


def _forget(site: Site) -> None:
    site.sacctmgr("remove", "cluster", CLUSTER, check=False)
    for name in QOS[1:]:
        site.sacctmgr("remove", "qos", name, check=False)


def _end_jobs(site: Site) -> None:
    """Cancel all jobs and wait until they have ended: slurmd leaves their processes behind when it ends."""
    if site.run("squeue", "--noheader", "--all"):
        site.run("scancel", *site.run("squeue", "--noheader", "--all", "--format=%A").split())
        eventually(
            lambda: not site.run("squeue", "--noheader", "--all"), within=STOP_SECONDS, what="all jobs have ended"
        )


def _ready(site: Site) -> bool:
    states = site.run("sinfo", "--noheader", "--Node", "--format=%N %t", check=False).splitlines()
    return {tuple(line.split()) for line in states} == {(node, "idle") for node in NODES}


@contextmanager
def _program(*command: str, conf: Path, user: str) -> Iterator[None]:
    """A program of Slurm in the foreground, ended afterwards."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SLURM_CONF": str(conf)}
    with (conf.parent / "programs.log").open("a") as output:
        process = subprocess.Popen(
            [f"/usr/sbin/{command[0]}", *command[1:]],
            env=environment,
            user=user,
            group=user,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
