"""``hub.internal_ssl = false``, as in copies from before it was the default: everything works without certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from tests.deployment import Deployment
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.test_running import server_address, server_process
from tests.e2e.visitor import Visitor, staying
from tests.temporary_deployment import CHANGE_SECONDS, atrium, changed_settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]


@pytest.fixture(scope="module")
def without_tls(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with internal TLS switched off, as an administrator does it: one line, and ``make up``."""
    with changed_settings(deployment, {"internal_ssl = true": "internal_ssl = false"}):
        yield deployment


@pytest.fixture(scope="module")
def founder(without_tls: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    """Somebody with an open notebook."""
    with staying(without_tls, signed_in, "founder") as visitor:
        visitor.start_notebook()
        new_notebook(visitor.page)
        yield visitor


def test_another_upgrade_keeps_the_value(without_tls: Deployment) -> None:
    atrium("up", within=CHANGE_SECONDS)

    assert not without_tls.settings.hub.internal_ssl


def test_a_notebook_and_a_dashboard_work_without_certificates(without_tls: Deployment, founder: Visitor) -> None:
    code = "import os; from hub.client import Api; Api.from_environment().me().name, os.environ.get('ATRIUM_API_CA')"
    assert run_cell(founder.page, code) == repr((founder.name, None))
    founder.open_dashboard("onboarding")
    assert server_address(founder.name).startswith("http:")
    assert not {name for name in server_process(founder.name).environ() if name.startswith("ATRIUM_TLS")}


def test_a_server_is_stopped(without_tls: Deployment, founder: Visitor) -> None:
    founder.stop_everything()
    assert without_tls.jobs_of(founder.name) == []
