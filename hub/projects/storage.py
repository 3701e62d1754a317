"""Project storage: asked from the one small program that may act as root (deploy/projects), and from nobody else."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hub.errors import AtriumError
from hub.projects.models import StepResult
from hub.settings import Projects
from hub.slurm import process


class StorageError(AtriumError):
    """The directory could not be made as it shall be."""

    status = 502


class Directories:
    """Runs the helper through sudo, the request on its standard input: nothing of it is an argument."""

    def __init__(self, settings: Projects) -> None:
        self._settings = settings

    async def ensure(self, slug: str, members: Sequence[str], *, storage_gb: int, closed: bool) -> StepResult:
        """Have the project's group with exactly these members, and its directory; names those without an OS account.

        Safe to run twice. Without a helper in the settings the site makes directories by other means: nothing is done.

        :raises StorageError: the helper refused, failed, or did not answer in time.
        """
        if not self._settings.helper:
            return StepResult()
        request = {"slug": slug, "members": sorted(members), "storage_gb": storage_gb, "closed": closed}
        answer = await self._ask(json.dumps(request))
        try:
            result = json.loads(answer)
            return StepResult(str(result["remark"])[:500], tuple(map(str, result["left_out"])))
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(f"The storage helper answered {answer[:80]!r}.") from error

    async def _ask(self, request: str) -> str:
        try:
            result = await process.run(
                ["/usr/bin/sudo", "--non-interactive", "--", *self._settings.helper],
                environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                deadline=self._settings.deadline_seconds,
                stdin=request,
                cwd="/",
                through_sudo=True,
            )
        except TimeoutError as error:
            raise StorageError("The storage helper has not answered in time.") from error
        except OSError as error:
            raise StorageError(f"sudo could not be started: {error.strerror}.") from error
        if result.code:
            raise StorageError(f"The storage helper failed: {result.error.strip()[-300:] or 'nothing'}")
        return result.out
