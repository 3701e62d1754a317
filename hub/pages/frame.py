"""The frame of every page: name, menu, footer. Shared by the Hub's pages and the Voila dashboards.

Standard library only, so that both environments can import it. The markup is in ``hub/pages/templates/frame``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from hub.language import translate

STATIC = Path(__file__).parent / "static"
"""theme.css, theme.js and the mark; served by the Hub and by the dashboards service alike."""

TEMPLATES = Path(__file__).parent / "templates"
"""Search path for templates; ``frame/{head,header,footer}.html`` are the shared ones."""


@dataclass(frozen=True)
class Entry:
    """An entry of the menu or the footer. A page passes the ``key`` of its own entry, which is marked as current."""

    key: str
    label: str
    url: str
    current: bool = False
    role: str = ""
    """Only people with this role see it; empty: everybody."""


@dataclass(frozen=True)
class Frame:
    """The variables of the frame's templates."""

    site_name: str
    hub_url: str
    """The Hub as the browser sees it, with a closing slash."""
    static_url: str
    """Where this server serves :data:`STATIC`, with a closing slash."""
    menu: tuple[Entry, ...]
    footer: tuple[Entry, ...]
    person: str = ""
    """Name shown at the right; empty when nobody is signed in (or not known yet, on a page rendered ahead)."""
    hours: str = ""
    """Hours left in all projects of the person, as words; empty when not known."""
    report_url: str = ""
    """Where to report a problem (``site.report_to``), as a link; empty: nowhere, and no page offers it."""
    version: str = ""
    theme_version: str = ""
    late: bool = False
    """The page is rendered before its reader is known; ``theme.js`` fills in the person."""

    @property
    def hub_host(self) -> str:
        """The name all origins of the site end in; the choice of light or dark is kept for it."""
        return urlsplit(self.hub_url).hostname or ""

    def place(self, key: str) -> Entry | None:
        """The entry of the menu with this key."""
        return next((entry for entry in self.menu if entry.key == key), None)

    def at(self, key: str) -> Frame:
        """The same frame with one entry of the menu marked as the current one."""
        return replace(self, menu=tuple(replace(entry, current=entry.key == key) for entry in self.menu))


def build(
    *,
    site_name: str,
    hub_url: str,
    dashboards_url: str,
    static_url: str,
    person: str = "",
    hours: str = "",
    report_url: str = "",
    menu: bool = True,
    roles: Collection[str] | None = (),
) -> Frame:
    """The frame for one page.

    ``menu`` is false where there is nowhere to go yet (nobody signed in). ``roles`` are the reader's, whose places
    are in the menu; None: not known yet (a dashboard rendered ahead), so all are, and hidden until the page knows.
    """
    return Frame(
        site_name=site_name,
        hub_url=hub_url,
        static_url=static_url,
        menu=_menu(hub_url, dashboards_url, roles) if menu else (),
        footer=_footer(hub_url, report_url),
        person=person,
        hours=hours,
        report_url=report_url,
        version=software_version(),
        late=roles is None,
        theme_version=theme_version(),
    )


def dashboard_url(dashboards_url: str, name: str) -> str:
    """Address of one dashboard of the service."""
    return f"{dashboards_url}voila/render/{name}.ipynb"


def _menu(hub_url: str, dashboards_url: str, roles: Collection[str] | None) -> tuple[Entry, ...]:
    """Entries of pages that exist on this deployment."""
    entries = (
        Entry("start", translate("Start"), f"{hub_url}home"),
        Entry("onboarding", translate("Onboarding"), dashboard_url(dashboards_url, "onboarding")),
        Entry("projects", translate("Projects"), dashboard_url(dashboards_url, "projects")),
        Entry("dataspaces", translate("Data"), dashboard_url(dashboards_url, "dataspaces")),
        # Opens on the person's own server, which the Hub starts if it is not running.
        Entry("scaling", translate("Scale"), f"{hub_url}atrium/scale"),
        Entry("review", translate("Review"), dashboard_url(dashboards_url, "review"), role="reviewer"),
        Entry("admin", translate("Admin"), dashboard_url(dashboards_url, "admin"), role="admin"),
    )
    return tuple(entry for entry in entries if not entry.role or roles is None or entry.role in roles)


def _footer(hub_url: str, report_url: str) -> tuple[Entry, ...]:
    help_url = f"{hub_url}atrium/help"
    return (
        Entry("help", translate("Help"), help_url),
        *([Entry("problem", translate("Report a problem"), report_url)] if report_url else []),
        Entry("accessibility", translate("Accessibility"), f"{help_url}#accessibility"),
        Entry("privacy", translate("Privacy"), f"{help_url}#privacy"),
    )


@lru_cache(maxsize=1)
def software_version() -> str:
    """The installed version; "development" in a checkout."""
    try:
        return version("atrium")
    except PackageNotFoundError:
        return translate("development")


@lru_cache(maxsize=1)
def theme_version() -> str:
    """A short hash of :data:`STATIC` for addresses, so that browsers load changed files and cache the others."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
