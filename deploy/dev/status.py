"""``make status``: one line per program."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.dev import health
from deploy.dev.layout import Layout
from deploy.dev.processes import lost_databases, memory_of, processes
from deploy.dev.programs import Program, programs, slurm_programs
from deploy.dev.supervisor import Running, Supervisor

_HEADER = ("process", "state", "since", "memory", "health", "last error")
_LOG_TAIL = 64 * 1024
_ERROR = re.compile(r"\b(error|fatal|critical|traceback|exception)\b", re.IGNORECASE)
# Information, and what Slurm calls an error at every start here: no PMIx library, and a database as small as this one.
_NOISE = re.compile(r"\b(0|no) errors?\b|\binfo\b|^\[I |pmix|settings not recommended", re.IGNORECASE)


def status(layout: Layout, *, only_slurm: bool = False) -> bool:
    """Print the table; returns whether everything is healthy."""
    supervisor = Supervisor(layout)
    if not supervisor.alive():
        print("Atrium does not run here. Start it with: make up")
        return False
    supervised = supervisor.programs()
    expected = slurm_programs(layout) if only_slurm else programs(layout)
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = list(pool.map(lambda program: program.check(), expected))
        existing = "" if layout.own_slurm else health.existing_slurm(layout)
    rows = [
        _row(layout, program, supervised.get(program.name), answer)
        for program, answer in zip(expected, answers, strict=True)
    ]
    if not layout.own_slurm:
        rows.append(("slurm", "not ours", "", "", existing or "ok", ""))
    if not only_slurm:
        rows.append(("storage", f"{health.free_gb(layout):.1f} GB free", "", "", health.storage(layout) or "ok", ""))
    _print(rows)
    running = all(program.name in supervised and supervised[program.name].up for program in expected)
    lost = any(lost_file(supervised.get(program.name)) for program in expected)
    return running and not any(answers) and not existing and not lost


def _row(layout: Layout, program: Program, running: Running | None, answer: str) -> tuple[str, ...]:
    error = last_error(layout.log / f"{program.name}.log")
    answer = answer or lost_file(running)
    if running is None:
        return program.name, "unknown", "", "", answer or "ok", error
    memory = f"{memory_of(running.pid, list(processes())) / 1e6:.0f} MB" if running.pid else ""
    return program.name, running.state.lower(), _age(time.time() - running.started), memory, answer or "ok", error


def lost_file(running: Running | None) -> str:
    """Which database that the program has open was removed, as a sentence; "" if none was."""
    names = lost_databases(running.pid) if running is not None and running.pid else []
    return f"its file {', '.join(names)} was removed: make up" if names else ""


def _age(seconds: float) -> str:
    """A duration in the largest fitting unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def last_error(log: Path) -> str:
    """The last line of a log that tells of an error, without the control characters a terminal would obey."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    error = next((line for line in reversed(lines) if _ERROR.search(line) and not _NOISE.search(line)), "")
    return "".join(letter if letter.isprintable() else " " for letter in error).strip()[:70]


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    table = [_HEADER, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADER))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
