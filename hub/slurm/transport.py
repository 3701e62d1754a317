"""Running one of Slurm's commands: here, as whom, with what on standard input, and for how long at most."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress

from hub.errors import SlurmError, SlurmUnavailable
from hub.settings import Slurm
from hub.slurm.commands import Argv

# What Slurm's commands print when they could not reach the controller or the database. All of it means "could not
# ask": the text of a refusal never contains these.
_UNREACHABLE = (
    "unable to contact",
    "connection refused",
    "connection timed out",
    "socket timed out",
    "zero bytes were transmitted",
    "munge",
    "protocol authentication error",
    "communication",
    "dns srv lookup failed",
    "could not establish a configuration source",
    "database connection",
    "sending persistconninit",
    "unable to register",
)


class Transport:
    """Runs commands on this machine. ``sudo`` lets it act as a person, and only for ``sbatch`` and ``scancel``."""

    def __init__(self, settings: Slurm) -> None:
        self._settings = settings

    async def run(
        self,
        argv: Argv,
        *,
        user: str | None = None,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        errors: bool = False,
    ) -> str:
        """Standard output of ``argv``.

        :param errors: standard error instead, for the few commands that answer there (``sbatch --test-only``).
        :param user: the person to act as; None: ourselves.
        :param environment: variables passed on beside the few Slurm needs (``sudo`` keeps some, see deploy/sudoers).
        :raises SlurmError: the command answered and refused; ``message`` is what it printed.
        :raises SlurmUnavailable: it could not be started, did not answer in time, or did not reach Slurm.
        """
        command = [str(self._settings.bin / argv[0]), *argv[1:]]
        if user is not None:
            command = ["/usr/bin/sudo", "--non-interactive", f"--user={user}", "--", *command]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**self._environment(), **(environment or {})},
                cwd="/",
                umask=0o077,
                start_new_session=True,
            )
        except OSError as error:
            raise SlurmUnavailable(f"{argv[0]} could not be started: {error.strerror}.") from error
        try:
            async with asyncio.timeout(self._settings.deadline_seconds):
                out, err = await process.communicate(None if stdin is None else stdin.encode())
        except TimeoutError as error:
            raise SlurmUnavailable(
                f"Slurm has not answered for {self._settings.deadline_seconds:.0f} s ({argv[0]})."
            ) from error
        finally:
            await _end(process)
        if process.returncode:
            raise _refusal(argv[0], err.decode(errors="replace").strip() or out.decode(errors="replace").strip())
        return (err if errors else out).decode(errors="replace")

    def _environment(self) -> dict[str, str]:
        """No more than Slurm needs: nothing of ours leaks into a job."""
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        if self._settings.conf is not None:
            environment["SLURM_CONF"] = str(self._settings.conf)
        return environment


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave no process behind, whatever ended the wait (a deadline, a cancelled task)."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, 9)
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await process.wait()


def _refusal(command: str, text: str) -> SlurmError:
    lowered = text.lower()
    if any(sign in lowered for sign in _UNREACHABLE):
        return SlurmUnavailable(f"Slurm could not be asked ({command}): {text[:300]}")
    return SlurmError(text[:500] or f"{command} failed without a word.")
