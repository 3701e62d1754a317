"""Client of the supervisor on its Unix socket, which only root may open."""

from __future__ import annotations

import http.client
import time
import xmlrpc.client
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from deploy.dev import versions
from deploy.dev.command import run
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout
from deploy.dev.unix_http import UnixConnection

_DEADLINE = 90.0  # longer than any program may take to stop
_NOT_RUNNING = 70
_ALREADY_STARTED = 60
_SPAWN_ERRORS = (40, 50)  # abnormal termination, spawn error: it is tried again


@dataclass(frozen=True)
class Running:
    """State of a program according to the supervisor."""

    name: str
    state: str
    pid: int
    started: float
    """Since when it is in that state, seconds of the clock."""

    @property
    def up(self) -> bool:
        """Whether it has run long enough to count as running."""
        return self.state == "RUNNING"

    @property
    def starting_or_running(self) -> bool:
        return self.state in ("STARTING", "RUNNING")


class Supervisor:
    """The supervisor of one copy."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._server = xmlrpc.client.ServerProxy("http://supervisor", transport=_Socket(layout.supervisor_socket))

    def alive(self) -> bool:
        try:
            self._server.supervisor.getState()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False
        return True

    def ensure(self) -> bool:
        """Run the supervisor with the current configuration; returns whether it was started."""
        if self.alive():
            self._reload()
            return False
        # It has no code of ours: from the environment itself, so that it keeps no version of ours in use.
        supervisord = versions.base_of(self._layout.hub_env) / "bin/supervisord"
        run([str(supervisord), "-c", str(self._layout.supervisor_conf)], deadline=30)
        deadline = time.monotonic() + 20
        while not self.alive():
            if time.monotonic() > deadline:
                raise DeployError(f"The supervisor does not answer: see {self._layout.log}/supervisord.log.")
            time.sleep(0.2)
        return True

    def _reload(self) -> None:
        """Apply changes of the configuration."""
        added, changed, removed = cast(list[list[list[str]]], self._server.supervisor.reloadConfig())[0]
        for name in (*changed, *removed):
            self.stop(name)
            self._server.supervisor.removeProcessGroup(name)
        for name in (*added, *changed):
            self._server.supervisor.addProcessGroup(name)

    def programs(self) -> dict[str, Running]:
        infos = cast(list[dict[str, Any]], self._server.supervisor.getAllProcessInfo())
        return {
            info["name"]: Running(
                info["name"], info["statename"], info["pid"], info["start"] if info["pid"] else info["stop"]
            )
            for info in infos
        }

    def start(self, name: str) -> None:
        """Start without waiting; a program that fails is tried again by the supervisor."""
        try:
            self._server.supervisor.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in (_ALREADY_STARTED, *_SPAWN_ERRORS):
                raise DeployError(f"The supervisor cannot start {name}: {fault.faultString}.") from fault

    def stop(self, name: str) -> None:
        """Stop and wait until it is gone."""
        try:
            self._server.supervisor.stopProcess(name, True)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != _NOT_RUNNING:
                raise DeployError(f"The supervisor cannot stop {name}: {fault.faultString}.") from fault

    def shutdown(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            self._server.supervisor.shutdown()


class _Socket(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        # A connection per call: one that is kept breaks when the supervisor is restarted.
        return UnixConnection(self._path, timeout=_DEADLINE)
