"""Every path, port and machine-wide name of one copy of Atrium, derived from its options."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from deploy.dev.errors import DeployError

CHECKOUT = Path(__file__).resolve().parents[2]
"""The tree this code lives in: what ``make up`` installs."""

CPU_NODES = ("cpu1", "cpu2", "cpu3")
GPU_NODES = ("gpu1", "gpu2")
NODES = CPU_NODES + GPU_NODES

SERVICE_USER = "atrium"
WEB_USER = "atrium-web"

INTERNAL_PORTS = 10_000
"""Internal ports lie this far above the public one."""
_HIGHEST_PORT = 22_000  # internal ports must stay below the kernel's ephemeral ports (32768 and up)


@dataclass(frozen=True)
class Options:
    """What a person may choose, by the variable named beside it."""

    prefix: str = ""  # ATRIUM_PREFIX
    port: int = 8000  # ATRIUM_PORT
    people: str = ""  # ATRIUM_PEOPLE
    slurm: str = "own"  # SLURM
    slurm_conf: str = ""  # SLURM_CONF
    database_url: str = ""  # ATRIUM_DATABASE_URL
    environments: str = ""  # ATRIUM_ENVIRONMENTS

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Options:
        """Current options: those of the first ``make up`` of this copy, overridden by variables."""
        prefix = _directory("ATRIUM_PREFIX", environment.get("ATRIUM_PREFIX", ""))
        saved = _saved(Path(f"{prefix}/etc/atrium/options.json"))
        slurm = environment.get("SLURM", saved.slurm)
        return cls(
            prefix=prefix,
            port=_port(environment.get("ATRIUM_PORT") or str(saved.port)),
            people=_people(environment.get("ATRIUM_PEOPLE", saved.people)),
            slurm=_slurm(slurm),
            slurm_conf=environment.get("SLURM_CONF", saved.slurm_conf) if slurm == "existing" else "",
            database_url=_database(environment.get("ATRIUM_DATABASE_URL", saved.database_url)),
            environments=_directory("ATRIUM_ENVIRONMENTS", environment.get("ATRIUM_ENVIRONMENTS", saved.environments)),
        )

    def text(self) -> str:
        """The file that stores the options for later commands."""
        return json.dumps(asdict(self), indent=2) + "\n"


def _saved(path: Path) -> Options:
    try:
        return Options(**json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return Options()
    except (OSError, ValueError, TypeError) as error:
        raise DeployError(
            f"{path} cannot be read ({error}): repair it, or remove it and name all options again."
        ) from error


def _directory(variable: str, text: str) -> str:
    path = text.rstrip("/")
    if path and not re.match(r"^(/[A-Za-z0-9][A-Za-z0-9._-]*)+\Z", path):
        raise DeployError(f"{variable} is {path!r}: give an absolute path of letters, digits, dots and dashes.")
    return path


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1024 <= int(text) <= _HIGHEST_PORT:
        raise DeployError(
            f"ATRIUM_PORT is {text!r}: choose a port from 1024 to {_HIGHEST_PORT} "
            f"(Atrium's internal ports lie {INTERNAL_PORTS} above it; ports 80 and 443 are for a site's own nginx, "
            "see deploy/README.md)."
        )
    return int(text)


def _people(text: str) -> str:
    if not re.match(r"^([a-z][a-z0-9]{0,9}-)?\Z", text):
        raise DeployError(f"ATRIUM_PEOPLE is {text!r}: give a short name with a closing dash, such as t-, or nothing.")
    return text


def _slurm(text: str) -> str:
    if text not in ("own", "existing"):
        raise DeployError(f"SLURM is {text!r}: say SLURM=existing for the machine's own Slurm, or leave it out.")
    return text


def _database(text: str) -> str:
    if re.match(r"^[^/]*//[^/@]*:[^/@]*@", text):
        raise DeployError(
            "ATRIUM_DATABASE_URL holds a password, and settings are readable to all: leave it out of the address "
            "and put it into .pgpass in the state directory (owner atrium, mode 0600)."
        )
    return text


@dataclass(frozen=True)
class Layout:
    """One copy of Atrium on this machine."""

    options: Options

    @cached_property
    def root(self) -> Path:
        return Path(self.options.prefix or "/")

    @cached_property
    def slug(self) -> str:
        """Part of the machine-wide names of a prefixed copy, which keeps them unique; empty for the main copy."""
        if not self.options.prefix:
            return ""
        letters = re.sub(r"[^a-z0-9]", "", self.root.name.lower())[:10]
        return letters + hashlib.sha256(self.options.prefix.encode()).hexdigest()[:4]

    def _named(self, name: str) -> str:
        return f"{name}-{self.slug}" if self.slug else name

    # Machine-wide names
    @cached_property
    def users_group(self) -> str:
        return self._named("atrium-users")

    @cached_property
    def project_group_prefix(self) -> str:
        """Prefix of projects' OS groups; short, because names of groups have at most 32 characters."""
        return f"p{self.slug[-4:]}-" if self.slug else "p-"

    @cached_property
    def sudoers(self) -> Path:
        return Path("/etc/sudoers.d") / self._named("atrium")

    @cached_property
    def pam_service(self) -> str:
        return self._named("atrium")

    @cached_property
    def cluster(self) -> str:
        return f"atrium{self.slug}"

    # Paths
    @cached_property
    def opt(self) -> Path:
        return self.root / "opt/atrium"

    @cached_property
    def hub_env(self) -> Path:
        return self.opt / "hub"

    @cached_property
    def user_env(self) -> Path:
        return self.opt / "user"

    @cached_property
    def proxy_env(self) -> Path:
        return self.opt / "proxy"

    @cached_property
    def environments(self) -> Path:
        """Directory of environments and installed versions, which copies may share; its path has no links."""
        return Path(self.options.environments or self.opt).resolve()

    @cached_property
    def previous(self) -> Path:
        """Links to versions that were in force before and may still be in use."""
        return self.opt / "previous"

    @cached_property
    def etc(self) -> Path:
        return self.root / "etc/atrium"

    @cached_property
    def secrets(self) -> Path:
        return self.etc / "secrets"

    @cached_property
    def settings(self) -> Path:
        return self.etc / "atrium.toml"

    @cached_property
    def state(self) -> Path:
        return self.root / "var/lib/atrium"

    @cached_property
    def client_certificate(self) -> Path:
        """Certificate of Atrium's programs for Hub and proxy with internal TLS (hub/tls.py)."""
        return self.state / "tls/client.pem"

    @cached_property
    def web_state(self) -> Path:
        return self.state / "web"

    @cached_property
    def backups(self) -> Path:
        return self.root / "var/backups/atrium"

    @cached_property
    def log(self) -> Path:
        return self.root / "var/log/atrium"

    @cached_property
    def run(self) -> Path:
        return self.root / "run/atrium"

    @cached_property
    def web_run(self) -> Path:
        """Sockets of the dashboards' kernels."""
        return self.run / "web"

    @cached_property
    def sockets(self) -> Path:
        """Sockets between nginx and the programs of the service user."""
        return self.run / "sockets"

    @cached_property
    def dashboards_run(self) -> Path:
        """The dashboards' socket: their account writes here, nginx enters."""
        return self.run / "dashboards"

    @cached_property
    def dashboards_socket(self) -> Path:
        return self.dashboards_run / "dashboards.sock"

    @cached_property
    def nginx_run(self) -> Path:
        """nginx's configuration; working directory of its processes, which marks them."""
        return self.run / "nginx"

    @cached_property
    def projects(self) -> Path:
        return self.root / "projects"

    @cached_property
    def home(self) -> Path:
        return self.root / "home"

    @cached_property
    def supervisor_conf(self) -> Path:
        return self.etc / "supervisord.conf"

    @cached_property
    def supervisor_socket(self) -> Path:
        return self.run / "supervisor/supervisor.sock"

    @cached_property
    def munge_socket(self) -> Path:
        return self.run / "munge/munge.socket"

    @cached_property
    def database_socket(self) -> Path:
        return self.run / "mariadb/mariadb.sock"

    @cached_property
    def own_slurm(self) -> bool:
        return self.options.slurm == "own"

    @cached_property
    def slurm_conf(self) -> Path | None:
        """``SLURM_CONF`` for every command; None: the machine's default."""
        if self.own_slurm:
            return self.etc / "slurm/slurm.conf"
        return Path(self.options.slurm_conf) if self.options.slurm_conf else None

    @cached_property
    def slurm_environment(self) -> dict[str, str]:
        return {} if self.slurm_conf is None else {"SLURM_CONF": str(self.slurm_conf)}

    @cached_property
    def project_helper(self) -> Path:
        """The program that runs as root for the service user; it and its directory belong to root."""
        return self.opt / "libexec/project.py"

    @cached_property
    def project_config(self) -> Path:
        return self.etc / "projects.json"

    @cached_property
    def project_ledger(self) -> Path:
        return self.etc / "project-groups"

    @cached_property
    def project_command(self) -> tuple[str, ...]:
        """As ``sudo`` allows it, word for word."""
        return ("/usr/bin/python3", "-I", str(self.project_helper), str(self.project_config))

    # Ports
    def _internal(self, offset: int) -> int:
        return self.options.port + INTERNAL_PORTS + offset

    @cached_property
    def ports(self) -> dict[str, int]:
        """All ports of this copy by program."""
        web = {
            "nginx": self.options.port,
            "proxy-api": self._internal(1),
            "hub": self._internal(2),
            "api": self._internal(3),
        }
        if not self.own_slurm:
            return web
        slurm = {"slurmctld": self._internal(10), "slurmdbd": self._internal(11)}
        return web | slurm | {f"slurmd-{node}": self._internal(12 + n) for n, node in enumerate(NODES)}

    @cached_property
    def public_url(self) -> str:
        return f"http://localhost:{self.options.port}"

    @cached_property
    def database_url(self) -> str:
        return self.options.database_url or f"sqlite:///{self.state}/atrium.sqlite"

    @cached_property
    def host(self) -> str:
        """Slurm's name of this machine."""
        return socket.gethostname().partition(".")[0]
