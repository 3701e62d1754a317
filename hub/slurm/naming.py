"""Names, comments and log files of the gateway's jobs; used by spawners, transfers and the sweep for orphans.

The job's name tells its kind, so that one ``squeue --name`` finds all jobs of a kind. The comment tells what the job
belongs to::

    GATEWAY:KIND:HUBUSER:SERVER:ATTEMPT:NONCE         notebook: a server; ATTEMPT is its row in the ledger
    GATEWAY:KIND:HUBUSER:SERVER:ATTEMPT:NONCE:NAME    dask, training: fields of the server's job that submitted it, and
                                                      the name of the cluster or the training
    GATEWAY:KIND:HUBUSER::TRANSFER:NONCE              transfer: no server; TRANSFER is its row

NONCE is 8 hexadecimal digits, made and stored with the row before the job is submitted. Characters of a field that a
job script or this form cannot hold are written as ``=XX``, one for each byte of UTF-8 (``:`` is ``=3A``).

Earlier versions wrote other forms, without a kind and a nonce. Their jobs may still run, so these are read, too, and
written for rows without a nonce::

    GATEWAY:HUBUSER:SERVER:ATTEMPT             a server
    GATEWAY:HUBUSER:SERVER:ATTEMPT:CLUSTER     a worker
    GATEWAY:NAME                               a training
    GATEWAY:HUBUSER:transfer:TRANSFER          a transfer

Anybody can give a job of their own any name and comment. Whoever acts on a job compares the comment with the row, the
nonce included, and the job's owner with the row's OS account.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import quote, unquote

_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_NONCE = re.compile(r"[0-9a-f]{8}\Z")
UNSAVED = "0" * 8
"""Nonce of a script that is only tried (``sbatch --test-only``): there is no row."""


class Kind(StrEnum):
    """The last part of a job's name."""

    SERVER = "notebook"
    WORKER = "dask"
    TRAINING = "training"
    TRANSFER = "transfer"


_WITH_NAME = (Kind.WORKER, Kind.TRAINING)


def job_name(gateway: str, kind: Kind) -> str:
    """Name of every job of one kind of one deployment, so that ``squeue --name`` asks for all of them at once."""
    return f"{gateway}-{kind}"


def new_nonce() -> str:
    """The random part of a comment, for a new row."""
    return secrets.token_hex(4)


@dataclass(frozen=True)
class JobComment:
    """The fields of a comment; ``str()`` is the comment."""

    gateway: str
    kind: Kind
    user: str
    """Name of the Hub user. The job's OS account may be another one: it is in the row, not in the comment."""
    server: str
    attempt: int
    """Number of the row: of the attempt, or of the transfer."""
    nonce: str
    """Empty in the forms of earlier versions."""
    name: str = ""
    """Of the cluster or the training."""

    def __str__(self) -> str:
        if not self.nonce:
            return self._old_form()
        fields = [self.gateway, self.kind, self.user, self.server, str(self.attempt), self.nonce]
        if self.kind in _WITH_NAME:
            fields.append(self.name)
        return ":".join(map(_quoted, fields))

    def is_of_server(self, other: JobComment) -> bool:
        """Whether both name the same server, in any of its attempts."""
        return (self.gateway, self.user, self.server) == (other.gateway, other.user, other.server)

    def _old_form(self) -> str:
        match self.kind:
            case Kind.SERVER:
                return f"{self.gateway}:{self.user}:{self.server}:{self.attempt}"
            case Kind.WORKER:
                return f"{self.gateway}:{self.user}:{self.server}:{self.attempt}:{self.name}"
            case Kind.TRAINING:
                return f"{self.gateway}:{self.name}"
            case Kind.TRANSFER:
                return f"{self.gateway}:{self.user}:transfer:{self.attempt}"


def read(text: str, kind: Kind) -> JobComment | None:
    """The fields of the comment of a job of this kind; None for a comment of any other form."""
    fields = text.split(":")
    comment = _read_fields(fields, kind) or _read_old_fields(fields, kind)
    return comment if comment is not None and str(comment) == text else None


def _read_fields(fields: list[str], kind: Kind) -> JobComment | None:
    if len(fields) != 6 + (kind in _WITH_NAME) or fields[1] != kind:
        return None
    if not _NUMBER.match(fields[4]) or not _NONCE.match(fields[5]):
        return None
    gateway, _, user, server, attempt, nonce, *name = map(_unquoted, fields)
    return JobComment(gateway, kind, user, server, int(attempt), nonce, *name)


def _read_old_fields(fields: list[str], kind: Kind) -> JobComment | None:
    match kind, fields:
        case Kind.SERVER, [gateway, user, server, attempt] if _NUMBER.match(attempt):
            return JobComment(gateway, kind, user, server, int(attempt), "")
        case Kind.WORKER, [gateway, user, server, attempt, name] if _NUMBER.match(attempt):
            return JobComment(gateway, kind, user, server, int(attempt), "", name)
        case Kind.TRAINING, [gateway, name]:
            return JobComment(gateway, kind, "", "", 0, "", name)
        case Kind.TRANSFER, [gateway, user, "transfer", number] if _NUMBER.match(number):
            return JobComment(gateway, kind, user, "", int(number), "")
    return None


def _quoted(field: str) -> str:
    """Percent-encoding with ``=`` instead of ``%``, which job scripts must not contain (hub/slurm/quoting.py)."""
    return quote(field, safe="").replace("~", "%7E").replace("%", "=")


def _unquoted(field: str) -> str:
    return unquote(field.replace("=", "%"))


# -- servers ----------------------------------------------------------------------------------------------------------


def server_comment(gateway: str, user: str, server: str, attempt: int = 0, nonce: str = UNSAVED) -> JobComment:
    """Comment of a server's job, used to re-adopt jobs and to detect orphans."""
    return JobComment(gateway, Kind.SERVER, user, server, attempt, nonce)


def server_log(server: str) -> str:
    """File in the home that a server's job writes to; "" is the default server (deploy/sudoers/job-log knows it)."""
    return f".atrium-notebook{f'-{server}' if server else ''}.log"


# -- Dask workers and trainings, submitted by a server's own processes ------------------------------------------------


def gateway_in(comment: str) -> str:
    """The deployment that a server's job belongs to; "" without a comment."""
    return comment.partition(":")[0]


def worker_comment(server_comment: str, cluster: str) -> str:
    """Comment of a worker's job.

    :param server_comment: comment of the server's job; "" outside of a server.
    """
    server = read(server_comment, Kind.SERVER)
    return f"{server_comment}:{cluster}" if server is None else str(replace(server, kind=Kind.WORKER, name=cluster))


def same_server(worker_comment: str, server_comment: str) -> bool:
    """Whether a worker belongs to the server of ``server_comment``, in any of its attempts."""
    worker, server = read(worker_comment, Kind.WORKER), read(server_comment, Kind.SERVER)
    if worker is None or server is None:
        return False
    return worker.is_of_server(server)


def cluster_in(comment: str) -> str:
    """Name of the cluster that a worker's job belongs to; "" for a comment of another form."""
    worker = read(comment, Kind.WORKER)
    return "" if worker is None else worker.name


def training_comment(server_comment: str, name: str, *, gateway: str) -> str:
    """Comment of a training's job.

    :param server_comment: comment of the server's job that submits it; "" outside of a server.
    :param gateway: the deployment, for a training that no server submits.
    """
    server = read(server_comment, Kind.SERVER)
    if server is None:
        return str(JobComment(gateway, Kind.TRAINING, "", "", 0, "", name))
    return str(replace(server, kind=Kind.TRAINING, name=name))


def training_in(comment: str) -> str:
    """Name of a job's training; the whole comment if it has another form."""
    training = read(comment, Kind.TRAINING)
    return comment if training is None else training.name


# -- transfers --------------------------------------------------------------------------------------------------------


def transfer_comment(gateway: str, user: str, transfer: int, nonce: str) -> str:
    """Comment of a transfer's job."""
    return str(JobComment(gateway, Kind.TRANSFER, user, "", transfer, nonce))


def transfer_log(transfer: int) -> str:
    """File in the home that a transfer's job writes to (deploy/sudoers/job-log knows it)."""
    return f".atrium-transfer-{transfer}.log"
