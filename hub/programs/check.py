"""``atrium check``: checks the parts of a deployment and prints a line for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import get_args

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from hub import migrations, tls
from hub.calls import programme
from hub.db.engine import make_engine
from hub.errors import AtriumError, SettingsError
from hub.health import storage
from hub.programs import isolation
from hub.projects import acl
from hub.settings import SecretName, Settings
from hub.slurm.client import SlurmClient, require_controller

_CERTIFICATE_DAYS = 90
"""Any start of a program renews certificates years before that, so the programs have not been restarted for long."""
_TOO_OPEN = 0o037
"""Permission bits that a secret must not have; its group may read it, because services share tokens with the Hub."""


def run(settings: Settings, say: Callable[[str], None]) -> bool:
    """Check all parts and print a line for each; returns whether all of them are well.

    What weakens the isolation of people from each other, a partition that Slurm does not have, projects whose members
    cannot change each other's files, and storage that is nearly full are printed as warnings and are the site's
    decision.
    """
    parts: dict[str, Callable[[Settings], str]] = {
        "secrets": _secrets,
        "programme": _programme,
        "tls": _certificates,
        "database": _database,
        "slurm": _slurm,
    }
    bad = [name for name, part in parts.items() if not _report(name, part, settings, say)]
    for weakness in isolation.weaknesses(settings, _slurm_configuration(settings)):
        say(f"isolation WARN {weakness}")
    for sentence in unknown_partitions(settings, _partitions(settings)):
        say(f"slurm     WARN {sentence}")
    for sentence in acl.warnings(settings.paths.projects):
        say(f"projects  WARN {sentence}")
    for sentence in storage.warnings(settings):
        say(f"storage   WARN nearly full: {sentence}")
    return not bad


def _partitions(settings: Settings) -> frozenset[str] | None:
    """None if Slurm does not answer, which :func:`_slurm` reports."""
    try:
        return frozenset(entry.name for entry in asyncio.run(SlurmClient(settings.slurm).partitions()))
    except AtriumError:
        return None


def unknown_partitions(settings: Settings, partitions: frozenset[str] | None) -> list[str]:
    """A sentence for each partition that the settings name and Slurm does not have; none if ``partitions`` is None."""
    slurm = settings.slurm
    names = {
        "slurm.partition": slurm.partition,
        "slurm.gpu_partition": slurm.gpu_partition,
        "slurm.dask_partition": slurm.dask_partition,
        "dataspace.partition": settings.dataspace.partition,
        **{f"spawn.profiles: {entry.name}": entry.partition for entry in settings.spawn.profiles if entry.partition},
        **{f"spawn.partitions: {name}": name for name in settings.spawn.partitions},
    }
    return [
        f"Slurm has no partition {name!r} ({setting}): jobs for it are refused."
        for setting, name in names.items()
        if partitions is not None and name not in partitions
    ]


def _slurm_configuration(settings: Settings) -> dict[str, str] | None:
    """None if Slurm does not answer, which :func:`_slurm` reports."""
    try:
        return asyncio.run(SlurmClient(settings.slurm).configuration())
    except AtriumError:
        return None


def _report(name: str, part: Callable[[Settings], str], settings: Settings, say: Callable[[str], None]) -> bool:
    try:
        say(f"{name:9} ok  {part(settings)}")
    except AtriumError as error:
        say(f"{name:9} BAD {' '.join(error.message.split())}")
        return False
    return True


def _secrets(settings: Settings) -> str:
    for name in get_args(SecretName):
        path = settings.paths.secrets / name
        try:
            mode = path.stat().st_mode & 0o777
        except OSError as error:
            raise SettingsError(f"The secret {path} cannot be seen: {error.strerror}.") from error
        if mode & _TOO_OPEN:
            raise SettingsError(f"The secret {path} has mode {mode:04o}; it may have 0640 at most.")
    return str(settings.paths.secrets)


def _certificates(settings: Settings) -> str:
    if not settings.hub.internal_ssl:
        return "off"
    days = tls.days_left(settings)
    if days is None:
        return "certificates are made at the next start of the programs"
    if days < _CERTIFICATE_DAYS:
        raise SettingsError(
            f"An internal certificate ends in {max(days, 0):.0f} days: restart all programs to renew it."
        )
    return f"certificates count for {days:.0f} days"


def _programme(settings: Settings) -> str:
    path = programme.path(settings)
    return f"{path}, as of {programme.read(path).as_of}"


def _database(settings: Settings) -> str:
    engine = make_engine(settings.api.database_url, existing=True)
    try:
        if not migrations.at_head(engine):
            raise SettingsError("The database schema is not current: run atrium migrate.")
    except SQLAlchemyError as error:
        raise SettingsError(f"The database does not answer: {type(error).__name__}.") from error
    finally:
        engine.dispose()
    return make_url(settings.api.database_url).render_as_string(hide_password=True)


def _slurm(settings: Settings) -> str:
    asyncio.run(require_controller(SlurmClient(settings.slurm)))
    return "a controller is up"
