"""Starts programs in order, and ends leftover processes."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout
from deploy.dev.processes import Process, lost_databases, of_copy
from deploy.dev.programs import Program
from deploy.dev.supervisor import Supervisor

_GRACE = 15.0
_STARTS = 4


def start(supervisor: Supervisor, program: Program) -> str:
    """Start the program, or restart it if its files changed; returns "started", "restarted" or ""."""
    if not is_due(supervisor, program):
        return ""
    was_running = supervisor.programs()[program.name].starting_or_running
    if was_running:
        supervisor.stop(program.name)
    supervisor.start(program.name)
    return "restarted" if was_running else "started"


def is_due(supervisor: Supervisor, program: Program) -> bool:
    """Whether the program does not run, its files changed since it started, or a database it has open was removed.

    The supervisor reports whole seconds, so a file of the same second does not count as newer.
    """
    running = supervisor.programs()[program.name]
    newer = (path for path in program.inputs if path.exists() and int(_changed(path)) > running.started)
    return not running.starting_or_running or any(newer) or bool(lost_databases(running.pid))


def _changed(path: Path) -> float:
    """Time of the last change of a file or of the link to it, because a link may move to an older version."""
    return max(path.stat().st_mtime, path.lstat().st_mtime)


def wait(layout: Layout, supervisor: Supervisor, program: Program) -> None:
    """Wait until the program answers; raises with the end of its log after the deadline or repeated exits."""
    deadline = time.monotonic() + program.start_seconds
    starts = set()
    while wrong := program.check():
        starts.add(supervisor.programs()[program.name].started)
        if len(starts) > _STARTS or time.monotonic() > deadline:
            raise DeployError(
                f"{program.name} {'keeps ending' if len(starts) > _STARTS else 'does not answer'} ({wrong}). "
                f"The end of {layout.log}/{program.name}.log:\n{_tail(layout, program.name)}"
            )
        time.sleep(0.3)


def settle(supervisor: Supervisor, programs: list[Program]) -> None:
    """Wait until every program has run for the second after which the supervisor counts it as running."""
    deadline = time.monotonic() + _GRACE
    while unsettled := [program.name for program in programs if not supervisor.programs()[program.name].up]:
        if time.monotonic() > deadline:
            raise DeployError(f"{', '.join(unsettled)} answered and ended again: see make logs.")
        time.sleep(0.2)


def _tail(layout: Layout, name: str) -> str:
    try:
        lines = (layout.log / f"{name}.log").read_text(errors="replace").splitlines()
    except OSError:
        return "    (no log)"
    return "\n".join(f"    {line[:200]}" for line in lines[-15:])


def end_leftovers(layout: Layout) -> int:
    """End processes that a crashed supervisor left, by SIGTERM first; returns their number."""
    remaining = of_copy(layout)
    _signal(remaining, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while (remaining := of_copy(layout)) and time.monotonic() < deadline:
        time.sleep(0.2)
    _signal(remaining, signal.SIGKILL)
    return len(remaining)


def _signal(processes: list[Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
