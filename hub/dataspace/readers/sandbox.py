"""Reads untrusted bytes in a process of its own, with limits: whatever they do to it, the worker goes on.

``run`` is the parent's side; ``main`` is the child's. The child gets a request on standard input, writes JSON lines to
a file, and cannot open connections, start programs, or open files that are neither its input nor Python's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Line = dict[str, Any]
Task = Literal["rdf", "ckan", "rows", "parquet", "shapes"]
PACKAGE_ROOT = Path(__file__).parents[3]
_FORBIDDEN_EVENTS = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.system",
    "urllib.Request",
    "ctypes.",
)
"""Audit events that end the child's work."""


class Crashed(Exception):
    """The child ended before its work was complete: a limit, a deadline or a fault in a parser."""


@dataclass(frozen=True)
class Limits:
    """``output`` bounds what the child may write, so that its answer fits the disk."""

    seconds: float = 120.0
    memory: int = 3 * 2**30
    output: int = 2 * 2**30
    files: int = 64


def run(task: Task, request: Line, limits: Limits = Limits()) -> Iterator[Line]:
    """The child's lines; raises :class:`Crashed` after the last whole line if it did not complete its work."""
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(PACKAGE_ROOT)}
    command = [sys.executable, "-P", "-s", "-m", "hub.dataspace.readers.sandbox", task]
    message = json.dumps({"limits": limits.__dict__, "request": request}).encode()
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=answer, stderr=log, env=environment, cwd="/", start_new_session=True
        )
        _send(child, message)
        if not _has_ended(child, limits.seconds + 5):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        answer.seek(0)
        complete = False
        for raw in answer:
            if not raw.endswith(b"\n"):
                break
            line: Line = json.loads(raw)
            complete = line.get("done") is True
            if not complete:
                yield line
        if not complete:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4000))
            raise Crashed(_crash_reason(child.returncode, log.read().decode(errors="replace"), limits))


def _send(child: subprocess.Popen[bytes], message: bytes) -> None:
    assert child.stdin is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(message)


def _has_ended(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the child ends within this time. Polling would take longer than reading a small page."""
    handle = os.pidfd_open(child.pid)
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def _crash_reason(code: int, log: str, limits: Limits) -> str:
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"reading it took longer than {limits.seconds:g} s"
    if code == -signal.SIGXFSZ or "File too large" in log:
        return "it is too large once read"
    if "MemoryError" in log or code == -signal.SIGABRT:
        return f"reading it takes more than {limits.memory / 2**30:g} GiB of memory"
    if code < 0:
        return f"the parser crashed ({signal.Signals(-code).name})"
    return last[:300] or f"the parser ended with {code}"


# -- in the child -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Do one task under the limits in the request."""
    message = json.loads(sys.stdin.buffer.read())
    request: Line = message["request"]
    limits = Limits(**message["limits"])
    _limit(limits)
    task = _task(sys.argv[1])
    _forbid_access(request.get("path"))
    out = sys.stdout.buffer
    for line in task(request):
        out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n")
    out.write(b'{"done":true}\n')
    out.flush()


def _limit(limits: Limits) -> None:
    seconds = max(1, int(limits.seconds))
    for what, soft, hard in (
        (resource.RLIMIT_AS, limits.memory, limits.memory),
        (resource.RLIMIT_CPU, seconds, seconds + 2),
        (resource.RLIMIT_FSIZE, limits.output, limits.output),
        (resource.RLIMIT_NOFILE, limits.files, limits.files),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(what, (soft, hard))


def _task(name: str) -> Callable[[Line], Iterable[Line]]:
    """The function of a task. Each imports only what it needs."""
    if name == "rdf":
        from hub.dataspace.readers.rdf import rdf

        return rdf
    if name == "ckan":
        from hub.dataspace.readers.ckan import packages

        return packages
    if name == "rows":
        from hub.dataspace.readers.rows import rows

        return rows
    if name == "parquet":
        import pyarrow.parquet  # noqa: F401  loads libraries, which is not possible afterwards

        from hub.dataspace.readers.rows import parquet_rows

        return parquet_rows
    if name == "shapes":
        from hub.dataspace.readers.shacl import shapes

        return shapes
    raise SystemExit(f"there is no task {name}")


def _forbid_access(path: str | None) -> None:
    """Forbid connections, programs and files other than the input.

    An audit hook cannot be removed. It stops Python code; the parsers in Rust and C have no network code.
    """
    readable = tuple(str(root) for root in (sys.prefix, sys.base_prefix, PACKAGE_ROOT, "/usr/share/zoneinfo"))

    def guard(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_FORBIDDEN_EVENTS):
            raise PermissionError(f"{event} is not for a parser")
        if event == "open" and isinstance(arguments[0], str):
            mode = arguments[1] or "r"
            opened = str(Path(arguments[0]))
            if set(mode) & set("wax+") or not (opened == path or opened.startswith(readable)):
                raise PermissionError("a parser opens nothing but its input")

    sys.addaudithook(guard)


if __name__ == "__main__":
    main()
