"""Renders the job script for ``sbatch``; every value is checked again when it is inserted."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from hub.errors import InvalidInput
from hub.settings import Settings
from hub.slurm import naming, scratch
from hub.slurm.naming import JobComment
from hub.slurm.quoting import word
from spawners.job.request import SpawnRequest

NODE_FOLDERS = "/tmp"  # noqa: S108  a new folder of mode 0700 in it; a home may be too long a path for sockets

_environment = Environment(
    loader=PackageLoader("spawners.job"),
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
    comment: JobComment,
    home: Path,
    settings: Settings,
    dask_partition: str,
) -> str:
    """The job script of the server that ``comment`` names.

    :param dask_partition: for Dask workers that name none.

    :raises InvalidInput: a value is not safe in a script, or the environment is unknown.
    """
    spawn = settings.spawn
    return _environment.get_template("job.sh.j2").render(
        request=request,
        job_name=naming.job_name(spawn.gateway, naming.Kind.SERVER),
        comment=comment,
        log=naming.server_log(comment.server),
        home=home,
        runtime_dir=scratch.lines("JUPYTER_RUNTIME_DIR", parent=NODE_FOLDERS, name="atrium-run"),
        environment=_software(request.environment, settings),
        lasting_environment=_software(request.environment, settings, standard=settings.paths.user_env),
        user_env=settings.paths.user_env,
        projects=settings.paths.projects,
        slurm=settings.slurm,
        dask_partition=dask_partition,
        spawn=spawn,
    )


def _software(name: str, settings: Settings, standard: Path | None = None) -> Path:
    """The folder of an environment; ``standard``: of the one without a name, else its version in force."""
    if not name:
        return standard or settings.paths.user_version
    for software in settings.spawn.environments:
        if software.name == name:
            return software.path
    raise InvalidInput("Environment: there is none of that name.", field="environment")
