"""Dashboards of plain Dask clusters (``SLURMCluster``, ``LocalCluster``), which listen on a port of the node.

Dask loads this module into every scheduler (``distributed.scheduler.preload`` in widgets/dask/atrium.yaml), and the
scheduler notes the sockets of its dashboard. The person's server forwards to a port only if the socket that listens
there is one of them: a number in an address says nothing about who listens.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spawners.node.job_context import JobContext

log = logging.getLogger(__name__)

SOCKETS = Path("/proc/net/tcp")
_LISTENS = "0A"


@dataclass(frozen=True)
class Listener:
    """A socket that waits for connections on a port."""

    host: str
    uid: int
    inode: int
    """Number of the socket, which no other socket of this machine has at the same time."""


def link(context: JobContext) -> str:
    """Dask's setting ``distributed.dashboard.link``: the dashboard's address on the person's server."""
    return f"{context.dashboard_path('{port}')}status"


def host(context: JobContext, port: int, sockets: Path = SOCKETS) -> str | None:
    """IPv4 address at which the dashboard of a scheduler of this person listens on ``port``; None: none does."""
    try:
        inodes = {int(line) for line in (context.dashboards / str(port)).read_text().split()}
        listeners = list(_listeners(port, sockets.read_text()))
    except (OSError, ValueError):
        return None
    if not listeners or any(listener.uid != os.getuid() or listener.inode not in inodes for listener in listeners):
        return None
    address = listeners[0].host
    return "127.0.0.1" if address == "0.0.0.0" else address  # noqa: S104 - read, not bound


def _listeners(port: int, table: str) -> Iterator[Listener]:
    """Listening sockets on ``port`` in the text of ``/proc/net/tcp``."""
    for line in table.splitlines()[1:]:
        _, local, _, state, _, _, _, uid, _, inode, *_ = line.split()
        address, _, number = local.partition(":")
        if state == _LISTENS and int(number, 16) == port:
            packed = struct.pack("=I", int(address, 16))
            yield Listener(str(ipaddress.IPv4Address(packed)), int(uid), int(inode))


def _dashboard_sockets(scheduler: Any) -> dict[int, list[int]]:
    """Inodes of the sockets of a scheduler's dashboard, by port; none for a dashboard on a Unix socket."""
    inodes: dict[int, list[int]] = {}
    for listener in scheduler.http_server._sockets.values():
        if listener.family == socket.AF_INET:
            inodes.setdefault(listener.getsockname()[1], []).append(os.fstat(listener.fileno()).st_ino)
    return inodes


def dask_setup(scheduler: Any) -> None:
    """Note the dashboard's sockets; called by Dask. Without a note, the cluster works and its dashboard is closed."""
    context = JobContext.from_environment()
    if not context.runtime.is_dir():  # a scheduler on another node has no server beside it
        return
    try:
        context.dashboards.mkdir(mode=0o700, exist_ok=True)
        for port, inodes in _dashboard_sockets(scheduler).items():
            (context.dashboards / str(port)).write_text("\n".join(map(str, inodes)))
    except OSError as error:
        log.warning("The dashboard cannot be opened through the server: %s", error)


def dask_teardown(scheduler: Any) -> None:
    """Remove the note; called by Dask. One that stays names a socket that is gone."""
    for port in _dashboard_sockets(scheduler):
        (JobContext.from_environment().dashboards / str(port)).unlink(missing_ok=True)
