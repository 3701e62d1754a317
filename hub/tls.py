"""Certificates for TLS between Hub, proxy, servers and our own programs (``hub.internal_ssl``).

JupyterHub makes its authorities and the certificates of Hub and proxy (certipy, in ``state/tls``). It does not know the
programs that it does not start itself: they call the Hub as one more of its services, with the key and certificate in
``client.pem``.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import ssl
import subprocess
import sys
from pathlib import Path

from hub import environment
from hub.errors import SettingsError
from hub.settings import Settings

CLIENT = "client.pem"
"""One file with a key, its certificate, and the authorities of Hub and proxy."""

_MAKE_SECONDS = 120.0


def folder(settings: Settings) -> Path:
    return settings.paths.state / "tls"


def ensure(settings: Settings) -> None:
    """Create missing certificates; several programs may run it at once. Raises :class:`SettingsError` on failure."""
    if not settings.hub.internal_ssl:
        return
    here = folder(settings)
    here.mkdir(mode=0o700, exist_ok=True)
    with (here / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (here / CLIENT).exists():
            _make_authorities()
            _make_client(here)


def _make_authorities() -> None:
    config = str(environment.shared_file("jupyterhub_config.py"))
    argv = [sys.executable, "-P", "-m", "jupyterhub", "--generate-certs", "-f", config]
    result = subprocess.run(
        argv,
        env=environment.settings_too(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_MAKE_SECONDS,
        check=False,
    )
    if result.returncode:
        raise SettingsError(f"Creating the internal certificates failed: {result.stderr.strip()[-300:]}")


def _make_client(here: Path) -> None:
    from certipy import Certipy

    pair = Certipy(store_dir=str(here)).create_signed_pair("atrium-client", "services-ca", overwrite=True)
    parts = [pair["files"]["key"], pair["files"]["cert"], here / "services-ca_trust.crt"]
    draft = here / f"{CLIENT}.new"
    draft.touch(mode=0o600)
    draft.write_text("".join(Path(part).read_text() for part in parts))
    draft.rename(here / CLIENT)


def client_context(settings: Settings) -> ssl.SSLContext | bool:
    """The TLS context with which our programs call the Hub and the proxy's API, for httpx2's ``verify``."""
    if not settings.hub.internal_ssl:
        return True
    pem = client_file(settings)
    context = ssl.create_default_context(cafile=pem)
    context.load_cert_chain(pem)
    return context


def client_file(settings: Settings) -> Path:
    """``client.pem``, or its copy for the dashboards' account, which the installation writes."""
    own, copy = folder(settings) / CLIENT, settings.paths.secrets / "dashboards.pem"
    for path in (own, copy):
        if os.access(path, os.R_OK):
            return path
    raise SettingsError(f"Neither {own} nor {copy} can be read.", hint="Run the installation again.")


def alternative_name(address: str) -> str:
    """An address as a certificate names it, ``IP:10.1.0.5`` or ``DNS:cpu7``."""
    try:
        return f"IP:{ipaddress.ip_address(address)}"
    except ValueError:
        return f"DNS:{address}"


def proxy_options(settings: Settings) -> dict[str, str]:
    """TLS options of configurable-http-proxy."""
    here = folder(settings)
    return {
        f"--{side}-ssl-{part}": str(path)
        for side, name in (("api", "proxy-api"), ("client", "proxy-client"))
        for part, path in (
            ("key", here / name / f"{name}.key"),
            ("cert", here / name / f"{name}.crt"),
            ("ca", here / f"{name}-ca_trust.crt"),
        )
    }


PROXY_FLAGS = (
    *("--api-ssl-request-cert", "--api-ssl-reject-unauthorized"),
    *("--client-ssl-request-cert", "--client-ssl-reject-unauthorized"),
)
"""Requires a certificate of both sides."""
