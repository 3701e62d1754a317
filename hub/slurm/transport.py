"""Running one of Slurm's commands: here, as whom, with what on standard input, and for how long at most."""

from __future__ import annotations

from collections.abc import Mapping

from hub.errors import SlurmError, SlurmUnavailable
from hub.settings import Slurm
from hub.slurm import process
from hub.slurm.commands import Argv


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
        seconds = self._settings.deadline_seconds
        try:
            result = await process.run(
                command,
                environment={**self._environment(), **(environment or {})},
                deadline=seconds,
                stdin=stdin,
                cwd="/",
                umask=0o077,
            )
        except TimeoutError as error:
            raise SlurmUnavailable(f"Slurm has not answered for {seconds:.0f} s ({argv[0]}).") from error
        except OSError as error:
            raise SlurmUnavailable(f"{argv[0]} could not be started: {error.strerror}.") from error
        if result.code:
            raise _refusal(argv[0], result.error.strip() or result.out.strip())
        return result.error if errors else result.out

    def _environment(self) -> dict[str, str]:
        """No more than Slurm needs: nothing of ours leaks into a job."""
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        if self._settings.conf is not None:
            environment["SLURM_CONF"] = str(self._settings.conf)
        return environment


def _refusal(command: str, text: str) -> SlurmError:
    if process.could_not_ask(text):
        return SlurmUnavailable(f"Slurm does not answer ({command}): {text[:300]}")
    return SlurmError(text[:500] or f"{command} failed without a message.")
