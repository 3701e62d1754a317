"""The job of a transfer on the node: one file from its publisher into a project's storage.

``python -m hub.dataspace.transfers.node SPEC`` runs as the person, in a Slurm job, and needs nothing of the server. The
file stays hidden until its checksum is right; a requeued job, and a new try of the same person, continue it. A file
that is no data by its content, such as a web page, goes to quarantine like one with a wrong checksum.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import IO, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from hub.dataspace.metadata import file_types
from hub.dataspace.readers.contents import LOOKED_AT, Content, content_of
from hub.dataspace.transfers import local_copy, snippets, storage
from hub.dataspace.transfers.download import Download, ReportProgress, ResumeTag
from hub.dataspace.transfers.models import Progress, TransferSpec, TransferState
from hub.dataspace.transfers.storage import TransferFailed
from hub.errors import AtriumError

Spec = TypeVar("Spec", bound=BaseModel)
CHUNK_BYTES = 1024 * 1024
ALGORITHMS = {"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b512", "blake2b"}


def encoded_spec(spec: BaseModel) -> str:
    """A spec as the job's one argument: base64, which has no character with a meaning to a shell."""
    return base64.b64encode(spec.model_dump_json().encode()).decode()


def decoded_spec(argument: str) -> TransferSpec:
    """The spec in the job's argument. Raises TransferFailed."""
    return decoded(TransferSpec, argument)


def decoded(model: type[Spec], argument: str) -> Spec:
    """The spec of this kind in the job's argument. Raises TransferFailed."""
    try:
        return model.model_validate_json(base64.b64decode(argument, validate=True))
    except (binascii.Error, ValidationError) as error:
        raise TransferFailed("The specification of this transfer cannot be read.") from error


def run(spec: TransferSpec, report: ReportProgress, *, pause: Callable[[float], None] = time.sleep) -> Progress:
    """Transfer the file; returns the result, which is also the last progress that is reported."""
    try:
        result = _transfer(spec, report, pause)
    except AtriumError as error:
        result = Progress(state=TransferState.FAILED, reason=f"{error.message} {error.hint}".strip()[:500])
    except OSError as error:
        result = Progress(state=TransferState.FAILED, reason=storage.sentence(error)[:500])
    report(result)
    return result


def _transfer(spec: TransferSpec, report: ReportProgress, pause: Callable[[float], None]) -> Progress:
    with (
        storage.opened_directory(spec.project_directory) as project,
        storage.subdirectory(project, "data") as data,
        storage.subdirectory(data, spec.folder) as folder,
    ):
        part = part_name(spec)
        try:
            with storage.locked_file(part, folder) as file:
                _fetch(spec, project=project, folder=folder, file=file, report=report, pause=pause)
                copy = _checked(spec, file)
                content = _content(spec, file, copy)
                os.fsync(file.fileno())
                storage.remove(f"{part}.tag", folder)
                if copy.verified is False or (content is not None and content.replaces_data and not copy.verified):
                    return _into_quarantine(spec, copy, content, project=project, folder=folder)
                name = _renamed(part, spec.name, folder, copy.sha256)
            _write_manifest(spec, copy, name, folder)
            notebook = _write_notebook(spec, copy, name, folder)
        finally:
            storage.remove_if_empty(spec.folder, data)
        return Progress(
            state=TransferState.DONE,
            bytes=copy.bytes,
            total=copy.bytes,
            path=f"data/{spec.folder}/{name}",
            notebook=f"data/{spec.folder}/{notebook}",
            sha256=copy.sha256,
            verified=copy.verified is True,
            reason=" ".join(_remarks(spec, copy, content))[:500],
        )


def _fetch(
    spec: TransferSpec,
    *,
    project: int,
    folder: int,
    file: IO[bytes],
    report: ReportProgress,
    pause: Callable[[float], None],
) -> None:
    """Copy or download the file. A try that fails leaves nothing, unless another can go on after what has arrived."""
    part = part_name(spec)
    tag = ResumeTag(part, folder)
    download = Download(spec, project=project, file=file, tag=tag, report=report, pause=pause)
    try:
        storage.check_room(project, file, spec.bytes, spec.storage_bytes)
        if spec.local_file:
            local_copy.run(spec, spec.local_file, project=project, file=file, report=report)
        else:
            download.run()
    except (AtriumError, OSError):
        if not download.can_continue:
            storage.remove(part, folder)
            storage.remove(f"{part}.tag", folder)
        raise


def part_name(spec: TransferSpec) -> str:
    """Name of the hidden file: the same for each try of a person to copy the same address."""
    address_hash = hashlib.sha256(spec.address.encode()).hexdigest()[:12]
    return f".{spec.name}.{os.getuid()}-{address_hash}.part"


# -- the copy ---------------------------------------------------------------------------------------------------------


class _Copy(NamedTuple):
    """``verified``: whether the stated checksum is right; None if none is stated, or none of a known algorithm."""

    bytes: int
    sha256: str
    verified: bool | None


def _checked(spec: TransferSpec, file: IO[bytes]) -> _Copy:
    stated = spec.checksum
    algorithm = stated.algorithm.lower().replace("-", "").replace("_", "") if stated else ""
    algorithm = "blake2b" if algorithm == "blake2b512" else algorithm
    digests = {"sha256": hashlib.sha256()}
    if algorithm in ALGORITHMS:
        digests.setdefault(algorithm, hashlib.new(algorithm, usedforsecurity=False))
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        for digest in digests.values():
            digest.update(chunk)
    verified = digests[algorithm].hexdigest() == stated.value.lower() if stated and algorithm in digests else None
    return _Copy(file.tell(), digests["sha256"].hexdigest(), verified)


def _renamed(part: str, name: str, folder: int, sha256: str) -> str:
    """Give the hidden file its name atomically and never over another file; returns the name.

    A file with this name and the same content is taken to be the same file.
    """
    stem, dot, extension = name.partition(".")
    for candidate in (name, f"{stem}-{sha256[:8]}{dot}{extension}", f"{stem}-{sha256}{dot}{extension}"):
        try:
            os.link(part, candidate, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            if storage.sha256_of(candidate, folder) != sha256:
                continue
        os.unlink(part, dir_fd=folder)
        return candidate
    raise TransferFailed("A file with this name exists already.", hint="Rename it, then try the transfer again.")


def _content(spec: TransferSpec, file: IO[bytes], copy: _Copy) -> Content | None:
    """What the file is, if it is not what the record or its name says."""
    file.seek(0)
    stated = {spec.format.upper(), file_types.extension(spec.name)}
    return content_of(file.read(LOOKED_AT), complete=copy.bytes <= LOOKED_AT, stated=stated)


def _remarks(spec: TransferSpec, copy: _Copy, content: Content | None) -> Iterator[str]:
    """Sentences about a file that has arrived."""
    if file_types.is_archive(spec.name):
        yield "It is an archive, and left packed."
    if not copy.bytes:
        yield "It is empty."
    if spec.bytes is not None and spec.bytes != copy.bytes:
        yield f"It has {copy.bytes:,} bytes; its record states {spec.bytes:,}."
    if content is not None and (content.replaces_data or _should_be_another(spec, content)):
        yield f"It is {content.name}, although its record or its name says otherwise."


def _should_be_another(spec: TransferSpec, content: Content) -> bool:
    """Whether a file should be a table and is not, so that the notebook beside it cannot read it."""
    table = file_types.readable_type(spec.format, spec.name, file_types.TEXT_TABLES | {file_types.PARQUET})
    if not table or file_types.is_archive(spec.name):
        return False
    return table != file_types.PARQUET or not content.name.endswith("Parquet file")


def _into_quarantine(
    spec: TransferSpec, copy: _Copy, content: Content | None, *, project: int, folder: int
) -> Progress:
    name = f"{spec.transfer}-{spec.name}"
    with storage.subdirectory(project, "quarantine") as quarantine:
        os.rename(part_name(spec), name, src_dir_fd=folder, dst_dir_fd=quarantine)
    reasons = [content.sentence()] if content is not None and content.replaces_data else []
    if copy.verified is False:
        reasons.append(
            "Its checksum is not the one its publisher states: it may be damaged, or not what was described."
        )
    return Progress(
        state=TransferState.QUARANTINED,
        bytes=copy.bytes,
        total=copy.bytes,
        path=f"quarantine/{name}",
        sha256=copy.sha256,
        reason=" ".join(reasons)[:500],
    )


def _write_manifest(spec: TransferSpec, copy: _Copy, name: str, folder: int) -> None:
    manifest = {
        "file": name,
        "bytes": copy.bytes,
        "sha256": copy.sha256,
        "verified": copy.verified is True,
        "checksum stated by the publisher": spec.checksum.model_dump() if spec.checksum else None,
        "source": spec.address,
        "record": spec.record,
        "title": spec.title,
        "licence": spec.licence or "not stated",
        "catalogue": spec.source,
        "conditions accepted": spec.accepted.model_dump(mode="json") if spec.accepted else None,
        "brought by": spec.person,
        "brought at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    storage.write_text(f"{name}.manifest.json", json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", folder)


def _write_notebook(spec: TransferSpec, copy: _Copy, name: str, folder: int) -> str:
    """Write a notebook that reads the file; returns its name.

    Files with its usual name stay: they may be edited copies, or somebody else's.
    """
    path = f"{spec.project_directory}/data/{spec.folder}/{name}"
    description = f"From {spec.address}\nLicence: {spec.licence or 'not stated'}\nSHA-256 {copy.sha256}"
    notebook = snippets.notebook(spec.title, description, snippets.local(path, spec.format))
    text = json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
    suffixes = (hashlib.sha256(text.encode()).hexdigest()[:8], secrets.token_hex(4))
    return storage.write_own_text([f"{name}.ipynb", *(f"{name}-{end}.ipynb" for end in suffixes)], text, folder)


def print_progress(progress: Progress) -> None:
    """Write a line of JSON to standard output, in UTF-8 in every locale: the worker reads it as such."""
    sys.stdout.buffer.write(progress.model_dump_json().encode() + b"\n")
    sys.stdout.buffer.flush()


def main(argv: list[str]) -> int:
    """Write progress to standard output, one line of JSON each time; returns 0 if the file is in the data folder."""
    try:
        spec = decoded_spec(argv[1] if len(argv) == 2 else "")
    except AtriumError as error:
        print_progress(Progress(state=TransferState.FAILED, reason=error.message))
        return 1
    os.umask(0o007)
    return 0 if run(spec, print_progress).state is TransferState.DONE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
