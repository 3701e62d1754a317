"""The settings as typed, frozen models, and the only code that reads them on the server.

Values come, later ones winning, from the defaults below, from the TOML file named by ``ATRIUM_CONFIG``
(``/etc/atrium/atrium.toml`` unless set) and from ``ATRIUM_…`` variables (``ATRIUM_HUB__PORT=8081``).
Secrets are in neither: each is a file in ``paths.secrets`` that a process reads when it needs it (see
:meth:`Settings.secret`).
"""

from __future__ import annotations

import os
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, IPvAnyNetwork, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as UnreadableVariable

from hub.dataspace.sources.models import SourceForm
from hub.errors import SettingsError
from hub.sections import COUNT, DAYS, GB, GIB, HOURS, MIB, MINUTES, PORT, SECONDS, Dashboards, Section
from hub.settings_errors import PREFIX, SEPARATOR, unknown_sections, wrong_values

DEFAULT_CONFIG = Path("/etc/atrium/atrium.toml")

SecretName = Literal["cookie", "proxy", "atrium", "dashboards", "pages", "worker"]
"""The secrets of a deployment: the Hub's cookie secret, the proxy's token, and one Hub API token a service."""
OptionalSecret = Literal["smtp"]
"""Secrets that a deployment has only if its settings need them."""


class Site(Section):
    """What the factory is called and where people find it."""

    name: str = "Atrium"
    """Name of the factory, shown in the header of every page and in mails."""
    public_url: str = Field("http://localhost:8000", pattern=r"^https?://[^/]+$")
    """Address that people open in their browser: scheme, host and port, without a path."""
    origins: Literal["subdomain", "path"] = "subdomain"
    """``subdomain``: every user and service has a domain of its own. ``path``: all share one origin."""
    accept_shared_origin_risk: bool = False
    """With ``origins = "path"`` a user's page can act as any visitor: sharing and publishing stay off unless this is
    set."""
    report_to: str = Field("", pattern=r"""^([^\s"'<>:/@]+@[A-Za-z0-9.-]+|https?://[^\s"'<>]+)?$""")
    """Where people report problems: a mail address, or the address of a page (``https://…``). Unset: no page has a
    link "Report a problem"."""

    @property
    def report_url(self) -> str:
        """``report_to`` as a link; empty when unset."""
        is_mail = self.report_to and "://" not in self.report_to
        return f"mailto:{quote(self.report_to, safe='@+')}" if is_mail else self.report_to


class Paths(Section):
    """Where files lie (see deploy/README.md)."""

    etc: Path = Path("/etc/atrium")
    """Settings, with the secrets in the folder ``secrets`` below it."""
    state: Path = Path("/var/lib/atrium")
    """Databases, the search index and internal certificates."""
    log: Path = Path("/var/log/atrium")
    """Logs of the programs."""
    run: Path = Path("/run/atrium")
    """Sockets and process ids."""
    projects: Path = Path("/projects")
    """Storage of the projects, one folder each."""
    hub_env: Path = Path("/opt/atrium/hub")
    """Python environment of the Hub, the API and the worker."""
    user_env: Path = Path("/opt/atrium/user")
    """Python environment of notebooks and dashboards; a link to the version in force, if upgrades move it."""
    programme: Path | None = None
    """File of access modes, calls and their numbers; unset: the one that comes with the package (deploy/policy)."""

    @property
    def secrets(self) -> Path:
        return self.etc / "secrets"

    @property
    def sockets(self) -> Path:
        """Directory of the sockets between nginx and Atrium's programs; open to their account alone."""
        return self.run / "sockets"

    @property
    def proxy_socket(self) -> Path:
        return self.sockets / "proxy.sock"

    @property
    def api_socket(self) -> Path:
        return self.sockets / "api.sock"

    @property
    def error_page_socket(self) -> Path:
        """Where configurable-http-proxy gets its error pages from (hub/programs/nginx.py)."""
        return self.sockets / "error-pages.sock"

    @property
    def hub_socket(self) -> Path:
        """Where configurable-http-proxy reaches the Hub with internal TLS (hub/programs/nginx.py)."""
        return self.sockets / "hub.sock"

    @property
    def dashboards_socket(self) -> Path:
        """In a directory of its own: the dashboards' account writes there, and nginx's group enters."""
        return self.run / "dashboards/dashboards.sock"

    @property
    def nginx(self) -> Path:
        """nginx's configuration, process id and temporary files."""
        return self.run / "nginx"

    @property
    def user_version(self) -> Path:
        """Current target of the link ``user_env``. A program started by this path keeps its code during upgrades."""
        return self.user_env.resolve()


class Nginx(Section):
    """nginx, the only program that browsers reach. It decides which host serves what."""

    command: Path = Path("/usr/sbin/nginx")
    """nginx's program."""
    listen: tuple[str, ...] = Field(("127.0.0.1",), min_length=1)
    """IP addresses that nginx listens on; ``0.0.0.0`` and ``::`` are all of them. Where ``localhost`` is also ``::1``,
    both belong here: browsers try that first."""
    port: Annotated[int, PORT] = 8000
    """Public port."""
    certificate: Path | None = None
    """File with the TLS certificate and its chain, as PEM; unset: plain HTTP, on loopback or behind other TLS."""
    certificate_key: Path | None = None
    """File with the key of ``certificate``."""
    upload_mb: Annotated[int, MIB] = Field(2048, ge=0)
    """Longest request to a person's own server. 0: no limit but the server's own."""

    @field_validator("listen")
    @classmethod
    def _addresses(cls, listen: tuple[str, ...]) -> tuple[str, ...]:
        for address in listen:
            ip_address(address)
        return listen

    @model_validator(mode="after")
    def _certificate_with_its_key(self) -> Nginx:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("certificate and certificate_key belong together: set both or neither")
        return self


class Proxy(Section):
    """configurable-http-proxy, which knows where each person's server is. A process of its own: a restart of the Hub
    cuts no connection."""

    command: Path = Path("/opt/atrium/proxy/node_modules/.bin/configurable-http-proxy")
    """The proxy's program."""
    api_port: Annotated[int, PORT] = 18001
    """Port of the proxy's API, on loopback, where the Hub sets routes."""


class Hub(Section):
    """JupyterHub."""

    host: str = "127.0.0.1"
    """Address at which compute nodes reach the Hub's API; loopback only on a one-machine cluster."""
    port: Annotated[int, PORT] = 18002
    """Port of the Hub, behind the proxy."""
    internal_ssl: bool = False
    """TLS, with certificates on both sides, between Hub, proxy, servers and Atrium's own programs, and towards the API
    for notebooks (hub/tls.py). ``make up`` sets it in a new file. With ``site.origins = "path"`` it does not separate
    people's servers from each other: all share one name, which each of their certificates has."""
    cookie_hours: Annotated[float, HOURS] = 12.0
    """How long a sign-in lasts."""
    token_hours: Annotated[float, HOURS] = 24.0
    """Longest lifetime of a token that a person or a page may request."""
    idle_culler_hours: Annotated[float, HOURS] = Field(24.0, ge=0)
    """The Hub stops a server that has shown no activity for this long; well above ``spawn.idle_minutes``, after which
    a server ends itself. 0: never."""
    active_server_limit: Annotated[int, COUNT] = 0
    """Servers that may run at the same time. 0: no limit."""
    concurrent_spawn_limit: Annotated[int, COUNT] = 0
    """Servers that may be starting at the same time; those that wait in Slurm's queue count, so a low limit refuses
    people because others wait. 0: no limit."""


class Login(Section):
    """Who may sign in, and with which role. Roles are Hub groups."""

    pam_service: str = "atrium"
    """PAM service (a file of /etc/pam.d) that checks passwords."""
    os_group: str = "atrium-users"
    """Only members of this OS group sign in, and ``sudo`` runs Slurm's commands only as them."""
    admins: frozenset[str] = frozenset()
    """User names of the administrators."""
    reviewers: frozenset[str] = frozenset()
    """User names of those who review applications."""
    trainers: frozenset[str] = frozenset()
    """User names of those who hold workshops."""
    analysts: frozenset[str] = frozenset()
    """User names of those who publish apps."""
    failures_before_delay: Annotated[int, COUNT] = Field(5, ge=1)
    """Wrong passwords for one account from one address, or from a device that the account has signed in on, before
    the next attempt has to wait: two seconds, then twice as long each time. Also wrong codes of one person. A wrong
    one is forgotten after half an hour, a right password forgets them all."""
    account_failures_before_delay: Annotated[int, COUNT] = Field(20, ge=1)
    """The same for one account from all addresses together, devices that it has signed in on excepted."""
    address_failures_a_minute: Annotated[int, COUNT] = Field(60, ge=1)
    """Wrong passwords, tokens or codes from one address, whatever the account, before its next attempt has to wait;
    above what a classroom behind one address needs. The Hub's own machine has no such limit."""
    longest_delay_seconds: Annotated[float, SECONDS] = Field(300.0, ge=1, le=3600)
    """The longest wait between two attempts."""
    known_device_days: Annotated[int, COUNT] = Field(180, ge=1)
    """Days after a sign-in in which guesses from elsewhere do not delay the same person on the same device."""
    report_failures_an_hour: Annotated[int, COUNT] = Field(100, ge=1)
    """Admins get a mail when so many passwords, tokens or codes were wrong or had to wait within an hour."""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses or networks of proxies in front of Atrium's own that are on other machines: the address of a client
    is read from the ``X-Forwarded-For`` that they append to. Without it, all people behind such a proxy count as one
    address."""


class Api(Section):
    """Atrium's API."""

    host: str = "127.0.0.1"
    """Address at which notebooks on the compute nodes reach the API. nginx listens there and serves nothing else."""
    port: Annotated[int, PORT] = 18003
    """Port at that address."""
    database_url: str = "sqlite:////var/lib/atrium/atrium.sqlite"
    """SQLAlchemy address of the API's database: SQLite or PostgreSQL, without a password (use ``.pgpass``)."""


class Slurm(Section):
    """How Slurm is called, and where notebooks and Dask workers run."""

    conf: Path | None = None
    """``SLURM_CONF`` for every command and job; unset: Slurm's own default."""
    bin: Path = Path("/usr/bin")
    """Folder of Slurm's commands."""
    job_log: Path = Path("/opt/atrium/hub/bin/atrium-job-log")
    """Command that prints, as a person, the end of their notebook's job log (deploy/sudoers)."""
    deadline_seconds: Annotated[float, SECONDS] = Field(15.0, gt=0)
    """Time limit of one Slurm command."""
    waiting_seconds: Annotated[float, SECONDS] = Field(3.0, gt=0)
    """Interval of the one ``squeue`` call for everybody while somebody waits for a job. The Hub runs ``squeue`` at most
    thirty times in a minute, whatever is set here."""
    idle_seconds: Annotated[float, SECONDS] = Field(5.0, gt=0)
    """Interval of that call while nobody waits. A server that ended unannounced has its route for so long and about
    two seconds more."""
    cluster_seconds: Annotated[float, SECONDS] = Field(60.0, gt=0)
    """Partitions, limits and free nodes are read again after this time while somebody chooses a size."""
    partition: str = "notebooks"
    """Partition of notebooks without GPUs."""
    gpu_partition: str = "gpu"
    """Partition of notebooks with GPUs."""
    dask_partition: str = "batch"
    """Partition of Dask workers; a project that may not use it gets another one of its own."""
    dask_interface: str = ""
    """Network interface on which Dask's scheduler and workers connect, such as ``ib0``; unset: Dask chooses."""
    default_account: str = "demo"
    """Slurm account of people without a project."""


class Profile(Section):
    """A named size, for people who do not want to choose cores and memory. The defaults count where a profile leaves
    a key out."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")
    """Identifier, as in addresses and ``user_options``."""
    title: str
    """Name that people read."""
    summary: str = ""
    """One sentence about what the size is good for."""
    partition: str = ""
    """Slurm partition; unset: ``slurm.partition``, or ``slurm.gpu_partition`` for a profile with GPUs."""
    qos: str = ""
    """Slurm QOS; unset: the account's default."""
    cpus: Annotated[int, COUNT] = Field(2, ge=1)
    """CPU cores."""
    memory_gb: Annotated[int, GIB] = Field(4, ge=1)
    """Main memory."""
    gpus: Annotated[int, COUNT] = Field(0, ge=0)
    """GPUs."""
    gpu_type: str = ""
    """Type of GPU, as Slurm names it; unset: any."""
    minutes: Annotated[int, MINUTES] = Field(240, ge=1)
    """Time limit of the job."""
    reservation: str = ""
    """Slurm reservation."""
    idle_minutes: Annotated[float | None, MINUTES] = Field(None, gt=0)
    """Replaces ``spawn.idle_minutes`` for servers of this size."""


class Software(Section):
    """A Python environment for notebooks, beside the standard one: a folder with ``bin/jupyterhub-singleuser`` and
    Atrium's package."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")
    """Identifier, as in addresses and ``user_options``."""
    title: str
    """Name that people read."""
    path: Path
    """Folder of the environment, the same on every node."""


class Spawn(Section):
    """Notebook servers as Slurm jobs."""

    gateway: str = Field("atrium", pattern=r"^[a-z][a-z0-9-]{0,19}$")
    """Name of this deployment in job names and comments; unique among the deployments that share a Slurm."""
    profiles: tuple[Profile, ...] = (
        Profile(name="small", title="Small", summary="For writing code and small data.", cpus=2, memory_gb=4),
        Profile(name="large-memory", title="Large memory", summary="For big tables.", cpus=4, memory_gb=32),
        Profile(name="one-gpu", title="One GPU", summary="For training and inference.", cpus=4, memory_gb=16, gpus=1),
    )
    """Named sizes that people choose from, in this order."""
    partitions: tuple[str, ...] = ()
    """Partitions that are proposed for notebooks beside ``slurm.partition``, ``slurm.gpu_partition`` and those of the
    profiles, such as one for short jobs. Others can be chosen, and are never proposed."""
    environments: tuple[Software, ...] = ()
    """Environments beside the standard one (``paths.user_env``)."""
    requeue: bool = True
    """Whether the job of a notebook that lost its node (preempted, node failed) returns to the queue."""
    announce_seconds: Annotated[float, SECONDS] = Field(180.0, gt=0)
    """Time limit from the start of a job until its server reports its address to the Hub."""
    unreachable_seconds: Annotated[float, SECONDS] = Field(120.0, gt=0)
    """A server that starts, and cannot reach the Hub for this long (a restart, a network failure), gives up."""
    warn_seconds: Annotated[int, SECONDS] = Field(120, ge=30, le=3600)
    """A server is signalled this long before its time limit, so that it can save its state."""
    idle_minutes: Annotated[float, MINUTES] = Field(120, gt=0)
    """A server without activity (no kernel, no terminal, no person) ends after this time."""
    idle_warning_minutes: Annotated[int, MINUTES] = Field(10, ge=1)
    """The person is warned this long before an idle server ends."""
    orphan_seconds: Annotated[float, SECONDS] = Field(300.0, ge=0)
    """A job of this gateway that no server owns is reported at once, and cancelled after this time."""
    ports: str = Field("", pattern=r"^(\d{4,5}-\d{4,5})?$")
    """Ports that servers may listen on, such as ``20000-20999``, where a firewall needs it; unset: any free port."""
    node_network: str = Field("", pattern=r"^([0-9a-f.:]+/\d{1,3})?$")
    """Network in which the Hub reaches the nodes, such as ``10.1.0.0/16``: a server listens on its node's address in
    it. Unset: determined on the node (spawners/README.md)."""


class Mail(Section):
    """Outgoing mail. Without ``smtp_host`` mails stay in a mailbox that admins read at the API."""

    smtp_host: str = ""
    """Mail server; unset: no mail is sent."""
    smtp_port: Annotated[int, PORT] = 25
    """Port of the mail server."""
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    """Encryption of the connection to the mail server."""
    smtp_user: str = ""
    """Name for signing in at the mail server, if it needs one; the password is the secret ``smtp``."""
    sender: str = Field("atrium@localhost", pattern=r"^[^\r\n]+$")
    """Address in the From line."""
    domain: str = Field("localhost", pattern=r"^[A-Za-z0-9.-]+$")
    """Mail to a person who has given no address goes to NAME@domain."""
    deadline_seconds: Annotated[float, SECONDS] = Field(20.0, gt=0)
    """Time limit of the mail server's answer."""


class Projects(Section):
    """How projects get their folder and OS group."""

    helper: tuple[str, ...] = ()
    """The one command, as a list of words, that ``sudo`` lets Atrium run as root (deploy/projects); unset: the site
    makes folders and groups by other means."""
    deadline_seconds: Annotated[float, SECONDS] = Field(30.0, gt=0)
    """Time limit of that command."""


class Dataspace(Section):
    """Sources of the data catalogue (admins add more at run time), and which hosts Atrium may request."""

    sources: tuple[SourceForm, ...] = ()
    """Catalogues to harvest."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names and networks that Atrium may request although their addresses are not public."""
    folders: tuple[Path, ...] = ()
    """Folders of this machine that sources may be read from."""
    harvest_seconds: Annotated[int, SECONDS] = Field(60, ge=1)
    """Interval at which the worker looks for sources that are due."""
    quality_seconds: Annotated[int, SECONDS] = Field(30, ge=1)
    """Interval at which the quality of changed records is scored, and the time limit of one such run."""
    partition: str = "transfer"
    """Partition of jobs that transfer data into projects; its nodes need a route to the internet."""


class Store(Section):
    """Files that projects publish, stored once by their checksum."""

    folder: Path | None = None
    """Folder of the files, for the account of the API and the worker alone; unset: ``store`` in ``paths.state``."""
    largest_gb: Annotated[float, GB] = Field(100.0, gt=0)
    """Largest file that a person may upload."""
    spare_gb: Annotated[float, GB] = Field(1.0, ge=0)
    """Room of the file system that uploads leave free."""
    unused_hours: Annotated[float, HOURS] = Field(24.0, gt=0)
    """Time after which an uploaded file that nothing refers to is deleted."""
    unfinished_hours: Annotated[float, HOURS] = Field(168.0, gt=0)
    """Time after which an upload of which no part has arrived any more is deleted."""


class Worker(Section):
    """Intervals of the background jobs."""

    usage_seconds: Annotated[int, SECONDS] = Field(60, ge=1)
    """Interval at which the hours used by projects are read from Slurm."""
    project_seconds: Annotated[int, SECONDS] = Field(10, ge=1)
    """Interval at which projects that are not yet provisioned as requested are worked on."""
    mail_seconds: Annotated[int, SECONDS] = Field(10, ge=1)
    """Interval at which waiting mail is sent."""
    tick_seconds: Annotated[int, SECONDS] = Field(5, ge=1, le=6)
    """Interval at which the worker looks for jobs that are due; changed records are indexed and transfers followed
    each time."""


class Disk(Section):
    """Warnings before storage is full."""

    warn_gb: Annotated[float, GB] = Field(5.0, ge=0)
    """Health, ``make status`` and the admins' page warn when a file system of Atrium's has less free space."""


class Retention(Section):
    """How long rows of the database are kept. The worker removes older ones once a day; 0 keeps them for ever."""

    attempts_days: Annotated[int, DAYS] = Field(365, ge=0)
    """Attempts to start a notebook, after their end."""
    mail_days: Annotated[int, DAYS] = Field(90, ge=0)
    """Addresses, subjects and texts of mails that are sent, failed, or in the mailbox of a deployment without a mail
    server. That a mail was written is kept, so that nobody gets it twice."""
    audit_days: Annotated[int, DAYS] = Field(1095, ge=0)
    """Events of the audit trail: 0, or more than 365. The database itself refuses to remove younger ones."""

    @field_validator("audit_days")
    @classmethod
    def _longer_than_the_database_asks_for(cls, days: int) -> int:
        if 0 < days <= 365:
            raise ValueError("audit_days has to be 0, or more than 365")
        return days


class Settings(BaseSettings):
    """A deployment's settings; :func:`load` reads them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=SEPARATOR, frozen=True, extra="forbid")

    site: Site = Site()
    paths: Paths = Paths()
    nginx: Nginx = Nginx()
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
    store: Store = Store()
    disk: Disk = Disk()
    retention: Retention = Retention()

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
    def cookie_options(self) -> dict[str, object]:
        """Attributes of every cookie: other sites do not send it, and plain HTTP only where the site has no TLS."""
        return {"samesite": "Lax", "secure": self._has_tls}

    @property
    def host_cookies(self) -> bool:
        """Whether cookies that sign in have the prefix ``__Host-``, so that no other host can set them."""
        return self._has_tls and self.site.origins == "subdomain"

    @property
    def _has_tls(self) -> bool:
        return urlsplit(self.site.public_url).scheme == "https"

    @property
    def hub_api_url(self) -> str:
        """The Hub's REST API as processes and nodes of the factory reach it."""
        return f"{self.internal_scheme}://{self.hub.host}:{self.hub.port}/hub/api"

    @property
    def hub_target(self) -> str:
        """The Hub as the proxy reaches it. By TLS it goes through nginx, because the proxy would look in the Hub's
        certificate for the name that the browser asked for, a person's perhaps."""
        if self.hub.internal_ssl:
            return unix_url(self.paths.hub_socket)
        return f"http://{self.hub.host}:{self.hub.port}"

    @property
    def internal_scheme(self) -> str:
        """URL scheme between Hub, proxy, API and servers."""
        return "https" if self.hub.internal_ssl else "http"

    @property
    def api_url(self) -> str:
        """Atrium's API as kernels and servers reach it (no trailing slash)."""
        return f"{self.internal_scheme}://{self.api.host}:{self.api.port}/services/atrium/api"


def unix_url(socket: Path) -> str:
    """Address of a Unix socket for JupyterHub and configurable-http-proxy."""
    return f"http+unix://{quote(str(socket), safe='')}"


def config_path() -> Path:
    """Path of the settings' file."""
    return Path(os.environ.get("ATRIUM_CONFIG", DEFAULT_CONFIG))


@lru_cache(maxsize=1)
def load() -> Settings:
    """Read the settings of this process, once. Raises :class:`SettingsError` with all errors."""
    problems = list(unknown_sections(Settings, os.environ))
    try:
        settings = Settings()
    except ValidationError as error:
        problems += wrong_values(error, Settings, config_path(), os.environ)
    except UnreadableVariable as error:
        problems.append(f"A variable cannot be read as JSON: {error}.")
    except (OSError, ValueError) as error:
        problems.append(f"{config_path()}: {error}.")
    if problems:
        raise SettingsError("\n".join(problems))
    return settings
