"""Certificates for TLS between Hub, proxy, API, servers and our own programs (``hub.internal_ssl``).

JupyterHub makes its authorities and the certificates of Hub and proxy (certipy, in ``state/tls``). It does not know the
programs that it does not start itself: they call the Hub as one more of its services, with the key and certificate in
``client.pem``. nginx shows ``api.pem`` to those who call the API; it is signed by the Hub's authority, which servers
and programs believe anyway.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hub import certificates, environment
from hub.certificates import Authority, Pair
from hub.errors import SettingsError
from hub.settings import Settings

CLIENT = "client.pem"
"""One file with a key, its certificate, and the authorities of Hub and proxy."""
API = "api.pem"
"""One file with the key and the certificate of the API's listener."""
SERVERS = "notebooks-ca"
"""The authority of people's servers."""
DAYS = 5 * 365
"""How long authorities and the programs' certificates count, as with JupyterHub."""
SERVER_DAYS = 365
"""How long a server's certificate counts: longer than its job waits and runs."""
RENEW_DAYS = 2 * SERVER_DAYS
"""Certificates are renewed at the next start of a program when they count for less: each is replaced long before its
end, and no authority ends before a server that it has signed."""

_HUB = "hub-ca"
_PROGRAMS = "services-ca"
_AUTHORITIES = (_HUB, "proxy-api-ca", "proxy-client-ca", SERVERS, _PROGRAMS)
_JUPYTERHUBS = ("hub-internal", "proxy-api", "proxy-client")
"""The certificates that JupyterHub makes when they are missing."""
_MAKE_SECONDS = 120.0


def folder(settings: Settings) -> Path:
    return settings.paths.state / "tls"


def ensure(settings: Settings) -> None:
    """Create missing certificates and renew those that end in :data:`RENEW_DAYS` or lack a name of the settings.

    Several programs may run it at once. Raises :class:`SettingsError` on failure.
    """
    if not settings.hub.internal_ssl:
        return
    here = folder(settings)
    here.mkdir(mode=0o700, exist_ok=True)
    with (here / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _ensure(settings, here)
        except (OSError, ValueError) as error:
            raise SettingsError(f"Creating the internal certificates failed: {error}.") from error


def _ensure(settings: Settings, here: Path) -> None:
    names = [certificates.alternative_name(name) for name in (settings.hub.host, settings.public_host)]
    renewed = _extend_authorities(here)
    if stale := [name for name in _JUPYTERHUBS if not _counts(here / name / f"{name}.crt", names)]:
        _forget(here, stale)
    if renewed or stale:
        _make_authorities()
    if renewed or not _counts(here / CLIENT):
        pair = Authority.read(here / _PROGRAMS).issue("atrium-client", (), days=DAYS)
        _put(here / CLIENT, pair, (here / f"{_PROGRAMS}_trust.crt").read_bytes())
    api_names = [certificates.alternative_name(name) for name in (settings.api.host, "127.0.0.1", "localhost")]
    if renewed or not _counts(here / API, api_names):
        _put(here / API, Authority.read(here / _HUB).issue("atrium-api", api_names, days=DAYS))
    _publish(here / _HUB / f"{_HUB}.crt", authority_file(settings))


def _counts(path: Path, names: Sequence[str] = ()) -> bool:
    """Whether a certificate is there, names all of ``names``, and does not end soon."""
    if not path.exists():
        return False
    certificate = certificates.read(path)
    return certificates.days_left(certificate) > RENEW_DAYS and certificates.names_of(certificate) >= set(names)


def _extend_authorities(here: Path) -> bool:
    """Extend authorities that end soon, with their keys: running servers go on believing the programs."""
    ending = [name for name in _AUTHORITIES if (here / name).exists() and not _counts(here / name / f"{name}.crt")]
    for name in ending:
        path = here / name / f"{name}.crt"
        draft = path.with_suffix(".new")
        draft.write_bytes(Authority.read(here / name).extended(days=DAYS))
        draft.rename(path)
    return bool(ending)


def _forget(here: Path, names: Sequence[str]) -> None:
    """Remove certificates of JupyterHub, which makes them again."""
    from certipy import Certipy, CertNotFoundError

    store = Certipy(store_dir=str(here)).store
    for name in names:
        try:
            store.remove_record(name)
        except CertNotFoundError:
            continue
        shutil.rmtree(here / name, ignore_errors=True)


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


def _put(path: Path, pair: Pair, authorities: bytes = b"") -> None:
    """Write one file that only the programs' account can read."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pair.key + pair.certificate + authorities)
    draft.rename(path)


def _publish(source: Path, path: Path) -> None:
    """Copy a certificate to where everybody can read it; it is no secret."""
    text = source.read_bytes()
    if path.exists() and path.read_bytes() == text:
        return
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(text)
    draft.chmod(0o644)
    draft.rename(path)


def days_left(settings: Settings) -> float | None:
    """Days until the first certificate of a program or an authority ends; None if one is missing or unreadable."""
    here = folder(settings)
    paths = [here / CLIENT, here / API, *(here / name / f"{name}.crt" for name in (*_AUTHORITIES, *_JUPYTERHUBS))]
    try:
        return min(certificates.days_left(certificates.read(path)) for path in paths)
    except (OSError, ValueError):
        return None


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


def api_file(settings: Settings) -> Path:
    return folder(settings) / API


def authority_file(settings: Settings) -> Path:
    """The authority that the API's certificate is signed by, on this machine; nodes get it with each server."""
    return settings.paths.state / "internal-ca.crt"


def authority_of_api(settings: Settings) -> Path | None:
    """The file to verify the API with; None where it is called without TLS."""
    return authority_file(settings) if settings.hub.internal_ssl else None


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
