"""One-time tickets: what a POST with an XSRF token has allowed, for the GET that follows it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

SECONDS = 60.0
"""How long a ticket is valid. The browser uses it at once: the answer to the POST is a redirect."""


class Tickets:
    """Valid tickets, in memory; each with what it allows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._valid: dict[str, tuple[float, tuple[str, ...]]] = {}

    def issue(self, *allowed: str) -> str:
        """A ticket for what the words of ``allowed`` name."""
        now = self._clock()
        self._valid = {ticket: entry for ticket, entry in self._valid.items() if entry[0] > now}
        ticket = secrets.token_urlsafe(32)
        self._valid[ticket] = (now + SECONDS, allowed)
        return ticket

    def redeem(self, ticket: str, *allowed: str) -> bool:
        """Whether ``ticket`` allows this; it is used up in any case."""
        end, words = self._valid.pop(ticket, (0.0, ()))
        return words == allowed and self._clock() < end
