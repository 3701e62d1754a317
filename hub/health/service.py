"""Health of the parts, from the signs of life that they write; a request for it causes one small read."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from hub.db.base import now
from hub.db.engine import is_storage_full, sqlite_file
from hub.health import storage
from hub.health.models import Health
from hub.health.tables import SignOfLife
from hub.settings import Settings

WORKER = "worker"
SLURM = "slurm"
HEARTBEAT_SECONDS = 15


def seen(session: Session, part: str) -> None:
    """Store a sign of life of a part, now."""
    session.merge(SignOfLife(part=part, at=now()))
    session.commit()


def last_seen(session: Session, part: str) -> datetime | None:
    """Time of the last sign of life; None if there was none."""
    return session.scalar(select(SignOfLife.at).where(SignOfLife.part == part))


def patience(settings: Settings) -> dict[str, timedelta]:
    """The longest time between two signs of life of each part, before it counts as down."""
    return {
        WORKER: timedelta(seconds=4 * HEARTBEAT_SECONDS),
        SLURM: timedelta(seconds=3 * settings.worker.usage_seconds),
    }


def health(sessions: sessionmaker[Session], settings: Settings, moment: datetime) -> Health:
    """The health of each part; worker and Slurm are well if they gave a sign of life within their :func:`patience`."""
    sentences = storage.warnings(settings)
    disk = {"storage": f"nearly full: {'; '.join(sentences)}" if sentences else "ok"}
    try:
        with sessions() as session:
            last = dict(session.execute(select(SignOfLife.part, SignOfLife.at)).all())
    except SQLAlchemyError as error:
        return _health({"database": _wrong(error, settings), **disk})
    signs = {part: _sign(last.get(part), moment, enough) for part, enough in patience(settings).items()}
    return _health({"database": "ok", **signs, **disk})


def _wrong(error: SQLAlchemyError, settings: Settings) -> str:
    file = sqlite_file(settings.api.database_url)
    if file is not None and not file.exists():
        return "its file is missing"
    return "storage is full" if is_storage_full(error) else "no answer"


def _sign(last: datetime | None, moment: datetime, enough: timedelta) -> str:
    if last is None:
        return "no sign of life yet"
    return "ok" if moment - last <= enough else f"no sign of life since {last:%Y-%m-%d %H:%M} UTC"


def _health(checks: dict[str, str]) -> Health:
    well = all(check == "ok" for check in checks.values())
    return Health(status="ok" if well else "degraded", version=_version(), checks=checks)


def _version() -> str:
    try:
        return version("atrium")
    except PackageNotFoundError:
        return "checkout"
