"""Writes the server's key and certificates (``hub.internal_ssl``) from its job's variables into private files.

Variables are in no argument list, no script and no output of Slurm.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import MutableMapping
from pathlib import Path

from hub import api_token

EXIT_MISSING = 69
PARTS = {
    "ATRIUM_TLS_KEY": ("server.key", "JUPYTERHUB_SSL_KEYFILE"),
    "ATRIUM_TLS_CERT": ("server.crt", "JUPYTERHUB_SSL_CERTFILE"),
    "ATRIUM_TLS_CA": ("ca.crt", "JUPYTERHUB_SSL_CLIENT_CA"),
}
"""Variable with the text (base64), file it becomes, variable that names the file for JupyterHub."""


class Missing(Exception):
    """The Hub requires TLS, and key or certificates are missing."""


def unpack(environment: MutableMapping[str, str]) -> None:
    """Write what came into the runtime directory (0700) and forget the variables; raises :class:`Missing`.

    Does nothing without TLS.
    """
    came = {variable: environment.pop(variable, "") for variable in PARTS}
    if not environment.get("JUPYTERHUB_API_URL", "").startswith("https:"):
        return
    folder = Path(environment["JUPYTER_RUNTIME_DIR"])
    for variable, (name, meaning) in PARTS.items():
        try:
            text = base64.b64decode(came[variable], validate=True)
        except binascii.Error:
            text = b""
        if not text:
            raise Missing(f"{variable} is not among the variables of this job, or cannot be read.")
        _write(folder / name, text)
        environment[meaning] = str(folder / name)
    environment[api_token.AUTHORITY_VARIABLE] = environment["JUPYTERHUB_SSL_CLIENT_CA"]


def _write(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
