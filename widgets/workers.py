"""The workers of the Scale page, from a notebook of the same person (``from widgets.workers import join``).

The page writes down how to reach its cluster, keys included, in a file that only the person can read.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hub.errors import AtriumError

if TYPE_CHECKING:
    from dask.distributed import Client

JOIN_SECONDS = 15.0


class NoWorkers(AtriumError):
    """There is nothing to join."""

    status = 404


class Reachable(Protocol):
    """What has to be known of a cluster in order to join it."""

    @property
    def scheduler_address(self) -> str: ...
    @property
    def security(self) -> Any: ...


def private_directory() -> Path:
    """Where keys of the person's clusters lie; made when it is not there."""
    directory = Path.home() / ".atrium-dask"
    directory.mkdir(exist_ok=True)
    directory.chmod(0o700)
    return directory


def cluster_file() -> Path:
    return private_directory() / "cluster.json"


def offer(cluster: Reachable) -> Callable[[], None]:
    """Let the person's notebooks join; the result takes that back, and so does the end of this process."""
    tls = cluster.security.get_tls_config_for_role("client")
    connection = {
        "address": cluster.scheduler_address,
        "tls_ca_file": tls["ca_file"],
        "tls_client_cert": tls["cert"],
        "tls_client_key": tls["key"],
    }
    text, path = json.dumps(connection), cluster_file()

    def withdraw() -> None:
        with suppress(OSError):
            if path.read_text() == text:  # else another page of the person has written there since
                path.unlink()

    _write_privately(path, text)
    atexit.register(withdraw)
    return withdraw


def _write_privately(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def join(**options: Any) -> Client:
    """A client of the workers of the person's Scale page; ``options`` are Dask's. Raises :class:`NoWorkers`."""
    from dask.distributed import Client, Security

    try:
        connection = json.loads(cluster_file().read_text())
    except FileNotFoundError:
        raise NoWorkers("You have no workers. Start some on the Scale page, then run this again.") from None
    address = connection.pop("address")
    try:
        security = Security(require_encryption=True, **connection)
        return Client(address, security=security, timeout=JOIN_SECONDS, **options)
    except OSError:
        raise NoWorkers("Your workers have ended with their page. Start new ones on the Scale page.") from None
