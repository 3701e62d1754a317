"""How the gateway's jobs are named and commented, where they log, and how one is recognised.

The name tells the kind of job, the comment whose it is and what it belongs to. Both only choose among jobs: anybody can
give a job of their own the same words, so whoever acts on one compares the comment with a row and with the job's owner.
"""

from __future__ import annotations

import re
from enum import StrEnum

_NUMBER = re.compile(r"[0-9]{1,18}\Z")


class Kind(StrEnum):
    """The last part of a job's name."""

    SERVER = "notebook"
    WORKER = "dask"
    TRAINING = "training"
    TRANSFER = "transfer"


def job_name(gateway: str, kind: Kind) -> str:
    """Name of every job of one kind of one deployment, so that ``squeue --name`` asks for all of them at once."""
    return f"{gateway}-{kind}"


# -- servers ----------------------------------------------------------------------------------------------------------


def server_comment(gateway: str, user: str, server: str, attempt: int) -> str:
    """Comment of a server's job: one whose number was not stored is found by it, one without a row is an orphan."""
    return f"{gateway}:{user}:{server}:{attempt}"


def attempt_in(comment: str, gateway: str, user: str) -> int | None:
    """Number of the attempt that a job of ``user`` says it belongs to; None for a comment of another form."""
    words = comment.split(":")
    if len(words) != 4 or words[:2] != [gateway, user] or not _NUMBER.match(words[3]):
        return None
    return int(words[3])


def server_log(server: str) -> str:
    """File in the home that a server's job writes to; "" is the default server (deploy/sudoers/job-log knows it)."""
    return f".atrium-notebook{f'-{server}' if server else ''}.log"


# -- Dask workers and trainings, submitted by a server's own processes ------------------------------------------------


def gateway_in(comment: str) -> str:
    """The deployment that a server's job belongs to; "" when there is no comment."""
    return comment.partition(":")[0]


def worker_comment(server: str, cluster: str) -> str:
    """Comment of a worker's job. ``server`` is the comment of its server's job."""
    return f"{server}:{cluster}"


def server_of_worker(comment: str) -> str:
    """The comment of the server's job that a worker's comment begins with."""
    return comment.rpartition(":")[0]


def cluster_in(comment: str) -> str:
    """Name of the cluster that a worker's job belongs to."""
    return comment.rpartition(":")[2]


def same_server(comment: str, other: str) -> bool:
    """Whether a worker's comment names the server, in any of its attempts, whose job has the comment ``other``."""
    return comment.startswith(f"{other.rpartition(':')[0]}:")


def training_comment(gateway: str, name: str) -> str:
    return f"{gateway}:{name}"


def training_in(comment: str) -> str:
    """Name of the training that a job is."""
    return comment.rpartition(":")[2]


# -- transfers --------------------------------------------------------------------------------------------------------


def transfer_comment(gateway: str, user: str, transfer: int) -> str:
    return f"{gateway}:{user}:transfer:{transfer}"


def transfer_log(transfer: int) -> str:
    """File in the home that a transfer's job writes to (deploy/sudoers/job-log knows it)."""
    return f".atrium-transfer-{transfer}.log"
