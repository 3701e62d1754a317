"""A person with their own browser profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page

from tests.browser import dashboard_link, fetch, personal_widget
from tests.deployment import Deployment
from tests.polling import eventually

START_SECONDS = 180
STOP_SECONDS = 90
DASHBOARD_SECONDS = 180


@dataclass(frozen=True)
class Visitor:
    """The demo person of ``role``, signed in at ``deployment`` on ``page``."""

    deployment: Deployment
    role: str
    page: Page

    @property
    def name(self) -> str:
        """Account name: the role, or with a prefix in a copy whose people have one."""
        return self.deployment.person(self.role)

    @property
    def home(self) -> str:
        return f"{self.deployment.public_url}/hub/home"

    def start_notebook(self, query: str = "") -> None:
        """Through the spawn page's form, filled in by ``query``, to a Lab that has loaded."""
        self.page.goto(f"{self.deployment.public_url}/hub/spawn{query}")
        self.page.get_by_role("button", name="Start notebook").click()
        self.wait_for_lab()

    def wait_for_lab(self) -> None:
        """Until the page is the person's own Lab, on the person's own domain; fails at once on a refused start."""
        refused = self.page.locator(".spawn-error-msg")
        self.page.locator("#jp-main-dock-panel").or_(refused).first.wait_for(timeout=START_SECONDS * 1000)
        assert not refused.count(), refused.first.inner_text()
        assert self.page.url.startswith(self.deployment.server_url(self.name) + "lab")

    def open_dashboard(self, name: str) -> None:
        """From the landing page's own link to the first widget that knows who is asking."""
        self.page.goto(self.home)
        dashboard_link(self.page, name).click()
        self.wait_for_greeting()

    def wait_for_greeting(self, within: float = DASHBOARD_SECONDS) -> None:
        """Until the dashboard on the page says who its visitor is."""
        personal_widget(self.page, self.role).wait_for(timeout=within * 1000)

    def stop_everything(self) -> None:
        """End the server as the person would, then whatever else of the person's is in Slurm."""
        # On a page of its own: one that loses its server goes elsewhere by itself, and breaks this off.
        page = self.page.context.new_page()
        page.goto(self.home)
        server = f"{self.deployment.public_url}/hub/api/users/{self.name}/server"
        fetch(page, "DELETE", server)
        page.close()
        self.deployment.run("scancel", f"--user={self.name}")
        self.wait_until_nothing_runs()

    def wait_until_nothing_runs(self) -> None:
        self.wait_until_nothing_runs_within(STOP_SECONDS)

    def wait_until_nothing_runs_within(self, seconds: float) -> None:
        eventually(
            lambda: not self.deployment.jobs_of(self.name),
            within=seconds,
            what=f"squeue shows no job of {self.name}",
        )


@contextmanager
def staying(deployment: Deployment, signed_in: Callable[[str], Page], role: str) -> Iterator[Visitor]:
    """The demo person of ``role`` for as long as a whole module; nobody else may be given to its tests as that one."""
    page = signed_in(deployment.person(role))
    visitor = Visitor(deployment, role, page)
    try:
        yield visitor
    finally:
        visitor.stop_everything()
        page.context.close()
