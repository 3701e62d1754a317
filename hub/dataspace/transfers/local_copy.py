"""Copies a file that comes with a catalogue on this machine. Used by transfer jobs on the node.

The job reads the file as the person: nothing reaches the project that the person may not read.
"""

from __future__ import annotations

import os
import time
from typing import IO

from hub.dataspace import local_files
from hub.dataspace.models import LocalFile
from hub.dataspace.transfers import storage
from hub.dataspace.transfers.download import REPORT_SECONDS, ReportProgress
from hub.dataspace.transfers.models import Progress, TransferSpec, TransferState

CHUNK_BYTES = 1024 * 1024


def run(spec: TransferSpec, local: LocalFile, *, project: int, file: IO[bytes], report: ReportProgress) -> None:
    """Copy ``local`` into ``file``, from the beginning.

    :raises LocalFileRefused: it cannot be read.
    :raises TransferFailed: the project has no room for it.
    """
    file.truncate(0)
    file.seek(0)
    with local_files.opened(local) as source:
        total = os.fstat(source.fileno()).st_size
        storage.check_room(project, file, total, spec.storage_bytes)
        room, last_report = storage.Room(project, file, spec.storage_bytes), 0.0
        while chunk := source.read(CHUNK_BYTES):
            room.check(file.tell() + len(chunk))
            file.write(chunk)
            if time.monotonic() - last_report >= REPORT_SECONDS:
                last_report = time.monotonic()
                copied = file.tell()
                report(Progress(state=TransferState.RUNNING, bytes=copied, total=max(copied, total)))
