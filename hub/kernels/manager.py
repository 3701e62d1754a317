"""The server's side of a kernel: how it is started, and how its output is received."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import zmq
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager

LAUNCHER = str(Path(__file__).parent)
_PYTHON = re.compile(r"python[0-9.]*\Z")
_ELF = b"\x7fELF"
"""The first bytes of a program."""
_MODULES = ("ipykernel_launcher", "ipykernel")


class PatientKernelManager(ServerKernelManager):
    """A kernel that is started by :mod:`hub.kernels.launcher` if it is IPython's, and whose output is all received."""

    async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
        command, launch_options = await super()._async_pre_start_kernel(**options)
        return with_launcher(command), launch_options

    pre_start_kernel = _async_pre_start_kernel  # type: ignore[assignment]  # as in AsyncKernelManager

    def connect_iopub(self, identity: bytes | None = None) -> Any:
        """A stream of the kernel's output without a limit on what waits in it: a limit would hold the kernel up."""
        stream = super().connect_iopub(identity=identity)
        stream.socket.setsockopt(zmq.RCVHWM, 0)
        return stream


def with_launcher(command: list[str]) -> list[str]:
    """The command of a kernel, with our launcher in the place of ipykernel's.

    Only where Python itself is started: a container or another wrapper may not have our file, and its kernel starts as
    it is.
    """
    for at, (option, module) in enumerate(pairwise(command)):
        if option == "-m":
            if module in _MODULES and _starts_python(command[:at]):
                return [*command[:at], LAUNCHER, *command[at + 2 :]]
            break
    return command


def _starts_python(words: list[str]) -> bool:
    """Whether the first words of a command are Python, as a program and not as a script, and options of it."""
    if not words or not _PYTHON.match(Path(words[0]).name) or not all(word.startswith("-") for word in words[1:]):
        return False
    program = shutil.which(words[0])
    try:
        with Path(program or "").open("rb") as file:
            return file.read(len(_ELF)) == _ELF
    except OSError:
        return False
