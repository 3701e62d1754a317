"""The way of a notebook on a Slurm that differs from the demo's in what sites differ in (tests/second_site.py)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser import fetch
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.visitor import Visitor
from tests.second_site import second_site
from tests.temporary_deployment import changed_settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

TIME_BUTTON = "#atrium-time"
OFFER = "from widgets.scaling.client import Clusters; [place.partition for place in Clusters.here().offer().places]"


@pytest.fixture(scope="module")
def gateway(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with the second Slurm behind it, as an administrator sets it up."""
    with second_site(deployment, deployment.person("founder")) as site:
        values = site.settings
        changes = {
            f'conf = "{deployment.settings.slurm.conf}"': f'conf = "{site.conf}"',
            '"notebooks"': f'"{values.partition}"\ndefault_account = "{values.default_account}"',
            '"gpu"': f'"{values.gpu_partition}"',
            '"batch"': f'"{values.dask_partition}"',
            '"transfer"': f'"{values.dask_partition}"',
        }
        with changed_settings(deployment, changes):
            yield deployment


def test_from_the_form_to_the_end_of_the_job(gateway: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook("?opt-account=physics")  # the default account, so not taken by itself
    [row] = gateway.squeue(f"--user={founder.name}", "--format=%u %T %P %a %q %N")
    assert row == f"{founder.name} RUNNING interactive physics normal c1.lakes.example"
    look_at_the_time(founder)
    new_notebook(founder.page)
    offered = ast.literal_eval(run_cell(founder.page, OFFER, within=60))
    assert offered == ["main", "interactive", "accelerated", "others"]
    page = founder.page
    page.goto(founder.home)
    page.get_by_role("button", name="Stop Notebook").click()
    page.get_by_role("button", name="Stop it").click()
    founder.wait_until_nothing_runs()


def look_at_the_time(founder: Visitor) -> None:
    """A site's ``SLURM_TIME_FORMAT`` in jobs changes nothing."""
    button = founder.page.locator(TIME_BUTTON)
    expect(button).to_have_text(re.compile(r"^3 h 5\d min left"), timeout=60_000)
    assert "on c1.lakes.example, partition interactive, as job" in (button.get_attribute("title") or "")


def test_a_choice_that_the_site_refuses_is_refused_by_its_field(gateway: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.page.goto(founder.home)
    address = f"{gateway.public_url}/hub/api/users/{founder.name}/server"
    for options, sentence in (
        ({"account": "ended"}, "You cannot use the project “ended”"),
        ({"account": "physics", "partition": "notebooks"}, "cannot use the partition “notebooks”"),
        ({"account": "theory", "partition": "interactive", "qos": "normal"}, "“normal” cannot be used"),
        ({"account": "physics", "minutes": 481}, "more time than “interactive” gives"),
    ):
        answer = fetch(founder.page, "POST", address, body=json.dumps({"user_options": options}))
        assert (answer["status"], sentence in json.loads(answer["text"])["message"]) == (422, True), answer
