"""The API's client for kernels, servers and scripts: httpx2 and models, nothing of the server.

>>> with Api.from_environment() as api:  # doctest: +SKIP
...     print(api.me().display_name, [project.slug for project in api.projects.mine()])
Founder ['green-steel']
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

import httpx2

from hub.applications.client import Applications
from hub.audit.models import Event
from hub.calls.client import Calls
from hub.connection import Connection, part
from hub.dataspace.client import Dataspace
from hub.errors import SettingsError
from hub.health.models import Health
from hub.home.models import Me, Overview
from hub.mail.models import Email
from hub.organisations.client import Organisations
from hub.projects.client import Projects
from hub.reports.models import Report, ReportDraft
from hub.reviews.client import Reviews
from hub.servers.models import Attempt
from hub.usage.models import ProjectUsage


class Api:
    """Atrium's API on behalf of the owner of ``token``; what fails raises a class of :mod:`hub.errors`."""

    def __init__(self, url: str, token: str, *, transport: httpx2.BaseTransport | None = None) -> None:
        self._connection = connection = Connection(url, token, transport=transport)
        self.applications = Applications(connection)
        self.calls = Calls(connection)
        self.dataspace = Dataspace(connection)
        self.organisations = Organisations(connection)
        self.projects = Projects(connection)
        self.reviews = Reviews(connection)

    @classmethod
    def from_environment(cls) -> Self:
        """As the environment of a notebook server or a dashboard says."""
        return cls(_variable("ATRIUM_API_URL"), _variable("JUPYTERHUB_API_TOKEN"))

    def me(self) -> Me:
        """Who I am and what is left of my projects."""
        return self._connection.get("/me", Me)

    def overview(self, name: str) -> Overview:
        """What ``name`` sees first; only ``name`` and the Hub's pages may ask."""
        return self._connection.get(f"/people/{part(name)}/overview", Overview)

    def health(self) -> Health:
        """Whether the factory's parts are alive."""
        # A part that is down makes it answer 503, with the same body as ever.
        return self._connection.get("/health", Health, accept=(503,))

    def attempts(self, name: str, *, server: str | None = None, limit: int = 20) -> list[Attempt]:
        """What became of the servers of ``name``, newest first; ``server`` "" is the default one, None is all."""
        return self._connection.get(f"/people/{part(name)}/attempts", list[Attempt], server=server, limit=limit)

    def usage(self, slug: str) -> ProjectUsage:
        """Where a project's hours went, and how long they will last."""
        return self._connection.get(f"/projects/{part(slug)}/usage", ProjectUsage)

    def report(self, slug: str) -> Report:
        return self._connection.get(f"/projects/{part(slug)}/report", Report)

    def write_report(self, slug: str, draft: ReportDraft) -> Report:
        """Keep a draft, or submit it for good; for leads."""
        return self._connection.send("PUT", f"/projects/{part(slug)}/report", draft, Report)

    # -- for admins

    def audit(self, *, on: str | None = None, who: str | None = None, before: int | None = None) -> tuple[Event, ...]:
        """The hundred newest events, on one thing or of one person if named."""
        return self._connection.get("/audit", tuple[Event, ...], on=on, who=who, before=before)

    def letters(self, *, before: int | None = None) -> tuple[Email, ...]:
        """The newest mails of the factory."""
        return self._connection.get("/mail", tuple[Email, ...], before=before)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set.", hint="Run this in a notebook or a dashboard of the factory.")
    return value
