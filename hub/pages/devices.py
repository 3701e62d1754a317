"""Devices that a person has signed in on: a signed cookie for each person and browser, which outlives the session.

It lets nobody in. Attempts to sign in from such a device are counted apart, so that guesses from elsewhere do not
keep the person out (:mod:`hub.guesses`). A new cookie secret makes every device unknown.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

from jupyterhub.handlers.base import BaseHandler


def known_device(handler: BaseHandler, account: str, days: int) -> str | None:
    """Identifier of the device that sends the request, if the account has signed in on it within ``days``."""
    value = handler.get_secure_cookie(_cookie(account), max_age_days=days)
    return value.decode(errors="replace") if value else None


def remember_device(handler: BaseHandler, account: str, device: str | None, days: int) -> None:
    """Make the device that sends the request a known one, or keep it known for longer.

    :param device: its identifier if it is known already.
    """
    value = device or secrets.token_urlsafe(12)
    handler._set_cookie(_cookie(account), value, path=handler.hub.base_url, expires_days=days)


def _cookie(account: str) -> str:
    """Name of the cookie; the signature holds for this name, and thereby for this account, alone."""
    return f"atrium-device-{sha256(account.encode()).hexdigest()[:16]}"
