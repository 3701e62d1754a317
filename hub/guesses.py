"""Limits on guessing passwords, tokens and codes. Used by the Hub's sign-in and by the API, each with its own counts.

Counts live in the memory of the process: a restart forgets them.
"""

from __future__ import annotations

import logging
import math
import socket
import time
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from threading import Lock
from typing import Literal

from hub.errors import TooManyAttempts
from hub.identity.addresses import Network
from hub.identity.throttle import Limit, Throttle
from hub.settings import Login, Settings

logger = logging.getLogger(__name__)

FORGET_SECONDS = 1800.0
"""One wrong secret for an account is forgotten after this time."""
REPORT_SECONDS = 3600.0
"""Admins get at most one report of each kind within this time."""

Kind = Literal["passwords", "tokens", "codes"]
Report = Callable[[Kind, int], None]
"""Tells admins how many attempts of a kind failed within :data:`REPORT_SECONDS`."""


@dataclass
class Attempt:
    """An attempt that was let through."""

    counts: bool = True
    """Whether it was wrong; whoever checks the secret sets this to False if it was right or could not be checked."""


@dataclass(frozen=True)
class _Counter:
    """What attempts are counted for."""

    key: Hashable
    limit: Limit
    clears: bool = False
    """Whether a right secret clears the count, or only itself does not count."""
    ahead: bool = True
    """Whether an attempt counts before it is checked, so that many at once are no way around the limit."""


class Guesses:
    """The attempts of one process.

    :param report: called when more than ``login.report_failures_an_hour`` attempts fail within an hour.
    """

    def __init__(self, login: Login, report: Report, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._login = login
        self._throttle = Throttle(clock=clock)
        self._tally = _Tally(login.report_failures_an_hour, report, clock)

    @contextmanager
    def password(self, account: str, address: str | None, device: str | None) -> Iterator[Attempt]:
        """Let a sign-in through.

        Attempts of a device that the account has signed in on count for this device alone: whoever guesses elsewhere
        cannot keep the account's owner out.

        :param address: of the client; None for this machine (:func:`hub.identity.addresses.client_address`).
        :param device: identifier in the cookie of a known device (:mod:`hub.pages.devices`); None: an unknown device.
        :raises TooManyAttempts: the next attempt is not yet allowed.
        """
        limit = self._account_limit(self._login.failures_before_delay)
        if device is not None:
            counters = [_Counter(("device", account, device), limit, clears=True)]
        else:
            everywhere = self._account_limit(self._login.account_failures_before_delay)
            counters = [
                _Counter(("account", account, address), limit, clears=True),
                _Counter(("account", account), everywhere),
                *self._address_counter("passwords", address),
            ]
        with self._attempt("passwords", counters) as attempt:
            yield attempt

    @contextmanager
    def token(self, address: str | None) -> Iterator[Attempt]:
        """Let a token through that is not known to be valid; raises :class:`TooManyAttempts`."""
        with self._attempt("tokens", self._address_counter("tokens", address)) as attempt:
            yield attempt

    @contextmanager
    def code(self, person: str, address: str | None) -> Iterator[Attempt]:
        """Let a code of an invitation or a share through; raises :class:`TooManyAttempts`."""
        limit = self._account_limit(self._login.failures_before_delay)
        counters = [_Counter(("code", person), limit), *self._address_counter("codes", address)]
        with self._attempt("codes", counters) as attempt:
            yield attempt

    def _account_limit(self, free: int) -> Limit:
        return Limit(free, FORGET_SECONDS, self._login.longest_delay_seconds)

    def _address_counter(self, kind: Kind, address: str | None) -> list[_Counter]:
        """A rate that no classroom behind one address reaches; wrong attempts alone count."""
        if address is None:
            return []
        rate = self._login.address_failures_a_minute
        limit = Limit(rate, 60 / rate, self._login.longest_delay_seconds)
        return [_Counter(("address", kind, address), limit, ahead=False)]

    @contextmanager
    def _attempt(self, kind: Kind, counters: Collection[_Counter]) -> Iterator[Attempt]:
        wait = max((self._throttle.wait_seconds(each.key, each.limit) for each in counters), default=0.0)
        if wait > 0:
            self._tally.add(kind)
            raise TooManyAttempts.until(math.ceil(wait))
        for counter in counters:
            if counter.ahead:
                self._throttle.add(counter.key, counter.limit)
        attempt = Attempt()
        try:
            yield attempt
        finally:
            if attempt.counts:
                self._tally.add(kind)
            self._settle(counters, attempt)

    def _settle(self, counters: Collection[_Counter], attempt: Attempt) -> None:
        for counter in counters:
            if attempt.counts and not counter.ahead:
                self._throttle.add(counter.key, counter.limit)
            elif not attempt.counts and counter.clears:
                self._throttle.reset(counter.key)
            elif not attempt.counts and counter.ahead:
                self._throttle.take_back(counter.key)


class _Tally:
    """Attempts of each kind that failed within an hour."""

    def __init__(self, reported_from: int, report: Report, clock: Callable[[], float]) -> None:
        self._reported_from = reported_from
        self._report = report
        self._clock = clock
        self._windows: dict[Kind, tuple[float, int]] = {}
        self._lock = Lock()

    def add(self, kind: Kind) -> None:
        with self._lock:
            start, count = self._windows.get(kind, (-math.inf, 0))
            if self._clock() - start >= REPORT_SECONDS:
                start, count = self._clock(), 0
            self._windows[kind] = (start, count + 1)
        if count + 1 == self._reported_from:
            logger.warning("%i wrong %s within an hour", count + 1, kind)
            self._report(kind, count + 1)


def proxies(settings: Settings, host: str) -> tuple[Network, ...]:
    """Networks of the proxies whose ``X-Forwarded-For`` counts: those of the settings, and this machine.

    :param host: the address that this program listens on; Atrium's own proxy reaches it from there.
    """
    try:
        own_addresses = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        own_addresses = set()
    return (*(ip_network(address) for address in sorted(own_addresses)), *settings.login.trusted_proxies)
