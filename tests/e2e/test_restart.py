"""Notebooks, sessions and tokens survive a restart of the Hub."""

from __future__ import annotations

import pytest

from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell, wait_for_kernel
from tests.polling import eventually
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

HUB_SECONDS = 180


def test_two_running_notebooks_survive_a_restart_of_the_hub(deployment: Deployment, visit: Visit) -> None:
    people = [visit("founder"), visit("colleague")]
    for number, person in enumerate(people):
        person.start_notebook()
        new_notebook(person.page)
        run_cell(person.page, f"kept = {number}")
    jobs = [deployment.jobs_of(person.name) for person in people]
    before = deployment.processes()["hub"]

    deployment.supervisorctl("restart", "hub")
    eventually(lambda: deployment.processes().get("hub", before) != before, within=HUB_SECONDS, what="a new Hub")
    eventually(lambda: hub_answers(deployment), within=HUB_SECONDS, what="the Hub answers")

    assert [deployment.jobs_of(person.name) for person in people] == jobs
    for number, person in enumerate(people):
        assert run_cell(person.page, "kept") == str(number), "the open page lost its kernel"
        person.page.reload()
        wait_for_kernel(person.page)
        assert run_cell(person.page, "kept + 1") == str(number + 1), "the page could not be opened again"


def hub_answers(deployment: Deployment) -> bool:
    with client() as anybody:
        return anybody.get(f"{deployment.public_url}/hub/api/health").status_code == 200
