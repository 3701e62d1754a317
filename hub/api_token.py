"""The API token of a person's notebooks: a file in the runtime directory of their server.

The Hub makes it for a server and revokes it at the server's end; its scopes are only those that the API needs. It is a
file and not a variable, so that jobs that a notebook submits do not inherit it. Needs the standard library only.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from hub.errors import SettingsError

VARIABLE = "ATRIUM_API_TOKEN"
"""The variable that brings the token to the node; nothing that the server starts has it."""
FILE = "api-token"
AUTHORITY_VARIABLE = "ATRIUM_API_CA"
"""The variable with the path of the authority that the API's certificate is signed by, where it is called by TLS."""


def read(environment: Mapping[str, str] = os.environ) -> str:
    """The token in the runtime directory that ``environment`` names; raises :class:`SettingsError`."""
    folder = environment.get("JUPYTER_RUNTIME_DIR")
    hint = "Run this in a notebook or a terminal of Atrium."
    if not folder:
        raise SettingsError("JUPYTER_RUNTIME_DIR is not set, so there is no token for Atrium's API.", hint=hint)
    try:
        return (Path(folder) / FILE).read_text().strip()
    except OSError as error:
        raise SettingsError(f"The token for Atrium's API cannot be read: {error.strerror}.", hint=hint) from error


def write(folder: Path, token: str) -> None:
    """Put ``token`` into ``folder``, for its owner only; a reader never sees a part of it."""
    fresh = folder / f".{FILE}-{secrets.token_hex(4)}"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    fresh.replace(folder / FILE)
