"""Uploads of the members of a project, as clients and the worker make them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.store import jobs, service
from hub.store.files import StoreFiles
from hub.store.models import PART_BYTES, Upload, UploadForm
from hub.store.tables import UploadRow
from tests.hub.dataspace.conftest import project

__all__ = ["project"]

CONTENT = bytes(range(256)) * (9 * 2**12)
"""Nine MiB: two whole parts and a shorter one."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def form(content: bytes = CONTENT, **more: Any) -> UploadForm:
    fields = {"project": "demo", "name": "mean flow.csv", "bytes": len(content), "sha256": sha256(content)}
    return UploadForm.model_validate(fields | more)


class Uploads:
    """Uploads through the service; ``send`` sends one part."""

    def __init__(self, sessions: Any, settings: Any) -> None:
        self.sessions = sessions
        self.settings = settings
        self.files = StoreFiles(settings)

    def begin(self, content: bytes = CONTENT, person: str = "founder", **more: Any) -> Upload:
        with self.sessions() as session:
            return service.begin(session, self.settings, person, form(content, **more))

    def send(self, upload: int, offset: int, part: bytes, *, digest: str = "") -> Upload:
        with self.sessions() as session:
            row = session.get_one(UploadRow, upload)
            stated = digest or sha256(part)
            return service.write_part(session, self.settings, row, offset=offset, sha256=stated, part=part)

    def finish(self, upload: int) -> Upload:
        with self.sessions() as session:
            return service.finish(session, self.settings, session.get_one(UploadRow, upload))

    def arrive(self, content: bytes = CONTENT, person: str = "founder", *, stated: bytes | None = None) -> int:
        """Send everything and finish; the worker has not looked yet."""
        stated = content if stated is None else stated
        upload = self.begin(stated, person)
        for offset in range(0, len(content), PART_BYTES):
            self.send(upload.id, offset, content[offset : offset + PART_BYTES])
        self.finish(upload.id)
        return upload.id

    def store(self, content: bytes = CONTENT, person: str = "founder") -> int:
        upload = self.arrive(content, person)
        self.tend()
        return upload

    def tend(self) -> None:
        jobs.tend_store(self.sessions, self.settings)

    def row(self, upload: int) -> UploadRow | None:
        with self.sessions() as session:
            return session.get(UploadRow, upload)


@pytest.fixture
def uploads(sessions, settings, project) -> Uploads:
    return Uploads(sessions, settings)


@pytest.fixture
def later(sessions) -> Callable[[float], None]:
    """Makes everything that is stored older by some hours."""

    def later(hours: float) -> None:
        with sessions() as session:
            for row in session.scalars(select(UploadRow)):
                row.touched -= timedelta(hours=hours)
            session.commit()

    return later
