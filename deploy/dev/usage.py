"""Which paths are still in use on this machine and in its Slurm."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain

from deploy.dev import processes, slurm
from deploy.dev.layout import Layout


def mentioned(layout: Layout, paths: Collection[str], *, by_people: bool = False) -> set[str]:
    """Those of ``paths`` that a process names, or the script of a job that is not over.

    :param by_people: leave out the processes of root and of Atrium's service users.
    :raises DeployError: a process cannot be read, or Slurm does not answer.
    """
    in_use: set[str] = set()
    for text in chain(processes.texts(of_people=by_people), slurm.job_scripts(layout)):
        in_use |= {path for path in paths if path in text}
        if len(in_use) == len(paths):
            break
    return in_use
