"""Tokens for jobs that upload or download a file for a person: what a token permits, signed, and nothing else.

A job has no token of the Hub. The worker signs one when it submits the job, and the API verifies it. Nothing is
stored: it names the person, one purpose and its end, and every request with it is checked like one of the person.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import asdict, dataclass
from typing import Literal

from hub.errors import NotSignedIn
from hub.settings import Settings

_PREFIX = "job."
_SECONDS = 7 * 24 * 3600
"""How long a token is valid: a job may wait for long, and starts again after the failure of a node."""


@dataclass(frozen=True)
class Grant:
    """What a job may do as ``person``: upload files for a project, or download an object that a record has."""

    person: str
    purpose: Literal["upload", "download"]
    project: str = ""
    record: int = 0
    sha256: str = ""


def issue(settings: Settings, grant: Grant, *, now: float | None = None) -> str:
    """A token for a job. Raises :class:`hub.errors.SettingsError` if the API's secret cannot be read."""
    until = int((time.time() if now is None else now) + _SECONDS)
    claims = base64.urlsafe_b64encode(json.dumps([asdict(grant), until]).encode()).decode()
    return f"{_PREFIX}{claims}.{_signature(settings, claims)}"


def is_job_token(token: str) -> bool:
    """Whether a token claims to be one of a job; the Hub is not asked about it."""
    return token.startswith(_PREFIX)


def verified(settings: Settings, token: str) -> Grant:
    """What a token permits. Raises :class:`NotSignedIn` if it was not issued here, or has ended."""
    claims, _, signature = token.removeprefix(_PREFIX).rpartition(".")
    if not hmac.compare_digest(signature, _signature(settings, claims)):
        raise NotSignedIn("This job's token is not valid.")
    try:
        fields, until = json.loads(base64.urlsafe_b64decode(claims))
        grant = Grant(**fields)
    except (binascii.Error, ValueError, TypeError) as error:
        raise NotSignedIn("This job's token is of another version.", hint="Start it again.") from error
    if time.time() > until:
        raise NotSignedIn("This job's token has ended.", hint="Start it again.")
    return grant


def _signature(settings: Settings, claims: str) -> str:
    """By a key that is used for nothing else, made from the API's own secret."""
    key = hashlib.sha256(b"store job token" + settings.secret("atrium").encode()).digest()
    return hmac.new(key, claims.encode(), hashlib.sha256).hexdigest()
