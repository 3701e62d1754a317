"""JupyterHub's configuration from the settings, one pure function per topic. Used by ``jupyterhub_config.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub import tls
from hub.certificates import alternative_name
from hub.identity.models import NAME
from hub.pages import frame, handlers, sign_in, sign_out, templating
from hub.programs import culling
from hub.settings import Settings

SPAWNER = "spawners.gateway.AtriumSpawner"  # by name: hub does not import spawners
PROXY = "spawners.proxy.PausableProxy"

# Scopes on behalf of a person: of the dashboards service, and of the token of a server's notebooks.
ON_BEHALF = ["access:services!service=atrium", "read:users:name!user", "read:users:groups!user"]
_PERSON = ["read:users!user", "users:activity!user", "servers!user", "tokens!user", "access:servers!user"]
_SHARING = ["users:shares!user", "read:shares!user"]
# JupyterHub's own admin role can open every user's server. This role manages people and servers and cannot open
# servers. It leaves out admin:servers, which shows a server's state and in it the server's token (spawners/gateway.py).
_ADMIN = ["admin-ui", "admin:users", "servers", "admin:groups", "list:services", "read:hub", "read:metrics"]


def apply(c: Any, settings: Settings) -> None:
    """Set all traits in ``c``. Raises :class:`hub.errors.SettingsError` when a secret cannot be read."""
    for topic in TOPICS:
        topic(c, settings)


def network(c: Any, settings: Settings) -> None:
    """An external proxy, per-user domains, and the Hub on an address that nodes reach."""
    proxy, hub = settings.proxy, settings.hub
    c.JupyterHub.bind_url = f"http://127.0.0.1:{settings.nginx.port}/"
    c.JupyterHub.hub_bind_url = f"{settings.internal_scheme}://{hub.host}:{hub.port}/hub/"
    c.JupyterHub.proxy_class = PROXY
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = f"{settings.internal_scheme}://127.0.0.1:{proxy.api_port}"
    c.ConfigurableHTTPProxy.auth_token = settings.secret("proxy")
    c.JupyterHub.internal_ssl = hub.internal_ssl
    if hub.internal_ssl:
        c.JupyterHub.hub_connect_url = f"{settings.hub_target}/hub/"  # for the proxy
        c.Spawner.hub_connect_url = f"{settings.internal_scheme}://{hub.host}:{hub.port}"
    c.JupyterHub.internal_certs_location = str(tls.folder(settings))
    c.JupyterHub.trusted_alt_names = [alternative_name(name) for name in (hub.host, settings.public_host)]
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
    if settings.site.origins == "subdomain":
        c.JupyterHub.subdomain_host = settings.site.public_url
    else:
        c.JupyterHub.public_url = settings.site.public_url + "/"


def state(c: Any, settings: Settings) -> None:
    c.JupyterHub.db_url = f"sqlite:///{settings.paths.state}/jupyterhub.sqlite"
    c.JupyterHub.cookie_secret_file = str(settings.paths.secrets / "cookie")


def login(c: Any, settings: Settings) -> None:
    """PAM, for members of one OS group only, with delays after wrong passwords.

    A disabled account loses everything within five minutes.
    """
    c.JupyterHub.authenticator_class = "hub.pages.sign_in.DelayingAuthenticator"
    c.PAMAuthenticator.service = settings.login.pam_service
    c.PAMAuthenticator.open_sessions = False
    c.PAMAuthenticator.executor_threads = 32  # a wrong password blocks a thread for two seconds
    c.PAMAuthenticator.allowed_groups = {settings.login.os_group}
    c.Authenticator.username_pattern = NAME + r"\Z"
    c.Authenticator.auth_refresh_age = 300
    c.Authenticator.auth_refresh_strict = True
    c.Authenticator.refresh_pre_spawn = True


def sessions(c: Any, settings: Settings) -> None:
    """Short-lived cookies and tokens, PKCE, and cookies that other sites and plain HTTP do not receive."""
    c.JupyterHub.cookie_max_age_days = settings.hub.cookie_hours / 24
    c.JupyterHub.oauth_token_expires_in = int(settings.hub.cookie_hours * 3600)
    c.JupyterHub.token_expires_in_max_seconds = int(settings.hub.token_hours * 3600)
    c.JupyterHub.oauth_require_pkce = True
    c.JupyterHub.cookie_host_prefix_enabled = settings.host_cookies
    c.JupyterHub.tornado_settings = {
        "cookie_options": settings.cookie_options,
        "headers": handlers.SECURITY_HEADERS,
        "log_function": sign_out.log_request,
    }


def roles(c: Any, settings: Settings) -> None:
    """Groups from the settings, and the scopes of each."""
    login = settings.login
    sharing = settings.site.origins == "subdomain" or settings.site.accept_shared_origin_risk
    services = [f"access:services!service={name}" for name in ("atrium", "dashboards")]
    c.JupyterHub.load_groups = {
        name: {"users": sorted(getattr(login, name))} for name in ("admins", "reviewers", "trainers", "analysts")
    }
    c.JupyterHub.load_roles = [
        {"name": "user", "scopes": [*_PERSON, *(_SHARING if sharing else []), *services]},
        {"name": "factory-admin", "scopes": _ADMIN, "groups": ["admins"]},
        {"name": "api", "scopes": ["read:users:name", "read:users:groups"], "services": ["atrium"]},
        {"name": "pages", "scopes": ["access:services!service=atrium"], "services": ["pages"]},
        # Groups of projects are created with admin:groups; there is no narrower scope (hub/projects/README.md).
        {"name": "worker", "scopes": ["proxy", "admin:groups", *culling.SCOPES], "services": ["worker"]},
    ]


def services(c: Any, settings: Settings) -> None:
    """Programs that have a token. None has an address: nginx serves the API and the dashboards by itself."""
    c.JupyterHub.services = [
        {"name": "atrium", "api_token": settings.secret("atrium"), "display": False},
        {
            "name": "dashboards",
            "api_token": settings.secret("dashboards"),
            "oauth_redirect_uri": settings.service_url("dashboards") + "oauth_callback",
            "oauth_no_confirm": True,
            "oauth_client_allowed_scopes": ON_BEHALF,
            "display": False,
        },
        {"name": "pages", "api_token": settings.secret("pages"), "display": False},
        {"name": "worker", "api_token": settings.secret("worker"), "display": False},
    ]


def limits(c: Any, settings: Settings) -> None:
    c.JupyterHub.active_server_limit = settings.hub.active_server_limit
    c.JupyterHub.concurrent_spawn_limit = settings.hub.concurrent_spawn_limit
    c.JupyterHub.allow_named_servers = True
    c.JupyterHub.named_server_limit_per_user = 5


def spawning(c: Any, settings: Settings) -> None:
    """Servers are Slurm jobs. A job may wait in the queue for days, so the spawner has its own deadlines."""
    c.JupyterHub.spawner_class = SPAWNER
    c.Spawner.env_keep = ["LANG"]
    c.Spawner.start_timeout = 7 * 24 * 3600
    c.Spawner.http_timeout = 60
    c.Spawner.poll_interval = 0  # the queue watcher tells each server that its job ended (hub/slurm/queue.py)
    c.Spawner.server_token_scopes = ["users:activity!user", "access:servers!server"]
    c.AtriumSpawner.notebook_token_scopes = ON_BEHALF


def look(c: Any, settings: Settings) -> None:
    """Atrium's templates and handlers instead of JupyterHub's."""
    handlers.install(settings, *sign_in.handlers(settings))
    c.JupyterHub.redirect_to_server = False  # sign-in leads to the home page, not to a server
    c.JupyterHub.template_paths = [str(frame.TEMPLATES)]
    c.JupyterHub.template_vars = templating.template_vars(settings)
    c.JupyterHub.jinja_environment_options = templating.JINJA_OPTIONS


TOPICS: tuple[Callable[[Any, Settings], None], ...] = (
    network,
    state,
    login,
    sessions,
    roles,
    services,
    limits,
    spawning,
    look,
)
