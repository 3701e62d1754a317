"""Project storage: asked from the one small program that may act as root (deploy/projects), and from nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

from hub.errors import AtriumError
from hub.projects.models import StepResult
from hub.settings import Projects


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
            process = await asyncio.create_subprocess_exec(
                "/usr/bin/sudo",
                "--non-interactive",
                "--",
                *self._settings.helper,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise StorageError(f"sudo could not be started: {error.strerror}.") from error
        try:
            async with asyncio.timeout(self._settings.deadline_seconds):
                out, err = await process.communicate(request.encode())
        except TimeoutError as error:
            raise StorageError("The storage helper has not answered in time.") from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    process.kill()
        if process.returncode:
            output = err.decode(errors="replace").strip() or "nothing"
            raise StorageError(f"The storage helper failed: {output[-300:]}")
        return out.decode(errors="replace")
