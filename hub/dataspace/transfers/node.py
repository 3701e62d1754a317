"""On the node: one file from its publisher into a project's storage (``python -m hub.dataspace.transfers.node ORDER``).

Runs as the person, in a Slurm job, and needs nothing of the server. What was copied stays in a hidden file until its
checksum is right; a job that is put back into the queue, and a new try of the same person, go on where it was. Every
directory is opened by its handle and without following links: what another member of the project puts in the way leads
nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import IO, NamedTuple

import httpx2
from pydantic import ValidationError

from hub.dataspace.fetch import Bounds, Fetcher, FetchFailed, http_address
from hub.dataspace.metadata import file_types
from hub.dataspace.transfers import snippets
from hub.dataspace.transfers.models import Progress, TransferSpec, TransferState
from hub.errors import AtriumError

SECONDS = 3.75 * 3600
"""Below the time limit of the job (hub/dataspace/transfers/jobs.py)."""
MOST_BYTES = 2**43
TRIES_WITHOUT_NEWS = 5
PAUSE_SECONDS = 2.0
SAY_SECONDS = 2.0
SPARE_BYTES = 64 * 2**20
LOOK_SECONDS = 20.0
PIECE = 1024 * 1024
ALGORITHMS = {"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b512", "blake2b"}

Say = Callable[[Progress], None]


class TransferFailed(AtriumError):
    """It will not come, however often it is tried."""


def read_order(word: str) -> TransferSpec:
    """The order in the job's one argument (base64, so that nothing of it means anything to a shell)."""
    try:
        return TransferSpec.model_validate_json(base64.b64decode(word, validate=True))
    except (binascii.Error, ValidationError) as error:
        raise TransferFailed("The order of this transfer cannot be read.") from error


def written_order(order: TransferSpec) -> str:
    return base64.b64encode(order.model_dump_json().encode()).decode()


def run(order: TransferSpec, say: Say, *, pause: Callable[[float], None] = time.sleep) -> Progress:
    """Bring it; what became of it, which is also the last thing said."""
    try:
        last = _brought(order, say, pause)
    except AtriumError as error:
        last = Progress(state=TransferState.FAILED, reason=f"{error.message} {error.hint}".strip()[:500])
    except OSError as error:
        last = Progress(state=TransferState.FAILED, reason=_storage(error)[:500])
    say(last)
    return last


def _brought(order: TransferSpec, say: Say, pause: Callable[[float], None]) -> Progress:
    with _opened(order.project_directory) as project, _below(project, "data") as data, _below(data, order.folder) as to:
        part = part_name(order)
        with _file(part, to) as file:
            _check_room(order, project, file, order.bytes)
            _fetch(order, project, file, _Same(part, to), say, pause)
            found = _judge(order, file)
            os.fsync(file.fileno())
            if found.verified is False:
                return _into_quarantine(order, found, project, to)
            name = _settle(part, order.name, to, found.sha256)
        with suppress(FileNotFoundError):
            os.unlink(f"{part}.tag", dir_fd=to)
        _leave_papers(order, found, name, to)
        packed = file_types.is_archive(name)
        return Progress(
            state=TransferState.DONE,
            bytes=found.bytes,
            total=found.bytes,
            path=f"data/{order.folder}/{name}",
            notebook=f"data/{order.folder}/{name}.ipynb",
            sha256=found.sha256,
            verified=found.verified is True,
            reason="It is an archive, and left packed." if packed else "",
        )


def part_name(order: TransferSpec) -> str:
    """Of the hidden file: the same for each try of a person to bring the same address."""
    same = hashlib.sha256(order.address.encode()).hexdigest()[:12]
    return f".{order.name}.{os.getuid()}-{same}.part"


# -- the network ------------------------------------------------------------------------------------------------------


def _fetch(  # noqa: PLR0917
    order: TransferSpec, project: int, file: IO[bytes], same: _Same, say: Say, pause: Callable[[float], None]
) -> None:
    """Until it is all there. What has come stays; a server that answers with parts goes on from there."""
    fetcher, address = Fetcher(order.allowed_hosts), http_address(order.address)
    until, tries = time.monotonic() + SECONDS, 0
    while True:
        have = file.seek(0, os.SEEK_END)
        ear = _Ear(order, project, file, same, say)
        headers = {"Accept-Encoding": "identity", **same.headers(have)}
        try:
            bounds = Bounds(max(1.0, until - time.monotonic()), MOST_BYTES, MOST_BYTES)
            fetcher.fetch(address, ear, bounds=bounds, headers=headers, began=ear.began)  # type: ignore[arg-type]
            ear.complete()
            return
        except FetchFailed as error:
            tries = 0 if ear.wrote else tries + 1
            if tries >= TRIES_WITHOUT_NEWS or time.monotonic() > until:
                raise TransferFailed(f"{error.message} It was tried {max(1, tries)} times.") from error
            pause(PAUSE_SECONDS * 2**tries)


class _Same:
    """How a server says that a file is still the one whose beginning we have; kept beside that beginning."""

    def __init__(self, part: str, folder: int) -> None:
        self._name, self._folder = f"{part}.tag", folder
        self._tag = _read(self._name, folder)

    def headers(self, have: int) -> dict[str, str]:
        """Only with a sign of sameness: else the whole file is asked for."""
        return {"Range": f"bytes={have}-", "If-Range": self._tag} if have and self._tag else {}

    def learn(self, headers: httpx2.Headers) -> None:
        tag, date = headers.get("etag", ""), headers.get("last-modified", "")
        told = tag if tag and not tag.startswith("W/") else date
        if told != self._tag:
            self._tag = told
            _write(self._name, told, self._folder)


class _Ear:
    """Listens to one answer and writes its body; a whole answer starts the file anew, a part goes on with it."""

    def __init__(self, order: TransferSpec, project: int, file: IO[bytes], same: _Same, say: Say) -> None:
        self._order, self._project, self._file, self._same, self._say = order, project, file, same, say
        self._said = 0.0
        self._total: int | None = order.bytes
        self._exact = False
        self.wrote = False

    def began(self, status: int, headers: httpx2.Headers) -> None:
        have = self._file.seek(0, os.SEEK_END)
        if status in (429, 500, 502, 503, 504):
            raise FetchFailed(f"The server answered {status}.")
        if status not in (200, 206):
            raise TransferFailed(f"The server answered {status}.", hint="Look at the record's own page.")
        if status == 200:
            self._file.truncate(0)
            have = self._file.seek(0)
        elif not headers.get("content-range", "").startswith(f"bytes {have}-"):
            raise TransferFailed("The server answered with another part than the one it was asked for.")
        self._same.learn(headers)
        length = headers.get("content-length", "")
        if length.isdigit() and not headers.get("content-encoding"):
            self._total, self._exact = have + int(length), True
            _check_room(self._order, self._project, self._file, self._total)
        self.tell(force=True)

    def write(self, piece: bytes) -> int:
        self._file.write(piece)
        self.wrote = self.wrote or bool(piece)
        self.tell()
        return len(piece)

    def complete(self) -> None:
        """A connection that ended early is no whole file."""
        have = self._file.seek(0, os.SEEK_END)
        if self._exact and self._total is not None and have < self._total:
            raise FetchFailed("The connection ended early.")

    def tell(self, *, force: bool = False) -> None:
        if force or time.monotonic() - self._said >= SAY_SECONDS:
            self._said = time.monotonic()
            total = self._total if self._total is None or self._total >= self._file.tell() else None
            self._say(Progress(state=TransferState.RUNNING, bytes=self._file.tell(), total=total))


# -- what it is -------------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """``verified``: whether the stated checksum is right; None: none is stated, or none that we know."""

    bytes: int
    sha256: str
    verified: bool | None


def _judge(order: TransferSpec, file: IO[bytes]) -> Found:
    stated = order.checksum
    algorithm = stated.algorithm.lower().replace("-", "").replace("_", "") if stated else ""
    algorithm = "blake2b" if algorithm == "blake2b512" else algorithm
    digests = {"sha256": hashlib.sha256()}
    if algorithm in ALGORITHMS:
        digests.setdefault(algorithm, hashlib.new(algorithm, usedforsecurity=False))
    file.seek(0)
    while piece := file.read(PIECE):
        for digest in digests.values():
            digest.update(piece)
    right = digests[algorithm].hexdigest() == stated.value.lower() if stated and algorithm in digests else None
    return Found(file.tell(), digests["sha256"].hexdigest(), right)


def _settle(part: str, name: str, to: int, sha256: str) -> str:
    """Give it its name, at once and never over another file; one with the same content is the same."""
    stem, dot, ending = name.partition(".")
    for wanted in (name, f"{stem}-{sha256[:8]}{dot}{ending}", f"{stem}-{sha256}{dot}{ending}"):
        try:
            os.link(part, wanted, src_dir_fd=to, dst_dir_fd=to, follow_symlinks=False)
        except FileExistsError:
            if _sha256_of(wanted, to) != sha256:
                continue
        os.unlink(part, dir_fd=to)
        return wanted
    raise TransferFailed("A file of this name is there already.", hint="Rename it, then bring this one again.")


def _sha256_of(name: str, folder: int) -> str:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        return hashlib.file_digest(file, "sha256").hexdigest()


def _into_quarantine(order: TransferSpec, found: Found, project: int, to: int) -> Progress:
    name = f"{order.transfer}-{order.name}"
    with _below(project, "quarantine") as quarantine:
        os.rename(part_name(order), name, src_dir_fd=to, dst_dir_fd=quarantine)
    return Progress(
        state=TransferState.QUARANTINED,
        bytes=found.bytes,
        total=found.bytes,
        path=f"quarantine/{name}",
        sha256=found.sha256,
        reason="Its checksum is not the one its publisher states: it may be damaged, or not what was described.",
    )


def _leave_papers(order: TransferSpec, found: Found, name: str, to: int) -> None:
    """Manifest and notebook beside the file."""
    told = {
        "file": name,
        "bytes": found.bytes,
        "sha256": found.sha256,
        "verified": found.verified is True,
        "checksum stated by the publisher": order.checksum.model_dump() if order.checksum else None,
        "source": order.address,
        "record": order.record,
        "title": order.title,
        "licence": order.licence or "not stated",
        "catalogue": order.source,
        "brought by": order.person,
        "brought at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    _write(f"{name}.manifest.json", json.dumps(told, ensure_ascii=False, indent=2) + "\n", to)
    path = f"{order.project_directory}/data/{order.folder}/{name}"
    about = f"From {order.address}\nLicence: {order.licence or 'not stated'}\nSHA-256 {found.sha256}"
    page = snippets.notebook(order.title, about, snippets.local(path, order.format))
    _write(f"{name}.ipynb", json.dumps(page, ensure_ascii=False, indent=1) + "\n", to, keep=True)


# -- storage ----------------------------------------------------------------------------------------------------------


def _amount(count: float) -> str:
    """Bytes as people say them: ``24.1 MB``."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB")
    at = min(len(units) - 1, (len(str(int(count))) - 1) // 3)
    return f"{count / 1000**at:,.1f}".removesuffix(".0") + f" {units[at]}"


def _check_room(order: TransferSpec, project: int, file: IO[bytes], total: int | None) -> None:
    """Before it is copied: whether it fits, as far as anybody states a size."""
    if total is None:
        return
    needed = total - os.fstat(file.fileno()).st_size
    room = os.fstatvfs(file.fileno())
    free = room.f_bavail * room.f_frsize - SPARE_BYTES
    if needed > free:
        raise TransferFailed(
            f"It needs {_amount(needed)}, and {_amount(max(0, free))} are free.", hint="Make room first."
        )
    if order.storage_bytes and _used(project) + needed > order.storage_bytes:
        raise TransferFailed(
            f"The project's storage of {_amount(order.storage_bytes)} has no room for {_amount(needed)} more.",
            hint="Delete what is not needed, or ask for more.",
        )


def _used(project: int) -> int:
    """Bytes in the project, as far as they are counted in time; links count for nothing."""
    until, used = time.monotonic() + LOOK_SECONDS, 0
    for _, _, names, folder in os.fwalk(".", dir_fd=project, follow_symlinks=False, onerror=None):
        for name in names:
            try:
                used += os.stat(name, dir_fd=folder, follow_symlinks=False).st_blocks * 512
            except OSError:
                continue
        if time.monotonic() > until:
            break
    return used


@contextmanager
def _opened(path: str) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _below(folder: int, name: str) -> Iterator[int]:
    """A folder in ``folder``, made if it is missing; a link in its place is refused."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o2770, dir_fd=folder)
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _file(name: str, folder: int) -> Iterator[IO[bytes]]:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(name, flags, 0o660, dir_fd=folder)
    with os.fdopen(handle, "r+b") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid() or about.st_nlink != 1:
            raise TransferFailed(f"{name} is in the way and not ours.")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TransferFailed("Another transfer of yours is bringing this file.") from error
        yield file


def _write(name: str, text: str, folder: int, *, keep: bool = False) -> None:
    """A small file, at once; ``keep``: one that is there already (with somebody's work in it) stays."""
    if keep and _there(name, folder):
        return
    draft = f".{name}.{os.getpid()}.new"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o660, dir_fd=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)


def _read(name: str, folder: int) -> str:
    """A short text of ours; empty when there is none."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return ""
    with os.fdopen(handle, encoding="utf-8", errors="replace") as file:
        return file.read(1000).strip()


def _there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _storage(error: OSError) -> str:
    if error.errno in (errno.EDQUOT, errno.ENOSPC):
        return "The project's storage is full. Delete what is not needed, or ask for more."
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "A link or a file is where a folder of the project should be: data, or one in it."
    return f"The project's storage says: {error.strerror}."


def main(argv: list[str]) -> int:
    """Say on standard output how it goes, one line of JSON each time; 0 if the file is in the data folder."""

    def say(progress: Progress) -> None:
        sys.stdout.write(progress.model_dump_json() + "\n")
        sys.stdout.flush()

    try:
        order = read_order(argv[1] if len(argv) == 2 else "")
    except AtriumError as error:
        say(Progress(state=TransferState.FAILED, reason=error.message))
        return 1
    os.umask(0o007)
    return 0 if run(order, say).state is TransferState.DONE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
