"""Steps of a server's start on its node, as its job's log names them. Pure.

The job script and the server write a line before each step, so the last line names the step that is not over.
"""

from __future__ import annotations

import re
from enum import StrEnum


class StartStep(StrEnum):
    """What a start is at."""

    UNKNOWN = ""
    """Its log cannot be read, or says nothing of it."""
    HOME = "home"
    """Looks at the home and the projects' storage."""
    ENVIRONMENT = "environment"
    """Loads the programs of its environment."""
    SERVER = "server"
    """Loads Jupyter's settings and extensions."""
    ANNOUNCE = "announce"
    """Tells the Hub its port."""


_LINE = re.compile(r"^Atrium: job (\d{1,18}): (home|environment|server|announce)$", re.MULTILINE)


def line(job_id: object, step: StartStep) -> str:
    """The line of the log before a step."""
    return f"Atrium: job {job_id}: {step}"


def last(log_tail: str, job_id: int) -> StartStep:
    """The last step that the end of a log names for this job."""
    names = [name for number, name in _LINE.findall(log_tail) if int(number) == job_id]
    return StartStep(names[-1]) if names else StartStep.UNKNOWN
