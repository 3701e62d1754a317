"""Notebooks after "running": paused by the cluster, with a moved end, without slurmctld or slurmstepd."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import expect

from tests.browser import accessibility_problems, api_token, fetch, screenshot
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell, wait_for_kernel
from tests.e2e.test_ledger import silent
from tests.e2e.test_running import TIME_BUTTON, job_of, job_status
from tests.e2e.visitor import Visitor
from tests.polling import eventually
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

MINUTE = 60_000
PAUSED = re.compile("paused by the cluster; it goes on by itself")


@pytest.fixture
def founder(visit: Visit) -> Iterator[Visitor]:
    visitor = visit("founder")
    visitor.start_notebook()
    yield visitor
    for job in visitor.deployment.jobs_of(visitor.name):
        visitor.deployment.run("scontrol", "resume", job, check=False)


def test_a_paused_notebook_is_said_to_be_paused_and_goes_on(deployment: Deployment, founder: Visitor) -> None:
    page, lab = founder.page, founder.page.url
    new_notebook(page)
    assert "42" in run_cell(page, "answer = 42; answer")
    notebook = page.url
    deployment.run("scontrol", "suspend", job_of(founder))
    expect(page.locator(TIME_BUTTON)).to_have_text("Paused by the cluster", timeout=2 * MINUTE)
    screenshot(page, "lab-paused")
    assert not page.get_by_text("not running").count(), "JupyterLab does not take it for ended"

    page.goto(founder.home)
    expect(page.locator("#servers")).to_contain_text(PAUSED)
    assert not page.locator("#servers").get_by_text("left", exact=True).count()
    screenshot(page, "home-paused")
    assert accessibility_problems(page) == []
    token = api_token(page, deployment, founder.name)
    page.goto(lab)
    expect(page.locator("main")).to_contain_text("The cluster has paused this notebook. It goes on by itself.")
    screenshot(page, "paused")
    assert accessibility_problems(page) == []
    with client(token) as program:
        assert program.get(f"{deployment.server_url(founder.name)}api/kernels").status_code == 504

    deployment.run("scontrol", "resume", job_of(founder))
    page.wait_for_url(re.compile(re.escape(deployment.server_url(founder.name))), timeout=MINUTE)
    page.goto(notebook)
    wait_for_kernel(page)
    assert "42" in run_cell(page, "answer")
    page.goto(founder.home)
    expect(page.locator("#servers")).not_to_contain_text(PAUSED)


@pytest.mark.parametrize("minutes", [90, 400])
def test_a_moved_end_is_seen_within_a_minute(deployment: Deployment, founder: Visitor, minutes: int) -> None:
    before = job_status(founder)["ends"]
    deployment.run("scontrol", "update", f"jobid={job_of(founder)}", f"timelimit={minutes}")
    eventually(lambda: job_status(founder)["ends"] != before, within=60, what="the moved end", every=5)
    assert abs(job_status(founder)["seconds_left"] - 60 * minutes) < 300


def test_pages_answer_and_starts_are_refused_at_once_while_slurmctld_is_away(
    deployment: Deployment, founder: Visitor, visit: Visit
) -> None:
    page, colleague = founder.page, visit("colleague")
    start = f"{deployment.public_url}/hub/api/users/{colleague.name}/server"
    banner = page.locator(".notice", has_text="Slurm has not answered for")
    page.goto(founder.home)
    with silent(deployment, "slurmctld"):

        def banner_shown() -> bool:
            page.goto(founder.home)
            return bool(banner.count())

        eventually(banner_shown, within=90, what="the banner", every=1)
        expect(page.locator("#servers")).to_contain_text("left")
        answer = fetch(colleague.page, "POST", start, json.dumps({"user_options": {}}))
        assert "has no job of this start" in answer["text"], answer
    assert deployment.jobs_of(colleague.name) == []


def test_a_lost_slurmstepd_is_noticed_within_a_minute(deployment: Deployment, founder: Visitor) -> None:
    job = job_of(founder)
    title = re.compile(rf"slurmstepd: \[{job}\.batch\]")
    [slurmstepd] = [process for process in psutil.process_iter() if title.match(" ".join(process.cmdline()))]
    slurmstepd.kill()
    eventually(lambda: not deployment.jobs_of(founder.name), within=60, what="the job is over")
    page = founder.page

    def is_told() -> bool:
        page.goto(founder.home)
        return bool(page.get_by_text("Slurm's own process for it").count())

    eventually(is_told, within=30, what="the start page says it", every=2)


OWN_MODULE = """\
open('mymod.py', 'w').write('def twice(x): return 2 * x\\n')
import mymod
from widgets import Cluster
c = Cluster(workers=1)
c.wait(1)
print('result', c.client.submit(mymod.twice, 21).result())
open('mymod.py', 'w').write('def twice(x): return 2 * x\\ndef thrice(x): return 3 * x\\n')
import importlib; importlib.invalidate_caches(); importlib.reload(mymod)
import time; time.sleep(1.5)
try:
    print('result', c.client.submit(mymod.thrice, 14).result())
except Exception as error:
    print('error', error)
c.stop()
"""


def test_a_module_beside_the_notebook_works_on_the_cluster(deployment: Deployment, founder: Visitor) -> None:
    new_notebook(founder.page)
    text = run_cell(founder.page, OWN_MODULE, within=240)
    assert "result 42" in text
    has_both = text.count("result 42") == 2
    assert has_both or "client.upload_file(" in text, "a worker that has the older module says what to do"


TOO_MUCH = """\
from widgets import Cluster
c = Cluster(workers=1, memory_gb=1)
c.wait(1)
import time
def fill():
    import time
    data = []
    while True:
        data.append(bytearray(20 * 2**20)); time.sleep(0.05)
future = c.client.submit(fill, retries=0)
end = time.time() + 120
while c.now.trouble is None and time.time() < end:
    time.sleep(1)
print('trouble', c.now.trouble and c.now.trouble.message)
future.cancel(); c.stop()
"""


def test_a_task_over_its_memory_is_said_at_the_cluster(deployment: Deployment, founder: Visitor) -> None:
    new_notebook(founder.page)
    text = run_cell(founder.page, TOO_MUCH, within=240)
    assert "trouble A task needed more than the 1 GB of its worker" in text
