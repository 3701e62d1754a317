"""Detects whether a server is idle; README.md ("When a server is idle") says what counts as activity."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GPU_SECONDS = 10.0
GPU_BUSY_PERCENT = 1
_PERSONS_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Not all requests: an open JupyterLab saves its workspace every ten seconds.
_PERSONS_WORK = re.compile(r"/api/(contents|kernels|sessions|terminals)\b")


@dataclass
class IdleClock:
    """Seconds without activity. Pure: the time is passed as ``now``."""

    limit: float
    warning: float
    last: float
    """When something happened last."""

    def __post_init__(self) -> None:
        self.warning = min(self.warning, self.limit / 2)

    def happened(self, when: float) -> None:
        self.last = max(self.last, when)

    def left(self, now: float) -> float:
        """Seconds until the server ends without further activity."""
        return self.last + self.limit - now

    def warns(self, now: float) -> bool:
        return self.left(now) <= self.warning

    def is_over(self, now: float) -> bool:
        return self.left(now) <= 0


@dataclass
class Activity:
    """Activity known to the Jupyter server's managers; times in seconds since the epoch."""

    kernels: Any
    """jupyter_server's ``MappingKernelManager``."""
    terminals: Any = None
    """jupyter_server_terminals' ``TerminalManager``, or None."""
    clock: Callable[[], float] = time.time
    _person: float = field(default=0.0, init=False)

    def person(self) -> None:
        """Note activity of the person: a key, a click, a saved file."""
        self._person = self.clock()

    def last(self) -> float:
        """Time of the last activity; now if something runs."""
        return max((self._person, *self._of_kernels(), *self._of_terminals()))

    def _of_kernels(self) -> Iterator[float]:
        for kernel_id in self.kernels.list_kernel_ids():
            kernel = self.kernels.get_kernel(kernel_id)
            # Not "starting": a kernel whose page closed early keeps that state for ever.
            if getattr(kernel, "execution_state", "") == "busy":
                yield self.clock()
            elif moment := getattr(kernel, "last_activity", None):
                yield moment.timestamp()

    def _of_terminals(self) -> Iterator[float]:
        for terminal in getattr(self.terminals, "terminals", {}).values():
            if runs_something(terminal.ptyproc.pid):
                yield self.clock()
            elif moment := getattr(terminal, "last_activity", None):
                yield moment.timestamp()

    def watch_requests(self, settings: dict[str, Any]) -> None:
        """Count a request that changes files, kernels or terminals as a person's, whatever program it comes from;
        reading is what open tabs do by themselves."""
        log_request = settings.get("log_function")

        def noting(handler: Any) -> None:
            request = handler.request
            if request.method in _PERSONS_METHODS and _PERSONS_WORK.search(request.path) and handler.get_status() < 400:
                self.person()
            if log_request is not None:
                log_request(handler)

        settings["log_function"] = noting


def runs_something(shell: int) -> bool:
    """Whether a program runs in a terminal's shell, in the foreground or background."""
    try:
        return bool(Path(f"/proc/{shell}/task/{shell}/children").read_text().strip())
    except OSError:  # the shell has ended, or the kernel does not have this file
        return False


async def gpus_work(gpus: str) -> bool | None:
    """Whether one of the job's GPUs computes just now; None: not known, or there is none."""
    command = shutil.which("nvidia-smi") if gpus else None
    if command is None:
        return None
    argv = [command, f"--id={gpus}", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        utilisation = parse_utilisation(await _output(argv))
    except (OSError, TimeoutError):
        return None
    return any(percent >= GPU_BUSY_PERCENT for percent in utilisation) if utilisation else None


def parse_utilisation(text: str) -> list[int]:
    """Utilisation of each GPU in percent; GPUs without a value (``[N/A]``, such as MIG parts) are left out."""
    return [int(line) for line in map(str.strip, text.splitlines()) if line.isdigit()]


async def _output(argv: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), GPU_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output.decode(errors="replace")
