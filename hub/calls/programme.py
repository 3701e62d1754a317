"""Reading the programme's file: checked as a whole, read again when an admin has changed it."""

from __future__ import annotations

import logging
import tomllib
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from hub import environment
from hub.calls.models import Programme
from hub.errors import SettingsError
from hub.settings import Settings
from hub.validation import first_problem

logger = logging.getLogger(__name__)

SHIPPED = "deploy/policy/programme.toml"


def current(settings: Settings) -> Programme:
    """The programme in force. A file that was changed for the worse is logged, and what was read before goes on.

    :raises SettingsError: there is nothing that was ever right.
    """
    return _file(path(settings)).current()


def path(settings: Settings) -> Path:
    """The deployment's own file if the settings name one, else what the package brings."""
    return settings.paths.programme or environment.shared_file(SHIPPED)


def read(path: Path) -> Programme:
    """The programme in a file; raises :class:`SettingsError` naming the first thing that is wrong."""
    try:
        return Programme.model_validate(tomllib.loads(path.read_text()))
    except ValidationError as error:
        field, problem = first_problem(error)
        raise SettingsError(f"{path}: {field or 'the file'}: {problem}") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}.") from error


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._programme: Programme | None = None

    def current(self) -> Programme:
        seen = self._stamp()
        if self._programme is None or seen != self._seen:
            try:
                self._programme = read(self._path)
            except SettingsError as error:
                if self._programme is None:
                    raise
                logger.error("the programme stays as it was: %s", error.message)
            self._seen = seen
        return self._programme

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino


@cache
def _file(path: Path) -> _File:
    return _File(path)
