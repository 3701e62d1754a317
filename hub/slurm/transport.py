"""Runs Slurm's commands on this machine: user, standard input, environment and deadline."""

from __future__ import annotations

from collections.abc import Mapping

from hub.errors import SlurmError, SlurmNotReached, SlurmUnavailable
from hub.settings import Slurm
from hub.slurm import process
from hub.slurm.commands import Argv

LONGEST_MESSAGE = 2_000
"""Characters of a refusal; a site's job-submit plugin may explain at length."""


class Transport:
    """Runs commands on this machine; as a person through ``sudo``, which allows ``sbatch`` and ``scancel`` only."""

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
        """Run ``argv`` and return its standard output.

        :param errors: return standard error instead (``sbatch --test-only`` answers there).
        :param user: OS account to run as; None: this process's own.
        :param environment: variables passed on beside the few Slurm needs (``sudo`` keeps some, see deploy/sudoers).
        :raises SlurmError: the command failed; ``message`` is its output.
        :raises SlurmUnavailable: it could not be started, did not answer in time, or did not reach Slurm.
        """
        command = self._command(argv, user)
        seconds = self._settings.deadline_seconds
        try:
            result = await process.run(
                command,
                environment={**self._environment(), **(environment or {})},
                deadline=seconds,
                stdin=stdin,
                cwd="/",
                umask=0o077,
                through_sudo=user is not None,
            )
        except TimeoutError as error:
            raise SlurmUnavailable(f"Slurm has not answered for {seconds:.0f} s ({argv[0]}).") from error
        except OSError as error:
            raise SlurmUnavailable(f"{argv[0]} could not be started: {error.strerror}.") from error
        if result.code:
            raise _refusal(argv[0], result.error.strip() or result.out.strip())
        return result.error if errors else result.out

    def is_running(self, argv: Argv, *, user: str) -> bool:
        """Whether ``argv`` still runs as ``user``: it may outlive its deadline."""
        return process.is_running_as_root(self._command(argv, user))

    def _command(self, argv: Argv, user: str | None) -> Argv:
        command = [str(self._settings.bin / argv[0]), *argv[1:]]
        if user is None:
            return command
        return ["/usr/bin/sudo", "--non-interactive", f"--user={user}", "--", *command]

    def _environment(self) -> dict[str, str]:
        """Only the variables that Slurm needs, so that none of the Hub's reach a job."""
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SLURM_TIME_FORMAT": "standard"}
        if self._settings.conf is not None:
            environment["SLURM_CONF"] = str(self._settings.conf)
        return environment


def _refusal(command: str, text: str) -> SlurmError:
    if process.could_not_ask(text):
        kind = SlurmNotReached if process.was_not_reached(text) else SlurmUnavailable
        return kind(f"Slurm does not answer ({command}): {text[:300]}")
    return SlurmError(text[:LONGEST_MESSAGE] or f"{command} failed without a message.")
