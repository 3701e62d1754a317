"""The text that ``sbatch`` gets. Values are typed and checked before they come here, and once more on their way in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from hub.errors import InvalidInput
from hub.settings import Paths, Slurm
from hub.slurm.commands import JOB_NAME
from spawners.options import SpawnRequest

_WORD = re.compile(r"[A-Za-z0-9_./,:=@+-]*\Z")


def word(value: object) -> str:
    """``value`` as one harmless word of a directive or a shell line; raises :class:`InvalidInput` for anything else."""
    text = str(value)
    if not _WORD.match(text):
        raise InvalidInput(f"{text[:40]!r} cannot be part of a job script.")
    return text


def log_name(server: str) -> str:
    """File in the home that a server's job writes to; "" is the default server."""
    return f".{JOB_NAME}{f'-{server}' if server else ''}.log"


_environment = Environment(
    loader=PackageLoader("spawners"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  a shell script, not HTML: every value passes the filter `word`
)
_environment.filters["word"] = word


def render(
    request: SpawnRequest,
    *,
    user: str,
    server: str,
    home: Path,
    paths: Paths,
    slurm: Slurm,
    exported: Iterable[str],
) -> str:
    """The job script of ``user``'s server ``server`` ("" is the default one).

    :param exported: names, never values, of the environment variables the job keeps.
    """
    return _environment.get_template("job.sh.j2").render(
        request=request,
        job_name=JOB_NAME,
        comment=f"atrium:{user}:{server}",
        log=log_name(server),
        home=home,
        user_env=paths.user_env,
        projects=paths.projects,
        slurm=slurm,
        exported=sorted(exported),
    )
