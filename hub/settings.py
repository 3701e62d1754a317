"""The one typed, frozen tree of settings, and the only reader of them on the server.

Values come, later ones winning, from the defaults below, from the TOML file named by ``ATRIUM_CONFIG``
(``/etc/atrium/atrium.toml`` unless set) and from ``ATRIUM_…`` variables (``ATRIUM_HUB__PORT=8081``).
Secrets are never in either: each is a file of its own in ``paths.secrets``, read when it is needed by the
one process that may (see :meth:`Settings.secret`).
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from hub.dataspace.models import SourceForm
from hub.errors import SettingsError

DEFAULT_CONFIG = Path("/etc/atrium/atrium.toml")

SecretName = Literal["cookie", "proxy", "atrium", "dashboards", "pages", "worker"]
"""The secrets of a deployment: the Hub's cookie secret, the proxy's token, and one Hub API token a service."""
OptionalSecret = Literal["smtp"]
"""Secrets that a deployment has only if its settings need them."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(Section):
    """What the factory is called and where people find it."""

    name: str = "Atrium"
    public_url: str = Field("http://localhost:8000", pattern=r"^https?://[^/]+$")
    origins: Literal["subdomain", "path"] = "subdomain"
    """``subdomain``: every user and service has a domain of its own. ``path``: all share one origin."""
    accept_shared_origin_risk: bool = False
    """In ``path`` mode a user's page can act as any visitor: sharing and publishing stay off unless this is set."""


class Paths(Section):
    """The one layout (see deploy/README.md)."""

    etc: Path = Path("/etc/atrium")
    state: Path = Path("/var/lib/atrium")
    log: Path = Path("/var/log/atrium")
    run: Path = Path("/run/atrium")
    projects: Path = Path("/projects")
    hub_env: Path = Path("/opt/atrium/hub")
    user_env: Path = Path("/opt/atrium/user")
    """A link to the version in force, if upgrades move it (see :attr:`user_version`)."""
    programme: Path | None = None
    """Access modes, calls and their numbers; None: the file that the package brings (deploy/policy)."""

    @property
    def secrets(self) -> Path:
        return self.etc / "secrets"

    @property
    def user_version(self) -> Path:
        """What ``user_env`` links to now. A program that is started by this path keeps its code through upgrades."""
        return self.user_env.resolve()


class Proxy(Section):
    """configurable-http-proxy, a process of its own so that a Hub restart cuts nobody's socket."""

    command: Path = Path("/opt/atrium/proxy/node_modules/.bin/configurable-http-proxy")
    listen_host: str = "127.0.0.1"
    """Behind nginx (production) loopback is right; ``""`` listens everywhere."""
    port: int = 8000
    api_port: int = 18001


class Hub(Section):
    host: str = "127.0.0.1"
    """Address that compute nodes reach the Hub's API at; loopback only on a one-machine cluster."""
    port: int = 18002
    internal_ssl: bool = False
    """TLS, with certificates on both sides, between Hub, proxy, servers and Atrium's own programs (hub/tls.py)."""
    cookie_hours: float = 12.0
    token_hours: float = 24.0
    """The longest life of a token a person or a page may ask for."""
    idle_culler_hours: float = Field(24.0, ge=0)
    """When the Hub has seen nothing of a server for this long, it is ended; well above ``spawn.idle_minutes``, by which
    a server ends itself. 0: never."""
    active_server_limit: int = 0
    """How many servers there may be at once, 0: as many as Slurm starts."""
    concurrent_spawn_limit: int = 0
    """How many starts may be on their way, 0: any number. One that waits in Slurm's queue is among them, so a limit
    turns people away because others wait."""


class Login(Section):
    """Who may sign in, and as what. Roles are Hub groups."""

    pam_service: str = "atrium"
    os_group: str = "atrium-users"
    """Only members of this OS group sign in, and only as them may ``sudo`` run Slurm's commands."""
    admins: frozenset[str] = frozenset()
    reviewers: frozenset[str] = frozenset()
    trainers: frozenset[str] = frozenset()
    analysts: frozenset[str] = frozenset()


class Api(Section):
    host: str = "127.0.0.1"
    port: int = 18003
    database_url: str = "sqlite:////var/lib/atrium/atrium.sqlite"


class Dashboards(Section):
    """The Voila service for pages the factory itself writes."""

    host: str = "127.0.0.1"
    port: int = 18004
    preheated: int = Field(1, ge=0)
    """Kernels kept ready per dashboard."""
    kernels_per_visitor: int = Field(4, ge=1)
    kernels: int = Field(40, ge=1)
    idle_minutes: float = Field(20.0, gt=0)


class Slurm(Section):
    conf: Path | None = None
    """``SLURM_CONF`` for every command and job; unset means Slurm's own default."""
    bin: Path = Path("/usr/bin")
    job_log: Path = Path("/opt/atrium/hub/bin/atrium-job-log")
    """Prints, as a person, the end of what their notebook's job wrote (deploy/sudoers)."""
    deadline_seconds: float = Field(15.0, gt=0)
    waiting_seconds: float = Field(2.0, gt=0)
    """How often the one ``squeue`` is asked while somebody waits for a job."""
    idle_seconds: float = Field(10.0, gt=0)
    """How often while nobody does."""
    cluster_seconds: float = Field(60.0, gt=0)
    """How old what is known of partitions, limits and free nodes may get while somebody chooses."""
    partition: str = "notebooks"
    gpu_partition: str = "gpu"
    dask_partition: str = "batch"
    dask_interface: str = ""
    """Network interface that Dask's scheduler and workers meet on, such as ``ib0``; unset: Dask's own choice."""
    default_account: str = "demo"


class Profile(Section):
    """A size with a name, for people who do not want to choose cores and memory."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")
    title: str
    summary: str = ""
    partition: str = ""
    """Unset: ``slurm.partition``, or ``slurm.gpu_partition`` when it has GPUs."""
    qos: str = ""
    cpus: int = Field(2, ge=1)
    memory_gb: int = Field(4, ge=1)
    gpus: int = Field(0, ge=0)
    gpu_type: str = ""
    minutes: int = Field(240, ge=1)
    reservation: str = ""
    idle_minutes: float | None = Field(None, gt=0)
    """Overrules ``spawn.idle_minutes``."""


class Software(Section):
    """An environment that a notebook can run in: a directory with ``bin/jupyterhub-singleuser``."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")
    title: str
    path: Path


class Spawn(Section):
    """Notebook servers as Slurm jobs."""

    gateway: str = Field("atrium", pattern=r"^[a-z][a-z0-9-]{0,19}$")
    """What this deployment calls itself in job names and comments: unique among those that share a Slurm."""
    profiles: tuple[Profile, ...] = (
        Profile(name="small", title="Small", summary="For writing code and small data.", cpus=2, memory_gb=4),
        Profile(name="large-memory", title="Large memory", summary="For big tables.", cpus=4, memory_gb=32),
        Profile(name="one-gpu", title="One GPU", summary="For training and inference.", cpus=4, memory_gb=16, gpus=1),
    )
    environments: tuple[Software, ...] = ()
    """Environments beside the standard one (``paths.user_env``)."""
    requeue: bool = True
    """Whether a notebook that lost its node (preempted, node failed) is put back into the queue."""
    announce_seconds: float = Field(180.0, gt=0)
    """How long a server may take from the start of its job until it announces itself."""
    unreachable_seconds: float = Field(120.0, gt=0)
    """How long a server that comes up tries to reach the Hub (a restart, a network that blinks) before it gives up."""
    warn_seconds: int = Field(120, ge=30, le=3600)
    """How long before its time limit a server is signalled, so that it can put things in order."""
    idle_minutes: float = Field(120, gt=0)
    """How long a server may do nothing (no kernel, no terminal, no person) before it ends."""
    idle_warning_minutes: int = Field(10, ge=1)
    orphan_seconds: float = Field(300.0, ge=0)
    """How long a job of ours that no server owns is only reported before it is cancelled."""
    ports: str = Field("", pattern=r"^(\d{4,5}-\d{4,5})?$")
    """Ports that servers may listen on, ``20000-20999``, where a firewall asks for that; unset: any free one."""
    node_network: str = Field("", pattern=r"^([0-9a-f.:]+/\d{1,3})?$")
    """The network in which the Hub reaches the nodes, ``10.1.0.0/16``: a server listens on its node's address in it.
    Unset: found out on the node (spawners/README.md)."""


class Mail(Section):
    """Without ``smtp_host`` mails stay in a mailbox that admins read at the API."""

    smtp_host: str = ""
    smtp_port: int = 25
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_user: str = ""
    """If the server wants a sign-in; the password is the secret ``smtp``."""
    sender: str = Field("atrium@localhost", pattern=r"^[^\r\n]+$")
    domain: str = Field("localhost", pattern=r"^[A-Za-z0-9.-]+$")
    """People's mail goes to NAME@domain."""
    deadline_seconds: float = Field(20.0, gt=0)


class Projects(Section):
    """How projects get their directory and OS group."""

    helper: tuple[str, ...] = ()
    """The one command that ``sudo`` lets us run as root (deploy/projects); none: the site does it by other means."""
    deadline_seconds: float = Field(30.0, gt=0)


class Dataspace(Section):
    """Where records of data spaces come from (admins add more at run time), and whom Atrium may ask for them."""

    sources: tuple[SourceForm, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    """Host names and networks that may be asked although they are not public; none unless listed."""
    folders: tuple[Path, ...] = ()
    """Folders that sources on this machine may lie in."""
    harvest_seconds: int = Field(60, ge=1)
    """How often it is looked for sources that are due."""
    quality_seconds: int = Field(30, ge=1)
    """How often records that have changed are judged, and how long at a time."""
    partition: str = "transfer"
    """Where jobs that bring data into projects run: its nodes reach the network outside."""


class Worker(Section):
    usage_seconds: int = Field(60, ge=1)
    project_seconds: int = Field(10, ge=1)
    """How often projects that are not yet as they shall be are worked on."""
    mail_seconds: int = Field(10, ge=1)
    tick_seconds: int = Field(5, ge=1, le=6)
    """How often it is looked for jobs that are due; what is ready for the index, or on its way into a project, is
    looked after each time."""


class Settings(BaseSettings):
    """A deployment's settings. Raises :class:`hub.errors.SettingsError` with one sentence when a value is wrong."""

    model_config = SettingsConfigDict(env_prefix="ATRIUM_", env_nested_delimiter="__", frozen=True, extra="ignore")

    site: Site = Site()
    paths: Paths = Paths()
    proxy: Proxy = Proxy()
    hub: Hub = Hub()
    login: Login = Login()
    api: Api = Api()
    dashboards: Dashboards = Dashboards()
    slurm: Slurm = Slurm()
    projects: Projects = Projects()
    spawn: Spawn = Spawn()
    mail: Mail = Mail()
    worker: Worker = Worker()
    dataspace: Dataspace = Dataspace()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_path())

    @model_validator(mode="after")
    def _subdomains_need_a_name(self) -> Settings:
        host = urlsplit(self.site.public_url).hostname or ""
        if self.site.origins == "subdomain" and host.replace(".", "").isdigit():
            raise ValueError("site.public_url is an IP address; per-user domains need a name (or origins = 'path')")
        return self

    def secret(self, name: SecretName | OptionalSecret) -> str:
        """The text of one secret file; raises :class:`SettingsError` when this process cannot read it."""
        path = self.paths.secrets / name
        try:
            return path.read_text().strip()
        except OSError as error:
            raise SettingsError(f"The secret {path} cannot be read: {error.strerror}.") from error

    @property
    def public_host(self) -> str:
        """The name in ``site.public_url``."""
        return urlsplit(self.site.public_url).hostname or ""

    def service_host(self, service: str) -> str:
        """Origin of a Hub service as the browser sees it, ``http://dashboards--service.localhost:8000``."""
        if self.site.origins == "path":
            return self.site.public_url
        url = urlsplit(self.site.public_url)
        return f"{url.scheme}://{service}--service.{url.netloc}"

    def service_url(self, service: str) -> str:
        """Address of a Hub service for the browser, with a closing slash."""
        return f"{self.service_host(service)}/services/{service}/"

    @property
    def hub_api_url(self) -> str:
        """The Hub's REST API as processes and nodes of the factory reach it."""
        return f"{self.internal_scheme}://{self.hub.host}:{self.hub.port}/hub/api"

    @property
    def internal_scheme(self) -> str:
        """How Hub, proxy and servers speak with each other."""
        return "https" if self.hub.internal_ssl else "http"

    @property
    def api_url(self) -> str:
        """Atrium's API as kernels and servers reach it (no trailing slash)."""
        return f"http://{self.api.host}:{self.api.port}/services/atrium/api"


def config_path() -> Path:
    """The TOML file in force."""
    return Path(os.environ.get("ATRIUM_CONFIG", DEFAULT_CONFIG))


@lru_cache(maxsize=1)
def load() -> Settings:
    """Read the settings of this process, once."""
    try:
        return Settings()
    except ValueError as error:
        raise SettingsError(f"{config_path()}: {error}") from error
