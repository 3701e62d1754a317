"""Reads the programme's file: validates it as a whole, and reads it again after an admin has changed it."""

from __future__ import annotations

import logging
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

from pydantic import ValidationError

from hub import environment
from hub.calls.calendar import day_in
from hub.calls.models import Programme
from hub.db.base import now
from hub.errors import SettingsError
from hub.settings import Settings
from hub.validation import first_problem

logger = logging.getLogger(__name__)

SHIPPED = "deploy/policy/programme.toml"


def current(settings: Settings) -> Programme:
    """The current programme. If the file has become invalid, the error is logged and the last valid one is used.

    :raises SettingsError: there was no valid programme yet.
    """
    return _file(path(settings)).current()


def today(settings: Settings) -> date:
    """Today's day in the programme's time zone."""
    return day_in(current(settings).zone, now())


def path(settings: Settings) -> Path:
    """The file named in the settings, or the one in the package."""
    return settings.paths.programme or environment.shared_file(SHIPPED)


def read(path: Path) -> Programme:
    """The programme in a file; raises :class:`SettingsError` with the first problem."""
    try:
        programme = Programme.model_validate(tomllib.loads(path.read_text()))
        day_in(programme.zone, now())
    except ValidationError as error:
        field, problem = first_problem(error)
        raise SettingsError(f"{path}: {field or 'the file'}: {problem}") from error
    except ZoneInfoNotFoundError as error:
        raise SettingsError(f"{path}: zone: this machine knows no such time zone.") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}.") from error
    return programme


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._last_stamp: tuple[int, int] | None = None
        self._programme: Programme | None = None

    def current(self) -> Programme:
        stamp = self._stamp()
        if self._programme is None or stamp != self._last_stamp:
            try:
                self._programme = read(self._path)
            except SettingsError as error:
                if self._programme is None:
                    raise
                logger.error("cannot read the changed programme; using the last valid one: %s", error.message)
            self._last_stamp = stamp
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
