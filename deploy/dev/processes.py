"""Processes and listening ports of this machine, read from /proc."""

from __future__ import annotations

import pwd
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.dev.errors import DeployError
from deploy.dev.layout import SERVICE_USER, WEB_USER, Layout

_OWNERS = ("root", SERVICE_USER, WEB_USER, "munge", "slurm", "mysql")


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    uid: int
    name: str
    argv: tuple[str, ...]
    memory: int
    """Resident bytes."""


def processes() -> Iterator[Process]:
    """All processes, without those that end during the call."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                status = dict(line.partition(":\t")[::2] for line in (entry / "status").read_text().splitlines())
                argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                yield Process(
                    pid=int(entry.name),
                    parent=int(status["PPid"]),
                    uid=int(status["Uid"].split()[0]),
                    name=status["Name"].strip(),
                    argv=tuple(argv),
                    memory=int(status.get("VmRSS", "0 kB").split()[0]) * 1024,
                )


def texts(*, of_people: bool = False) -> Iterator[str]:
    """Command line, environment and mapped files of every process; on request of people's processes alone.

    Raises :class:`DeployError` when others' may not be read, as in a container without CAP_SYS_PTRACE. Of root's
    processes the command line is enough: none of them is a person's.
    """
    others = _uids(*_OWNERS) if of_people else set()
    for process in processes():
        for part in ("cmdline", "environ", "maps") if process.uid not in others else ():
            try:
                yield Path(f"/proc/{process.pid}/{part}").read_bytes().decode(errors="replace")
            except PermissionError as error:
                if process.uid != 0:
                    raise DeployError(f"process {process.pid} cannot be looked at") from error
            except OSError:  # it has ended
                break


def of_copy(layout: Layout) -> list[Process]:
    """Processes of this copy, its supervisor last; without notebooks and the slurmstepd that run them."""
    everything = list(processes())
    supervisors = [process for process in everything if _is_supervisor(process, layout)]
    children = [process for process in everything if process not in supervisors and _is_ours(process, layout)]
    return children + supervisors


def lost_databases(pid: int) -> list[str]:
    """Names of SQLite files that a process has open and that were removed: what it stores there is lost at its end."""
    names = set()
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(descriptor.readlink())
                if target.endswith(".sqlite (deleted)"):
                    names.add(Path(target.removesuffix(" (deleted)")).name)
    return sorted(names)


def _is_supervisor(process: Process, layout: Layout) -> bool:
    """Whether it is the supervisor daemon, and not a supervisorctl with the same configuration."""
    named = str(layout.supervisor_conf) in process.argv
    return process.uid == 0 and named and any(Path(argument).name == "supervisord" for argument in process.argv[:2])


def _is_ours(process: Process, layout: Layout) -> bool:
    """Started by our supervisor (it marks the environment), or a service user's with a path of this copy.

    A slurmstepd carries the mark of its slurmd and stays: a job outlives a restart of Slurm's programs.
    """
    if process.name.startswith("slurmstepd") or process.uid not in _uids(*_OWNERS):  # people can set any variable
        return False
    environment = _environment(process.pid)
    if process.uid in _uids(SERVICE_USER, WEB_USER):
        if any(part.startswith(f"{layout.opt}/") for part in process.argv[:2]):
            return True
        # Copies may share the environments, and programs that became another one have lost the supervisor's mark.
        if process.name == "nginx" and _works_in(process, layout.nginx_run):
            return True
        if {f"ATRIUM_CONFIG={layout.settings}", f"HOME={layout.web_state}"} & set(environment):
            return True
    return f"SUPERVISOR_SERVER_URL=unix://{layout.supervisor_socket}" in environment


def _works_in(process: Process, directory: Path) -> bool:
    """Whether this is its working directory; nginx overwrites its environment with its title."""
    try:
        return Path(f"/proc/{process.pid}/cwd").readlink() == directory.resolve()
    except OSError:
        return False


def _uids(*names: str) -> set[int]:
    uids = set()
    for name in names:
        with suppress(KeyError):
            uids.add(pwd.getpwnam(name).pw_uid)
    return uids


def _environment(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def memory_of(pid: int, everything: list[Process]) -> int:
    """Resident bytes of a process and all below it."""
    own = sum(process.memory for process in everything if process.pid == pid)
    return own + sum(memory_of(process.pid, everything) for process in everything if process.parent == pid)


def is_free(port: int) -> bool:
    """Whether nobody listens at ``port`` on any address."""
    return _binds(socket.AF_INET, "", port) and (not has_ipv6() or _binds(socket.AF_INET6, "::1", port))


def _binds(family: socket.AddressFamily, address: str, port: int) -> bool:
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def loopback_addresses() -> list[str]:
    """Addresses of ``localhost``. If the public port of one of them were free, any OS user could answer there."""
    return ["127.0.0.1", *(["::1"] if has_ipv6() else [])]


def has_ipv6() -> bool:
    """Whether this machine has the address ::1, which browsers try first for ``localhost``."""
    try:
        return f"{1:032x} " in Path("/proc/net/if_inet6").read_text()
    except OSError:
        return False


def listener(port: int) -> Process | None:
    """The process that listens at ``port``, if known."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in processes():
        with suppress(OSError):
            for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in sockets:
                        return process
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    pattern = re.compile(rf"^\s*\d+: [0-9A-F]+:{port:04X} [0-9A-F:]+ 0A (?:\S+\s+){{5}}(\d+)", re.MULTILINE)
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            yield from pattern.findall(Path(f"/proc/net/{table}").read_text())
