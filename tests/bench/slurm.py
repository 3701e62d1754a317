"""Slurm's commands with a counter before them: the machine's own, or replayed ones for more jobs than it could run."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.deployment import Deployment
from tests.web import free_port

HERE = Path(__file__).parent
COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sacct", "sacctmgr", "sinfo", "sreport", "sshare", "sprio")
REPLAYED = ("sbatch", "squeue", "scancel", "sacct")

COUNTED = '#!/bin/sh\necho "{name}" >> "{log}"\nexec "{program}" "$@"\n'
# For wrappers what deploy/sudoers says for the machine's own commands: which variables reach a job.
SUDOERS = 'Defaults!{path}/sbatch, {path}/scancel !requiretty, env_keep += "JUPYTERHUB_* ATRIUM_* SLURM_CONF LANG"\n'


@dataclass(frozen=True)
class Commands:
    """A folder of commands to give to a Hub."""

    path: Path
    log: Path

    @property
    def calls(self) -> int:
        """How often any of them was run."""
        return len(self.log.read_bytes().splitlines())


@contextmanager
def counted(deployment: Deployment, *, replayed: bool) -> Iterator[Commands]:
    """Wrappers that write a line a call; gone afterwards, with their rule for sudo.

    :param replayed: jobs are not the machine's Slurm's but replay.py's.
    """
    folder = Path(mkdtemp(prefix="atrium-throwaway-slurm-", dir="/var/tmp"))
    rule = Path("/etc/sudoers.d") / f"atrium-throwaway-{secrets.token_hex(4)}"
    try:
        folder.chmod(0o755)
        commands = Commands(folder / "bin", folder / "calls")
        _lay_down(deployment, folder, commands, replayed)
        text = SUDOERS.format(path=commands.path)
        subprocess.run(["visudo", "-c", "-q", "-f", "-"], input=text, text=True, check=True, timeout=30)
        rule.touch(mode=0o440)
        rule.write_text(text)
        with standin() if replayed else _nothing() as port:
            (folder / "replay/port").write_text(str(port))
            yield commands
    finally:
        rule.unlink(missing_ok=True)
        shutil.rmtree(folder)


def _lay_down(deployment: Deployment, folder: Path, commands: Commands, replayed: bool) -> None:
    replay = folder / "replay"
    for directory in (commands.path, replay, replay / "jobs"):
        directory.mkdir()
    (replay / "jobs").chmod(0o777)
    commands.log.touch()
    commands.log.chmod(0o666)
    for name in ("standin.py", "replay.py"):
        shutil.copy(HERE / name, replay / name)
    for name in COMMANDS:
        program = deployment.settings.slurm.bin / name
        if replayed and name in REPLAYED:
            program = replay / name
            shutil.copy(HERE / "replay.py", program)
        wrapper = commands.path / name
        wrapper.write_text(COUNTED.format(name=name, log=commands.log, program=program))
        wrapper.chmod(0o755)


@contextmanager
def standin() -> Iterator[int]:
    """Port of one stand-in for everybody's server."""
    port = free_port()
    process = subprocess.Popen([str(HERE / "standin.py")], env={**os.environ, "BENCH_PORT": str(port)})
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _nothing() -> Iterator[int]:
    yield 0
