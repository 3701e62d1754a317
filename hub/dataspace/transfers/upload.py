"""The job of an upload on the node: a file of a project's directory into the store.

``python -m hub.dataspace.transfers.upload SPEC`` runs as the person, in a Slurm job: the store's account cannot read
projects. A requeued job goes on after what has arrived.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from hub.connection import Connection
from hub.dataspace.transfers import node, storage
from hub.dataspace.transfers.download import REPORT_SECONDS, ReportProgress
from hub.dataspace.transfers.models import Progress, TransferState, UploadSpec
from hub.dataspace.transfers.storage import TransferFailed
from hub.errors import AtriumError
from hub.store import project_files
from hub.store.client import Store
from hub.store.models import JOB_TOKEN_VARIABLE


def run(spec: UploadSpec, store: Store, report: ReportProgress) -> Progress:
    """Upload the file; returns the result, which is also the last progress that is reported."""
    try:
        result = _upload(spec, store, report)
    except AtriumError as error:
        result = Progress(state=TransferState.FAILED, reason=f"{error.message} {error.hint}".strip()[:500])
    except OSError as error:
        result = Progress(state=TransferState.FAILED, reason=storage.sentence(error)[:500])
    report(result)
    return result


def _upload(spec: UploadSpec, store: Store, report: ReportProgress) -> Progress:
    last_report = -REPORT_SECONDS

    def report_sent(sent: int, total: int) -> None:
        nonlocal last_report
        if time.monotonic() - last_report >= REPORT_SECONDS:
            last_report = time.monotonic()
            report(Progress(state=TransferState.RUNNING, bytes=sent, total=total))

    with project_files.opened(spec.project_directory, spec.path) as file:
        name = Path(spec.path).name
        upload = store.upload(file, project=spec.project, name=name, report=report_sent)
    size = upload.bytes
    return Progress(
        state=TransferState.DONE, bytes=size, total=size, path=spec.path, sha256=upload.sha256, verified=True
    )


def _store(spec: UploadSpec) -> Store:
    """The store with the job's token. Raises AtriumError."""
    if spec.api is None:
        raise TransferFailed("The specification of this upload does not name Atrium's API.")
    token = os.environ.pop(JOB_TOKEN_VARIABLE, "")
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as authority:
        authority.write(spec.api.authority)
        authority.flush()
        path = authority.name if spec.api.authority else None
        return Store(Connection(spec.api.url, token, authority=path))


def main(argv: list[str]) -> int:
    """Write progress to standard output, one line of JSON each time; returns 0 if the file is in the store."""
    try:
        spec = node.decoded(UploadSpec, argv[1] if len(argv) == 2 else "")
        store = _store(spec)
    except AtriumError as error:
        node.print_progress(Progress(state=TransferState.FAILED, reason=error.message))
        return 1
    return 0 if run(spec, store, node.print_progress).state is TransferState.DONE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
