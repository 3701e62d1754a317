"""Python in a Slurm job of a person that looks like their server's, for what runs on a node without the server."""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deployment import Deployment

END_SECONDS = 30

_RUN = """\
JUPYTER_RUNTIME_DIR=$(mktemp -d --tmpdir=/tmp atrium-XXXXXXXX)
export JUPYTER_RUNTIME_DIR
"$0" -P "$1"
code=$?
rm -rf "$JUPYTER_RUNTIME_DIR"
exit $code
"""


@contextmanager
def in_job(
    deployment: Deployment, user: str, program: str, *, gateway: str, minutes: int = 20
) -> Iterator[subprocess.Popen[str]]:
    """``program`` as it runs, with pipes to it; all jobs of ``user`` are gone afterwards."""
    home = pwd.getpwnam(user).pw_dir
    with TemporaryDirectory(prefix="injob-", dir="/tmp") as folder:
        path = Path(folder) / "program.py"
        path.write_text(program)
        for made in (Path(folder), path):
            made.chmod(0o755)
        environment = {
            "HOME": home,
            "USER": user,
            "PATH": f"{deployment.user_python.parent}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "SLURM_CONF": str(deployment.slurm_conf),
            "DASK_JOBQUEUE__SLURM__QUEUE": deployment.settings.slurm.dask_partition,
            "ATRIUM_COMMENT": f"{gateway}:{user}::7",
            "JUPYTERHUB_API_TOKEN": "a-secret-of-the-server",
        }
        variables = [f"{name}={value}" for name, value in environment.items()]
        account = f"--account={deployment.settings.slurm.default_account}"
        srun = ["srun", account, "--partition=notebooks", "--ntasks=1", "--cpus-per-task=2", "--mem=4G"]
        shell = [f"--time={minutes}", f"--chdir={home}", "sh", "-c", _RUN, str(deployment.user_python), str(path)]
        process = subprocess.Popen(
            ["runuser", "-u", user, "--", "env", "-i", *variables, *srun, *shell],
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
