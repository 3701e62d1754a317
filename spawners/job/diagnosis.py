"""Why a server ended or did not start, as a verdict for the person. Pure; never raises.

The most reliable evidence comes first: a requested stop, Slurm's state, the server's farewell, the exit codes of the
job script (:class:`Exit`), the log, and finally a server that never reported.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from hub.language import duration, mark, translate
from hub.servers.models import Ending, Verdict
from hub.slurm import naming, reasons, steps
from hub.slurm.jobs import Job
from spawners.job.steps import HUNG, TODO

log = logging.getLogger(__name__)


class Stage(StrEnum):
    """How far an attempt got."""

    SUBMIT = "submit"
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"


class Farewell(StrEnum):
    """Reason that a server gave for its end (spawners/handshake.py)."""

    NONE = ""
    IDLE = "idle"
    TIME_LIMIT = "time limit"
    FINISHED = "finished"
    UNATTENDED = "unattended"
    """Slurm's process on the node is gone."""


class Exit(IntEnum):
    """Exit codes of the job script and the launcher (from sysexits.h where it has one)."""

    NO_TLS = 69
    HUB_UNREACHABLE = 70
    HOME_MISSING = 71
    ENVIRONMENT_MISSING = 72
    HOME_FULL = 73
    NO_PLAIN_LOG = 74
    PORT_TAKEN = 75


@dataclass(frozen=True)
class Facts:
    """Everything known about an ended attempt."""

    stage: Stage
    job: Job | None = None
    """As Slurm last told it; None when there never was one."""
    log_tail: str = ""
    """Last lines of what the job wrote; empty when it wrote none or they could not be read."""
    farewell: Farewell = Farewell.NONE
    stop_requested: bool = False
    """By the person or an admin, through the Hub."""
    refusal: str = ""
    """What ``sbatch`` said."""
    not_asked: bool = False
    """Slurm could not be asked to start it, and there is no job."""
    silent: bool = False
    """The job ran, and its server did not announce itself in time."""
    patience_seconds: float = 0.0
    """How long it was given; 0: not known."""
    server: str = ""
    """Name of the server; "" is the default server."""
    request: Mapping[str, Any] = field(default_factory=dict)
    """The options as they were asked for; numbers out of it go into the hints."""
    shut_down: bool = False
    """Whether ``make down`` cancelled the job."""
    uid: int | None = None
    """The person's, to know their own ``scancel`` from an admin's."""


@dataclass(frozen=True)
class _Finding:
    """A verdict before its numbers are filled in and before it is translated."""

    ending: Ending
    message: str
    hint: str = ""


_AGAIN = mark("Your saved files are still there. Start it again.")
_LOG = mark("The last lines below say more. Start it again; report it if that does not help.")

_FINDINGS = {
    Ending.STOPPED: _Finding(Ending.STOPPED, mark("It was stopped as asked.")),
    Ending.NOT_ASKED: _Finding(
        Ending.NOT_ASKED,
        mark("Slurm did not answer in time, and has no job of this start."),
        mark(
            "Try again in a minute; your running notebooks go on. A job that still arrives is ended before that start."
        ),
    ),
    Ending.OUT_OF_MEMORY: _Finding(
        Ending.OUT_OF_MEMORY,
        mark("It needed more memory than the {memory} it had asked for, so Slurm ended it."),
        mark("Ask for {more_memory}, or work on less data at a time. What you had saved is still there."),
    ),
    Ending.TIME_LIMIT: _Finding(
        Ending.TIME_LIMIT,
        mark("Its time of {time} was over."),
        mark("What you had saved is still there. Start it again, for longer if that is too short."),
    ),
    Ending.NODE_FAILED: _Finding(
        Ending.NODE_FAILED,
        mark("The node it ran on{node} failed. That was nothing you did."),
        mark("What you had saved is still there. Start it again: it gets another node."),
    ),
    Ending.PREEMPTED: _Finding(
        Ending.PREEMPTED,
        mark("It had to make room for a job that goes first in this partition."),
        mark("What you had saved is still there. Start it again, or choose a partition where nobody goes first."),
    ),
    Ending.CANCELLED: _Finding(
        Ending.CANCELLED,
        mark("An administrator cancelled this job."),
        mark("What you had saved is still there. Ask an administrator why before you start it again."),
    ),
    Ending.FINISHED: _Finding(Ending.FINISHED, mark("It ended by itself, without an error."), _AGAIN),
    Ending.IDLE: _Finding(
        Ending.IDLE,
        mark("It was ended because nothing happened in it for a long time, so that its node is free for others."),
        _AGAIN,
    ),
    Ending.HOME_MISSING: _Finding(
        Ending.HOME_MISSING,
        mark("Your home directory is not there on the node{node}, or cannot be written to."),
        mark("Start it again, which may get another node. Ask an administrator if it stays like this."),
    ),
    Ending.HOME_FULL: _Finding(
        Ending.HOME_FULL,
        mark("Your home directory is full, so the server could not write what it needs."),
        mark("Delete or move files you do not need (the project's storage has more room), then start it again."),
    ),
    Ending.ENVIRONMENT_MISSING: _Finding(
        Ending.ENVIRONMENT_MISSING,
        mark("The environment{environment} cannot be used on the node{node}."),
        mark("Choose another environment, or ask an administrator to install it there."),
    ),
    Ending.PORT_TAKEN: _Finding(
        Ending.PORT_TAKEN,
        mark("Every network port it tried on its node was taken."),
        mark("Start it again: it gets other ports, and perhaps another node."),
    ),
    Ending.HUB_UNREACHABLE: _Finding(
        Ending.HUB_UNREACHABLE,
        mark("The node{node} cannot reach this gateway, so nobody could have opened the notebook."),
        mark("Start it again, which may get another node. Report it if it stays like this."),
    ),
}
_OWN_CANCEL = _Finding(Ending.CANCELLED, mark("It was cancelled in Slurm from your own account (scancel)."), _AGAIN)
_SHUT_DOWN = _Finding(
    Ending.CANCELLED,
    mark("Atrium and its Slurm were shut down, which ends all jobs."),
    mark("What you had saved is still there. Start it again."),
)
_NO_TLS = _Finding(
    Ending.HUB_UNREACHABLE,
    mark("The certificates for a secure connection with this gateway did not reach the node."),
    mark("Start it again. Report it if it stays like this."),
)
_KILLED = _Finding(
    Ending.OUT_OF_MEMORY,
    mark(
        "Something on the node ended it by force; most often that is because memory ran out ({memory} was asked for)."
    ),
    mark("Ask for {more_memory}, or work on less data at a time. What you had saved is still there."),
)
_DEADLINE = _Finding(Ending.TIME_LIMIT, mark("It could not end before its deadline."), mark("Choose a shorter time."))
_UNATTENDED = _Finding(
    Ending.NODE_FAILED,
    mark("Slurm's own process for it on the node{node} ended, so it could not go on. That was nothing you did."),
    mark("What you had saved is still there. Start it again. Report it if that happens again."),
)
_EARLY = _Finding(Ending.CRASHED, mark("The server ended before it was ready, without giving an error."), _LOG)

_OF_STATE = {
    "OUT_OF_MEMORY": _FINDINGS[Ending.OUT_OF_MEMORY],
    "TIMEOUT": _FINDINGS[Ending.TIME_LIMIT],
    "DEADLINE": _DEADLINE,
    "NODE_FAIL": _FINDINGS[Ending.NODE_FAILED],
    "BOOT_FAIL": _FINDINGS[Ending.NODE_FAILED],
    "LAUNCH_FAILED": _FINDINGS[Ending.NODE_FAILED],
    "RECONFIG_FAIL": _FINDINGS[Ending.NODE_FAILED],
    "PREEMPTED": _FINDINGS[Ending.PREEMPTED],
}
_OF_REASON = {
    "OutOfMemory": _FINDINGS[Ending.OUT_OF_MEMORY],
    "TimeLimit": _FINDINGS[Ending.TIME_LIMIT],
    "NodeDown": _FINDINGS[Ending.NODE_FAILED],
    "JobLaunchFailure": _FINDINGS[Ending.NODE_FAILED],
    "SystemFailure": _FINDINGS[Ending.NODE_FAILED],
}
_OF_FAREWELL = {
    Farewell.IDLE: _FINDINGS[Ending.IDLE],
    Farewell.TIME_LIMIT: _FINDINGS[Ending.TIME_LIMIT],
    Farewell.FINISHED: _FINDINGS[Ending.FINISHED],
    Farewell.UNATTENDED: _UNATTENDED,
}
_OF_EXIT = {
    int(Exit.NO_TLS): _NO_TLS,
    int(Exit.HUB_UNREACHABLE): _FINDINGS[Ending.HUB_UNREACHABLE],
    int(Exit.HOME_MISSING): _FINDINGS[Ending.HOME_MISSING],
    int(Exit.ENVIRONMENT_MISSING): _FINDINGS[Ending.ENVIRONMENT_MISSING],
    int(Exit.HOME_FULL): _FINDINGS[Ending.HOME_FULL],
    int(Exit.NO_PLAIN_LOG): _Finding(
        Ending.CRASHED,
        mark("The server's log, {log} in your home directory, is no plain file (but a pipe, say, or a directory)."),
        mark("Delete it or move it aside, then start it again."),
    ),
    int(Exit.PORT_TAKEN): _FINDINGS[Ending.PORT_TAKEN],
    126: _FINDINGS[Ending.ENVIRONMENT_MISSING],  # of the shell: not executable, not found
    127: _FINDINGS[Ending.ENVIRONMENT_MISSING],
}
# slurmd could not open the job's output file: it tells "0:53", whatever the file system said (seen with 22.05).
_NO_OUTPUT = (0, 53)
_NO_FILE_IN_HOME = _Finding(
    Ending.HOME_MISSING,
    mark("No file could be written in your home directory on the node{node}: it is not there, closed, or full."),
    mark("Delete or move files if it is full. Start it again. Ask an administrator if it stays like this."),
)
# What the system said about writing a file in the home.
_FULL = re.compile(r"Disk quota exceeded|No space left on device")
_CLOSED = re.compile(r"Permission denied|Read-only file system|No such file or directory|Not a directory")

# What Slurm itself writes into a job's log as it ends it. Without cgroups this is the only word on memory: the job is
# FAILED, by signal 9, and its reason JobLaunchFailure (seen with 22.05).
_OF_SLURMS_LINES: tuple[tuple[re.Pattern[str], _Finding], ...] = (
    (
        re.compile(r"oom[-_ ]kill|exceeded (?:job )?memory limit|Memory cgroup out of memory", re.IGNORECASE),
        _FINDINGS[Ending.OUT_OF_MEMORY],
    ),
    (re.compile(r"CANCELLED AT .* DUE TO TIME LIMIT"), _FINDINGS[Ending.TIME_LIMIT]),
    (re.compile(r"CANCELLED AT .* DUE TO PREEMPTION"), _FINDINGS[Ending.PREEMPTED]),
    (re.compile(r"CANCELLED AT .* DUE TO NODE"), _FINDINGS[Ending.NODE_FAILED]),
)
# A file of the person in which Python stopped: the last line of a traceback that names one, and its error.
_OWN_FILE = re.compile(
    r'File "(?P<path>[^"\n]{0,200}/\.(?:jupyter|ipython|local|config)/[^"\n]{1,200})", line (?P<line>\d+)'
)
_ERROR = re.compile(r"^(?P<said>[\w.]+(?:Error|Exception|Exit|Interrupt)\b.{0,200})", re.MULTILINE)
_STOPS_IN_OWN_FILE = _Finding(
    Ending.CRASHED,
    mark("The server stopped in your file {path}, line {line}: {said}"),
    mark("Correct this line, or move the file aside, then start it again."),
)
_STOPS_IN_OWN_PACKAGE = _Finding(
    Ending.CRASHED,
    mark("The server stopped in a Python package of yours, {path}, line {line}: {said}"),
    mark("Packages you installed with pip --user are in the way: move ~/.local aside and start it again."),
)
# Messages of other programs as they die, the most specific first.
_OF_LINES: tuple[tuple[re.Pattern[str], _Finding], ...] = (
    (re.compile(r"Disk quota exceeded|Errno 122\b"), _FINDINGS[Ending.HOME_FULL]),
    (
        re.compile(r"No space left on device|Errno 28\b|database or disk is full"),
        _Finding(
            Ending.HOME_FULL,
            mark("A disk is full: your home directory, or the node's own disk."),
            mark("Delete or move files you do not need, then start it again. Report it if your home has room."),
        ),
    ),
    (
        re.compile(
            r"(?:PermissionError|NotADirectoryError|FileExistsError|IsADirectoryError): \[Errno \d+\] "
            r"(?P<said>[^:\n]{1,100}): '(?P<path>[^'\n]{1,200})'"
        ),
        _Finding(
            Ending.CRASHED,
            mark("The server needs {path} and cannot use it: {said}."),
            mark(
                "If it is yours, make it a directory or file that you can write to (chmod u+rwX), or move it aside. "
                "Then start it again; report it if it is not yours."
            ),
        ),
    ),
    (re.compile(r"couldn't chdir to|Read-only file system"), _FINDINGS[Ending.HOME_MISSING]),
    (re.compile(r"Address already in use|Errno 98\b"), _FINDINGS[Ending.PORT_TAKEN]),
    (re.compile(r"cannot reach the Hub"), _FINDINGS[Ending.HUB_UNREACHABLE]),
    (
        re.compile(r"jupyterhub-singleuser: (?:No such file|command not found|not found|bad interpreter)"),
        _FINDINGS[Ending.ENVIRONMENT_MISSING],
    ),
    (
        re.compile(r"No module named '?(?:jupyterhub|jupyter_server|jupyterlab|spawners)\b"),
        _FINDINGS[Ending.ENVIRONMENT_MISSING],
    ),
    (
        re.compile(r"(?:ModuleNotFoundError|ImportError): (?P<said>.{1,200})"),
        _Finding(
            Ending.CRASHED,
            mark("The server could not start because a Python package is missing or does not fit: {said}"),
            mark("Choose another environment, or report it: the one that was chosen may be incomplete."),
        ),
    ),
    (re.compile(r"\bMemoryError\b|std::bad_alloc|Cannot allocate memory"), _FINDINGS[Ending.OUT_OF_MEMORY]),
    (
        re.compile(r"(?P<said>\b\w+(?:Error|Exception): .{1,200})"),
        _Finding(Ending.CRASHED, mark("The server ended with an error: {said}"), _LOG),
    ),
)


def diagnose(facts: Facts) -> Verdict:
    """The verdict: what happened and what to do."""
    try:
        return _refused(facts) if facts.stage is Stage.SUBMIT and not facts.stop_requested else _ended(facts)
    except Exception:  # a general verdict is better than an attempt that never ends
        log.exception("No verdict on %r", facts)
        return Verdict(ending=Ending.CRASHED, message=translate("It ended, and why is not known."))


def _refused(facts: Facts) -> Verdict:
    if facts.not_asked or not facts.refusal:
        return _verdict(_FINDINGS[Ending.NOT_ASKED], facts)
    refusal = reasons.refusal(facts.refusal)
    return Verdict(ending=Ending.REFUSED, message=refusal.means, hint=refusal.todo)


def _ended(facts: Facts) -> Verdict:
    if facts.stop_requested:
        return _verdict(_FINDINGS[Ending.STOPPED], facts)
    finding = (
        _OF_STATE.get(_state(facts.job))
        or _by_own_cancel(facts)
        or _by_slurms_lines(facts)
        or _by_cancel(facts)
        or _OF_FAREWELL.get(facts.farewell)
        or _by_exit(facts)
        or _by_reason(facts.job)
    )
    if finding is not None:
        return _verdict(finding, facts)
    return (_by_log(facts) if _unwell(facts) else None) or _unexplained(facts)


def _by_log(facts: Facts) -> Verdict | None:
    """Verdict by what other programs than Slurm wrote last."""
    lines = _last_lines(facts)
    own_files, errors = list(_OWN_FILE.finditer(lines)), list(_ERROR.finditer(lines))
    if own_files and errors and facts.stage is not Stage.RUNNING:  # later, kernels write there, too
        in_package = "/.local/" in own_files[-1]["path"]
        finding = _STOPS_IN_OWN_PACKAGE if in_package else _STOPS_IN_OWN_FILE
        return _verdict(finding, facts, **own_files[-1].groupdict(), said=errors[-1]["said"])
    for pattern, finding in _OF_LINES:
        matched = pattern.search(lines)
        if matched is not None:
            return _verdict(finding, facts, **matched.groupdict())
    return None


def _last_lines(facts: Facts) -> str:
    """The last lines of the log; an old warning of a server that ran for hours is not the cause."""
    return "\n".join(facts.log_tail.splitlines()[-40:])


def _by_slurms_lines(facts: Facts) -> _Finding | None:
    lines = [line for line in _last_lines(facts).splitlines() if line.startswith(("slurmstepd", "slurmd"))]
    return next((finding for pattern, finding in _OF_SLURMS_LINES if pattern.search("\n".join(lines))), None)


def _by_own_cancel(facts: Facts) -> _Finding | None:
    """Verdict on a job that the person's account cancelled, whatever else happened in it before."""
    own = facts.uid is not None and facts.job is not None and _canceller(facts.job) == facts.uid
    return _OWN_CANCEL if own and _is_cancelled(facts) else None


def _by_cancel(facts: Facts) -> _Finding | None:
    if not _is_cancelled(facts):
        return None
    return _SHUT_DOWN if facts.shut_down else _FINDINGS[Ending.CANCELLED]


def _is_cancelled(facts: Facts) -> bool:
    """Whether somebody cancelled the job, whatever its exit code; the Hub itself cancels a silent one."""
    return _state(facts.job) in ("CANCELLED", "REVOKED") and not facts.silent


def _by_reason(job: Job | None) -> _Finding | None:
    if job is None or exit_code(job.exit_code)[1] == 9:
        return None
    return _OF_REASON.get(re.split(r"[,: ]", job.reason, maxsplit=1)[0])


def _by_exit(facts: Facts) -> _Finding | None:
    if facts.job is None:
        return None
    if has_no_log(facts.job):
        if _FULL.search(facts.log_tail):
            return _FINDINGS[Ending.HOME_FULL]
        return _FINDINGS[Ending.HOME_MISSING] if _CLOSED.search(facts.log_tail) else _NO_FILE_IN_HOME
    return _OF_EXIT.get(exit_code(facts.job.exit_code)[0])


def has_no_log(job: Job) -> bool:
    """Whether Slurm could not open the log, so that what is there is of an earlier job."""
    return exit_code(job.exit_code) == _NO_OUTPUT


def _unwell(facts: Facts) -> bool:
    """Whether the log is evidence; not after a good end."""
    return _state(facts.job) != "COMPLETED" or facts.stage is not Stage.RUNNING


def _unexplained(facts: Facts) -> Verdict:
    job = facts.job
    state = _state(job)
    if facts.silent:
        step = steps.last(facts.log_tail, job.id if job is not None else 0)
        return _verdict(_Finding(Ending.SILENT, HUNG[step], TODO[step]), facts)
    if state == "COMPLETED":
        return _verdict(_FINDINGS[Ending.FINISHED] if facts.stage is Stage.RUNNING else _EARLY, facts)
    code, signal = exit_code(job.exit_code) if job else (0, 0)
    if signal == 9 or code == 137:
        return _verdict(_KILLED, facts)
    if facts.stage is Stage.WAITING and job is not None and reasons.knows_reason(job.reason):
        reason = reasons.reason(job.reason)
        return Verdict(ending=Ending.CRASHED, message=reason.means, hint=reason.todo)
    if job is None:
        message = translate("The job is gone, and Slurm does not know any more how it ended.")
    elif code or signal:
        number = translate("signal {n}").format(n=signal) if signal else translate("exit code {n}").format(n=code)
        message = translate("The server ended with an error ({number}).").format(number=number)
    else:
        message = translate("The job ended ({state}).").format(state=reasons.state(job.state))
    return Verdict(ending=Ending.CRASHED, message=message, hint=translate(_LOG))


def _verdict(finding: _Finding, facts: Facts, **matched_texts: str) -> Verdict:
    values = {**_values(facts), **{name: text.strip() for name, text in matched_texts.items()}}
    message, hint = (translate(text).format(**values) if text else "" for text in (finding.message, finding.hint))
    return Verdict(ending=finding.ending, message=message, hint=hint)


def _values(facts: Facts) -> dict[str, str]:
    """Values for the sentences: numbers of the request and the node's name."""
    memory = _number(facts.request, "memory_gb")
    minutes = _number(facts.request, "minutes")
    environment = str(facts.request.get("environment") or "")
    node = facts.job.node if facts.job else ""
    return {
        "memory": translate("{n}\u202fGB").format(n=memory) if memory else translate("memory"),
        "more_memory": translate("{n}\u202fGB or more").format(n=2 * memory) if memory else translate("more memory"),
        "time": duration(60 * minutes) if minutes else translate("some hours"),
        "node": f" {node}" if node else "",
        "on_node": translate(" on {node}").format(node=node) if node else "",
        "environment": f" “{environment}”" if environment else "",
        "patience": duration(facts.patience_seconds) if facts.patience_seconds else translate("a long time"),
        "log": naming.server_log(facts.server),
    }


def _number(request: Mapping[str, Any], name: str) -> int:
    value = request.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _state(job: Job | None) -> str:
    return job.state.partition(" ")[0].rstrip("+").upper() if job else ""


def _canceller(job: Job) -> int | None:
    """User id in ``CANCELLED by 1000``."""
    number = job.state.rpartition(" by ")[2]
    return int(number) if number.isdecimal() else None


def exit_code(text: str) -> tuple[int, int]:
    """Exit code and signal from sacct's ``71:0`` and ``0:9``."""
    code, _, signal = text.partition(":")
    return (int(code) if code.isdecimal() else 0, int(signal) if signal.isdecimal() else 0)
