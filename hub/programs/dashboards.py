"""Start of the dashboards service. It runs in the user environment with only the variables listed here."""

from __future__ import annotations

import json
from typing import Final, NoReturn

from hub import api_token, environment, tls
from hub.sections import DASHBOARDS_VARIABLE, SOCKET_VARIABLE
from hub.settings import Settings

NAME: Final = "dashboards"
PREFIX = f"/services/{NAME}/"


def run(settings: Settings) -> NoReturn:
    """Replace this process by the dashboards server, with exactly :func:`dashboards_environment`."""
    argv = [str(settings.paths.user_version / "bin" / "python"), "-P", "-m", "widgets.service.server"]
    environment.become(argv, dashboards_environment(settings, settings.secret(NAME)))


def dashboards_environment(settings: Settings, token: str) -> dict[str, str]:
    """Everything the server is told: as JupyterHub tells a service it starts itself, and Atrium's own settings.

    Kernels get none of it but an allow-list, and no other process can read it (widgets/service/server.py).
    """
    return {**_home(settings), **_hub_service(settings, token), **_atrium(settings)}


def _home(settings: Settings) -> dict[str, str]:
    """Variables that keep the server's files in directories that no other program reads."""
    home = settings.paths.state / "web"
    return {
        "PATH": f"{settings.paths.user_version / 'bin'}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter" / "config"),
        "JUPYTER_DATA_DIR": str(home / "jupyter" / "data"),
        # Kernels' sockets: their whole path has to stay below the 108 characters that Linux gives a socket.
        "JUPYTER_RUNTIME_DIR": str(settings.paths.run / "web"),
    }


def _hub_service(settings: Settings, token: str) -> dict[str, str]:
    subdomain = settings.site.origins == "subdomain"
    return {
        "JUPYTERHUB_SERVICE_NAME": NAME,
        "JUPYTERHUB_API_TOKEN": token,
        "JUPYTERHUB_API_URL": settings.hub_api_url,
        **_certificates(settings),
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_CLIENT_ID": f"service-{NAME}",
        "JUPYTERHUB_HOST": settings.site.public_url if subdomain else "",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{settings.service_url(NAME)}oauth_callback",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([f"access:services!service={NAME}", "access:services"]),
        "JUPYTERHUB_PUBLIC_URL": settings.service_url(NAME),
        "JUPYTERHUB_PUBLIC_HUB_URL": f"{settings.site.public_url}/hub/",
        "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED": "1" if settings.host_cookies else "0",
        "JUPYTERHUB_COOKIE_OPTIONS": json.dumps(settings.cookie_options),
    }


def _certificates(settings: Settings) -> dict[str, str]:
    """One file for all three: key, certificate and the authorities that the Hub is known by."""
    if not settings.hub.internal_ssl:
        return {}
    pem = str(tls.client_file(settings))
    return {f"JUPYTERHUB_SSL_{part}": pem for part in ("KEYFILE", "CERTFILE", "CLIENT_CA")}


def _authority(settings: Settings) -> dict[str, str]:
    authority = tls.authority_of_api(settings)
    return {} if authority is None else {api_token.AUTHORITY_VARIABLE: str(authority)}


def _atrium(settings: Settings) -> dict[str, str]:
    return {
        "ATRIUM_API_URL": settings.api_url,
        **_authority(settings),
        "ATRIUM_SITE_NAME": settings.site.name,
        "ATRIUM_HUB_URL": f"{settings.site.public_url}/hub/",
        "ATRIUM_REPORT_URL": settings.site.report_url,
        SOCKET_VARIABLE: str(settings.paths.dashboards_socket),
        DASHBOARDS_VARIABLE: settings.dashboards.model_dump_json(),
    }
