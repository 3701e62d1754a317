"""The API's client for kernels, servers and scripts. Needs httpx2 and pydantic only.

>>> with Api.from_environment() as api:  # doctest: +SKIP
...     print(api.me().display_name, [project.slug for project in api.projects.mine()])
Founder ['green-steel']
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from hub import api_token
from hub.applications.client import Applications
from hub.audit.models import Event
from hub.calls.client import Calls
from hub.connection import Connection, part
from hub.dataspace.client import Dataspace
from hub.errors import SettingsError
from hub.health.models import Health
from hub.home.models import Me, Overview, Step
from hub.mail.models import Email, Mailbox
from hub.organisations.client import Organisations
from hub.projects.client import Projects
from hub.reports.models import Report, ReportDraft
from hub.reviews.client import Reviews
from hub.servers.models import Attempt
from hub.store.client import Store
from hub.usage.models import ProjectUsage


class Api:
    """Atrium's API on behalf of the owner of ``token``. Errors are classes of :mod:`hub.errors`.

    :param token: the token, or what returns it at each request.
    :param authority: file with the authority that the API's certificate is signed by; None: the public ones.
    :raises SettingsError: the authority cannot be read.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        *,
        authority: str | Path | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._connection = connection = Connection(url, token, authority=authority, transport=transport)
        self.applications = Applications(connection)
        self.calls = Calls(connection)
        self.dataspace = Dataspace(connection)
        self.organisations = Organisations(connection)
        self.projects = Projects(connection)
        self.reviews = Reviews(connection)
        self.store = Store(connection)

    @classmethod
    def from_environment(cls, token: str | None = None) -> Self:
        """A client for a notebook or a terminal.

        :param token: the token; None: that of the server, read at each request.
        :raises SettingsError: this process has no address, no token or no authority of the API.
        """
        url = os.environ.get("ATRIUM_API_URL")
        if not url:
            raise SettingsError("ATRIUM_API_URL is not set.", hint="Run this in a notebook or a terminal of Atrium.")
        if token is None:
            api_token.read()
        return cls(url, token or api_token.read, authority=os.environ.get(api_token.AUTHORITY_VARIABLE))

    def me(self) -> Me:
        """Read who you are, your roles and the remaining hours of your projects."""
        return self._connection.get("/me", Me)

    def overview(self, name: str) -> Overview:
        """Read what the start page of ``name`` shows; for that person and the Hub's pages."""
        return self._connection.get(f"/people/{part(name)}/overview", Overview)

    def take_step(self, step: Step) -> None:
        """Save that a first step on the start page is done."""
        self._connection.send("PUT", f"/me/steps/{step}", None, Step)

    def health(self) -> Health:
        """Read the health of the parts of the deployment."""
        # 503 if the database is down, with the same body.
        return self._connection.get("/health", Health, accept=(503,))

    def attempts(self, name: str, *, server: str | None = None, limit: int = 20) -> list[Attempt]:
        """List attempts to start servers of ``name``, newest first; ``server`` "" is the default one, None all."""
        return self._connection.get(f"/people/{part(name)}/attempts", list[Attempt], server=server, limit=limit)

    def usage(self, slug: str) -> ProjectUsage:
        """Read the hours that a project has used, and how long the rest lasts."""
        return self._connection.get(f"/projects/{part(slug)}/usage", ProjectUsage)

    def report(self, slug: str) -> Report:
        return self._connection.get(f"/projects/{part(slug)}/report", Report)

    def write_report(self, slug: str, draft: ReportDraft) -> Report:
        """Store a draft of the final report, or submit it; for leads."""
        return self._connection.send("PUT", f"/projects/{part(slug)}/report", draft, Report)

    # -- for admins

    def audit(self, *, on: str | None = None, who: str | None = None, before: int | None = None) -> tuple[Event, ...]:
        """List the 100 newest events, on one thing or of one person if given."""
        return self._connection.get("/audit", tuple[Event, ...], on=on, who=who, before=before)

    def mailbox(self, name: str, *, before: int | None = None) -> Mailbox:
        """Read the mails to ``name`` that no mail server got; for that person and the Hub's pages."""
        return self._connection.get(f"/people/{part(name)}/mail", Mailbox, before=before)

    def letters(self, *, before: int | None = None) -> tuple[Email, ...]:
        """List the newest mails."""
        return self._connection.get("/mail", tuple[Email, ...], before=before)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
