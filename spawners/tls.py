"""A server's key and certificate (``hub.internal_ssl``), sent to the node in its job's variables.

Variables, because the job's environment is the one way to the node that is in no argument list, no script and nothing
Slurm shows; ``spawners/node/tls.py`` makes files of them that only the server can read.
"""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hub import tls
from hub.certificates import Authority, alternative_name
from hub.errors import SlurmError
from hub.slurm.client import SlurmClient

if TYPE_CHECKING:
    from jupyterhub.spawner import Spawner as _Base
else:
    _Base = object

_VARIABLES = ("ATRIUM_TLS_KEY", "ATRIUM_TLS_CERT", "ATRIUM_TLS_CA")
_KNOWN_SECONDS = 600.0


class NodeNames:
    """Names of all nodes: a certificate is created before Slurm chooses the node."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._fetched_at = float("-inf")

    async def all(self, slurm: SlurmClient) -> list[str]:
        """``["IP:10.1.0.5", "DNS:cpu7"]``; refreshed every ten minutes; the last list if Slurm does not answer."""
        if time.monotonic() - self._fetched_at > _KNOWN_SECONDS:
            try:
                self._names = [alternative_name(address) for address in await slurm.node_addresses()]
                self._fetched_at = time.monotonic()
            except SlurmError:
                if not self._names:
                    raise
        return self._names


node_names = NodeNames()


class Certificates(_Base):
    """Mixin of the spawner for certificates; its ``get_env`` includes :meth:`tls_environment`."""

    _tls: dict[str, str]

    async def create_certs(self) -> dict[str, str]:
        """Create key and certificate for a new job; returns no paths, because they become files on the node only."""
        from spawners.job.site import site

        here = site()
        # The Hub calls a server by its node, the proxy by the name in the browser: with a domain for each person
        # nobody else's certificate will do there.
        host = self.user.domain if here.settings.site.origins == "subdomain" else here.settings.public_host
        names = [alternative_name(host), "IP:127.0.0.1", *await node_names.all(here.slurm)]
        pair = self._authority().issue(f"user-{self.user.name}", names, days=tls.SERVER_DAYS)
        texts = (pair.key, pair.certificate, self._trusted())
        self._tls = {
            variable: base64.b64encode(text).decode() for variable, text in zip(_VARIABLES, texts, strict=True)
        }
        return {}

    def _authority(self) -> Authority:
        return Authority.read(Path(self.internal_certs_location) / tls.SERVERS)

    def _trusted(self) -> bytes:
        """The authorities that the server believes, the Hub's among them, as PEM."""
        return Path(self.internal_trust_bundles[tls.SERVERS]).read_bytes()

    async def move_certs(self, _paths: dict[str, str]) -> dict[str, str]:
        """Return no paths for JupyterHub's environment: the files are written on the node."""
        return {}

    def tls_environment(self) -> dict[str, str]:
        """Variables with key, certificate and authorities; empty without ``internal_ssl``."""
        return getattr(self, "_tls", {}) if self.internal_ssl else {}
