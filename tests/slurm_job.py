"""Python in a Slurm job of a person that looks like their server's, for what runs on a node without the server."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deployment import Deployment

END_SECONDS = 30
AS_IN_A_NOTEBOOK = (
    'export ATRIUM_JOB_ID="$SLURM_JOB_ID" ATRIUM_JOB_ACCOUNT="$SLURM_JOB_ACCOUNT" ATRIUM_JOB_NODE="$SLURMD_NODENAME"; '
    'exec "$0" "$@"'
)
"""The names under which the job script hands data of the job on (spawners/job/templates/job.sh.j2)."""


@contextmanager
def in_job(
    deployment: Deployment, user: str, program: str, *, gateway: str, minutes: int = 20
) -> Iterator[subprocess.Popen[str]]:
    """``program`` as it runs, with pipes to it; all jobs of ``user`` are gone afterwards."""
    account = pwd.getpwnam(user)
    with TemporaryDirectory(prefix="injob-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        path, runtime = Path(folder) / "program.py", Path(folder) / "run"
        path.write_text(program)
        for directory in (Path(folder), path):
            directory.chmod(0o755)
        runtime.mkdir(mode=0o700)
        os.chown(runtime, account.pw_uid, account.pw_gid)
        environment = {
            "HOME": account.pw_dir,
            "USER": user,
            "PATH": f"{deployment.user_python.parent}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "SLURM_CONF": str(deployment.slurm_conf),
            "DASK_JOBQUEUE__SLURM__QUEUE": deployment.settings.slurm.dask_partition,
            "ATRIUM_COMMENT": f"{gateway}:notebook:{user}::7:0a1b2c3d",
            "JUPYTERHUB_API_TOKEN": "a-secret-of-the-server",
        }
        variables = [f"{name}={value}" for name, value in environment.items()]
        srun = ["srun", f"--account={deployment.settings.slurm.default_account}", "--partition=notebooks", "--ntasks=1"]
        asks = ["--cpus-per-task=2", "--mem=4G", f"--time={minutes}", f"--chdir={account.pw_dir}"]
        python = ["bash", "-c", AS_IN_A_NOTEBOOK, str(deployment.user_python), "-P", str(path)]
        process = subprocess.Popen(
            ["runuser", "-u", user, "--", "env", "-i", *variables, *srun, *asks, *python],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=END_SECONDS)
            deployment.run("scancel", "--quiet", f"--user={user}", check=False)
