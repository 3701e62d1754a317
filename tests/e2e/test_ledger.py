"""Servers after crashes of Hub, node or server: no job is submitted twice or lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from threading import Thread

import psutil  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import Browser

from tests.deployment import Deployment
from tests.e2e.account import Account, ledger, signed_in
from tests.e2e.nodes import full, start_after_requeue
from tests.polling import eventually
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

HUB_SECONDS = 180
SILENCE_SECONDS = 40


@pytest.fixture
def founder(deployment: Deployment, browser: Browser) -> Iterator[Account]:
    with signed_in(deployment, browser, "founder") as account:
        yield account


# -- the Hub goes away ------------------------------------------------------------------------------------------------


def test_a_ready_server_survives_a_restart_of_the_hub(deployment: Deployment, founder: Account) -> None:
    founder.start()
    founder.wait_until_ready()
    jobs = founder.jobs()

    kill_hub(deployment)

    founder.wait_until_ready()
    assert founder.jobs() == jobs
    assert founder.stop().status_code in (202, 204)
    founder.wait_until_gone()
    assert founder.attempt()["ending"] == "stopped"


def test_a_start_that_waits_goes_on(deployment: Deployment, founder: Account) -> None:
    with full(deployment):
        in_background(founder.start)
        founder.wait_for_state("waiting")
        [job] = founder.jobs()
        kill_hub(deployment)
        founder.wait_until_pending("spawn")
    founder.wait_until_ready()

    assert founder.jobs() == [job]
    assert founder.attempt()["job_id"] == job


def test_a_start_whose_server_was_just_coming_up_goes_on(deployment: Deployment, founder: Account) -> None:
    in_background(founder.start)
    [job] = eventually(founder.jobs, within=30, every=0.05, what="Slurm has the job")
    kill_hub(deployment)
    founder.wait_until_ready()

    assert founder.jobs() == [job]


def test_a_job_without_a_stored_number_is_found_by_its_comment(deployment: Deployment, founder: Account) -> None:
    """As if the Hub had been killed after ``sbatch`` and before the number was in either database."""
    with full(deployment):
        in_background(founder.start)
        attempt = founder.wait_for_state("waiting")
        deployment.supervisorctl("stop", "hub")
        try:
            forget_the_number(deployment, attempt["id"])
        finally:
            deployment.supervisorctl("start", "hub")
        wait_for_hub(deployment)
        founder.wait_for_state("waiting")
    founder.wait_until_ready()

    assert founder.jobs() == [attempt["job_id"]]
    assert founder.attempt()["id"] == attempt["id"]


def test_a_job_that_was_never_created_is_reported_and_not_submitted_again(
    deployment: Deployment, founder: Account
) -> None:
    with full(deployment):
        in_background(founder.start)
        attempt = founder.wait_for_state("waiting")
        deployment.supervisorctl("stop", "hub")
        try:
            forget_the_number(deployment, attempt["id"])
            deployment.run("scancel", str(attempt["job_id"]))
            deployment.run("scontrol", "update", f"jobid={attempt['job_id']}", "comment=gone", check=False)
        finally:
            deployment.supervisorctl("start", "hub")
        wait_for_hub(deployment)
        ended = founder.wait_for_state("ended")

    assert founder.attempt()["id"] == attempt["id"]
    assert founder.jobs() == []
    assert ended["message"]
    founder.wait_until_gone()


# -- Slurm is silent --------------------------------------------------------------------------------------------------


def test_a_stop_that_slurm_does_not_hear_goes_on_until_it_does(deployment: Deployment, founder: Account) -> None:
    """Over a killed Hub, too: the job is cancelled once Slurm answers again, and only then the server is gone."""
    with full(deployment):
        in_background(founder.start)
        founder.wait_for_state("waiting")
        with silent(deployment, "slurmctld"):
            assert founder.stop().status_code == 202
            founder.wait_until_pending("stop")
            kill_hub(deployment)
            founder.wait_until_pending("stop")
            assert founder.attempt()["state"] == "stopping"
    founder.wait_until_gone()

    assert founder.jobs() == []
    assert founder.attempt()["ending"] == "stopped"


def test_a_silent_slurm_ends_no_server_and_is_reported(deployment: Deployment, founder: Account) -> None:
    founder.start()
    founder.wait_until_ready()
    with silent(deployment, "slurmctld"):
        log = deployment.prefix / "var/log/atrium/hub.log"
        before = log.stat().st_size

        def noticed() -> bool:
            with log.open() as text:
                text.seek(before)
                return "what we know stays as it is" in text.read()

        eventually(noticed, within=SILENCE_SECONDS, what="the Hub notices that Slurm is silent")
        founder.wait_until_ready()
    founder.wait_until_ready()

    assert founder.attempt()["state"] == "ready"


def test_a_submit_that_slurm_did_not_answer_makes_one_job(deployment: Deployment, founder: Account) -> None:
    with silent(deployment, "slurmctld"):
        in_background(founder.start)
        founder.wait_for_state("submitting")
        sbatch = eventually(lambda: processes_of(founder.name, "sbatch"), within=10, what="sbatch waits for Slurm")
        eventually(lambda: not alive(sbatch), within=SILENCE_SECONDS, what="sbatch has been given up")
    eventually(
        lambda: founder.attempt()["state"] in ("ready", "ended"), within=120, what="it is known whether there is a job"
    )

    assert len(founder.jobs()) == (1 if founder.attempt()["state"] == "ready" else 0)


# -- Slurm moves things -----------------------------------------------------------------------------------------------


def test_a_notebook_that_is_put_back_into_the_queue_is_followed(deployment: Deployment, founder: Account) -> None:
    founder.start()
    founder.wait_until_ready()
    [job] = founder.jobs()
    deployment.run("scontrol", "update", f"jobid={job}", "requeue=1")
    deployment.run("scontrol", "requeue", str(job))
    founder.wait_for_state("waiting")
    founder.wait_until_pending("spawn")
    start_after_requeue(deployment, job)
    founder.wait_until_ready()

    assert founder.jobs() == [job]
    assert founder.attempt()["requeues"] == 1


def test_a_notebook_that_has_to_give_way_comes_back(deployment: Deployment, founder: Account) -> None:
    """QOS "normal" may push jobs of QOS "flexible" back into the queue; ``full`` takes every node with "normal"."""
    founder.start(qos="flexible")
    founder.wait_until_ready()
    [job] = founder.jobs()
    with full(deployment):
        founder.wait_for_state("waiting")
        founder.wait_until_pending("spawn")
    start_after_requeue(deployment, job)
    founder.wait_until_ready()

    assert founder.jobs() == [job]
    assert founder.attempt()["requeues"] == 1


def test_a_notebook_that_gives_way_and_may_not_come_back_is_over(deployment: Deployment, founder: Account) -> None:
    founder.start(qos="flexible")
    founder.wait_until_ready()
    [job] = founder.jobs()
    deployment.run("scontrol", "update", f"jobid={job}", "requeue=0")
    with full(deployment):
        founder.wait_until_gone()

    assert founder.attempt()["ending"] == "preempted"


def test_a_job_that_an_admin_cancels_is_over_for_the_hub_too(deployment: Deployment, founder: Account) -> None:
    founder.start()
    founder.wait_until_ready()
    deployment.run("scancel", str(founder.jobs()[0]))
    founder.wait_until_gone()

    assert founder.attempt()["slurm_state"].startswith("CANCELLED")


# -- several servers, and changing one's mind -------------------------------------------------------------------------


def test_named_servers_are_jobs_of_their_own(founder: Account) -> None:
    for server in ("", "second"):
        founder.start(server)
        founder.wait_until_ready(server)
    assert len(set(founder.jobs())) == 2

    founder.stop("second")
    founder.wait_until_gone("second")

    assert founder.jobs() == [founder.attempt()["job_id"]]
    assert founder.is_ready()


@pytest.mark.parametrize("state", ["submitting", "waiting"])
def test_a_start_can_be_cancelled_at_each_stage(deployment: Deployment, founder: Account, state: str) -> None:
    kept_at = {"submitting": silent(deployment, "slurmctld"), "waiting": full(deployment)}
    with kept_at.get(state, nullcontext()):
        in_background(founder.start)
        founder.wait_for_state(state)
        assert founder.stop().status_code in (202, 204)
    ended = founder.wait_for_state("ended")
    founder.wait_until_gone()

    assert founder.jobs() == []
    assert ended["ending"] == "stopped"


# -- what the tests do to the deployment ------------------------------------------------------------------------------


@contextmanager
def silent(deployment: Deployment, program: str) -> Iterator[None]:
    """A process that neither answers nor ends."""
    process = psutil.Process(deployment.processes()[program])
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def kill_hub(deployment: Deployment) -> None:
    """``kill -9``; the supervisor brings it back."""
    before = deployment.processes()["hub"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: deployment.processes().get("hub", before) != before, within=HUB_SECONDS, what="a new Hub")
    wait_for_hub(deployment)


def wait_for_hub(deployment: Deployment) -> None:
    def answers() -> bool:
        with client() as anybody:
            return anybody.get(f"{deployment.public_url}/hub/api/health").status_code == 200

    eventually(answers, within=HUB_SECONDS, what="the Hub answers")


def forget_the_number(deployment: Deployment, attempt: int) -> None:
    with ledger(deployment) as database:
        database.execute("UPDATE server_attempts SET state = 'submitting', job_id = NULL WHERE id = ?", (attempt,))
    hub = deployment.settings.paths.state / "jupyterhub.sqlite"
    with closing(sqlite3.connect(hub, timeout=10)) as database, database:
        for number, text in database.execute("SELECT id, state FROM spawners WHERE state LIKE '%attempt%'").fetchall():
            state = {name: value for name, value in json.loads(text).items() if name != "job_id"}
            database.execute("UPDATE spawners SET state = ? WHERE id = ?", (json.dumps(state), number))


def in_background(start: object) -> None:
    """A person who asks for a start and does not wait for the answer."""
    Thread(target=start, daemon=True).start()  # type: ignore[arg-type]


def processes_of(user: str, command: str) -> list[psutil.Process]:
    processes = psutil.process_iter(["username", "name"])
    return [process for process in processes if process.info["username"] == user and process.info["name"] == command]


def alive(processes: list[psutil.Process]) -> bool:
    return any(process.is_running() for process in processes)
