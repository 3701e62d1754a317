"""Databases that are older than Slurm's present, lost or restored, and an ``sbatch`` that answers late."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import sign_in
from tests.deployment import Deployment
from tests.e2e.account import Account, ledger, signed_in
from tests.e2e.test_ledger import in_background, wait_for_hub
from tests.e2e.test_running import restart_hub
from tests.polling import eventually
from tests.temporary_deployment import atrium, changed_settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]

USERS = ("worker", "hub", "api")
DATABASES = ("atrium.sqlite", "jupyterhub.sqlite")
COMMAND_SECONDS = 600
LATE_SECONDS = 12


@pytest.fixture
def founder(deployment: Deployment, browser: Browser) -> Iterator[Account]:
    with signed_in(deployment, browser, "founder") as account:
        yield account


# -- an older database ------------------------------------------------------------------------------------------------


def test_a_notebook_goes_on_over_an_older_ledger(deployment: Deployment, founder: Account, tmp_path: Path) -> None:
    copy_databases(deployment, tmp_path)
    founder.start()
    founder.wait_until_ready()
    [job] = founder.jobs()
    with stopped(deployment):
        put_back(deployment, tmp_path, "atrium.sqlite")
        give_the_next_number_to(deployment, deployment.person("colleague"))

    founder.wait_until_ready()
    assert founder.jobs() == [job]
    assert founder.attempt()["job_id"] == job
    assert founder.stop().status_code in (202, 204)
    founder.wait_until_gone()
    assert founder.jobs() == []
    assert founder.attempt()["ending"] == "stopped"


def test_a_notebook_that_no_database_knows_is_shown_and_ended_before_the_next_start(
    deployment: Deployment, founder: Account, browser: Browser, tmp_path: Path
) -> None:
    copy_databases(deployment, tmp_path)
    founder.start()
    founder.wait_until_ready()
    [lost] = founder.jobs()
    with stopped(deployment):
        put_back(deployment, tmp_path, *DATABASES)

    assert founder.server() is None
    context = browser.new_context()
    try:
        page = sign_in(context, deployment, founder.name)
        notice = page.locator(f"#stray-{lost}")

        def is_shown() -> bool:
            page.goto(f"{deployment.public_url}/hub/home")
            return notice.count() == 1

        eventually(is_shown, within=60, every=1, what="the page shows the job")
        assert "Atrium has lost its record" in notice.inner_text()
    finally:
        context.close()
    in_background(founder.start)
    founder.wait_for_state("ready")
    founder.wait_until_ready()
    [job] = founder.jobs()
    assert job != lost


def test_a_lost_database_is_noticed_and_named(deployment: Deployment, founder: Account, tmp_path: Path) -> None:
    copy_databases(deployment, tmp_path)
    founder.start()
    founder.wait_until_ready()
    [job] = founder.jobs()
    file = deployment.settings.paths.state / "atrium.sqlite"
    try:
        for end in ("", "-wal", "-shm"):
            file.with_name(file.name + end).unlink(missing_ok=True)
        with pytest.raises(AssertionError, match=r"ended with [1-9](.|\n)*api .*503"):
            atrium("status", within=COMMAND_SECONDS)
        assert not file.exists(), "no program makes an empty one"
        printed = atrium("up", within=COMMAND_SECONDS)
        assert f"atrium.sqlite in {file.parent} was lost" in printed
        with ledger(deployment) as database:
            assert database.execute("SELECT slug FROM projects").fetchall()[0]["slug"] == "demo"
        founder.wait_until_ready()
        assert founder.jobs() == [job]
        assert founder.attempt()["job_id"] == job
        founder.stop()
        founder.wait_until_gone()
    finally:
        with stopped(deployment):
            put_back(deployment, tmp_path, "atrium.sqlite")


# -- backup and restore -----------------------------------------------------------------------------------------------


def test_a_backup_brings_everything_back_and_the_notebook_goes_on(
    deployment: Deployment, founder: Account, tmp_path: Path
) -> None:
    founder.start()
    founder.wait_until_ready()
    [job] = founder.jobs()
    folder = tmp_path / "backup"
    atrium("backup", within=COMMAND_SECONDS, BACKUP=str(folder))
    state, etc = deployment.settings.paths.state, deployment.etc
    settings = (etc / "atrium.toml").read_bytes()
    deployment.supervisorctl("stop", *USERS, "dashboards")
    for name in DATABASES:
        for end in ("", "-wal", "-shm"):
            (state / f"{name}{end}").unlink(missing_ok=True)
    for path in (etc / "secrets", state / "tls", state / "dataspace"):
        shutil.rmtree(path, ignore_errors=True)
    (etc / "atrium.toml").unlink()

    printed = atrium("restore", within=COMMAND_SECONDS, BACKUP=str(folder))

    assert "Ready after" in printed
    assert (etc / "atrium.toml").read_bytes() == settings
    founder.wait_until_ready()
    assert founder.jobs() == [job]
    assert founder.attempt()["job_id"] == job
    founder.stop()
    founder.wait_until_gone()


# -- an sbatch that is late -------------------------------------------------------------------------------------------


def test_an_sbatch_that_outlives_its_deadline_makes_one_job(deployment: Deployment, founder: Account) -> None:
    with slow_sbatch(deployment):
        in_background(founder.start)
        founder.wait_for_state("submitting")
        eventually(lambda: "still runs; waiting for it" in hub_log(deployment), within=60, what="the Hub waits for it")
        assert founder.jobs() == []
        assert founder.attempt()["state"] == "submitting"
        founder.wait_until_ready()
        assert founder.jobs() == [founder.attempt()["job_id"]]
        founder.stop()
        founder.wait_until_gone()


@contextmanager
def slow_sbatch(deployment: Deployment) -> Iterator[None]:
    """The Hub submits by a program that waits before it becomes ``sbatch``, and has a shorter deadline."""
    folder, rule = deployment.prefix / "slow-bin", Path(f"/etc/sudoers.d/atrium-slow-{os.getpid()}")
    folder.mkdir()
    for name in ("squeue", "sacct", "sacctmgr", "scontrol", "sinfo", "scancel", "sprio", "sshare"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    (folder / "sbatch").write_text(f"#!/bin/sh\ntrap '' TERM\nsleep {LATE_SECONDS}\nexec /usr/bin/sbatch \"$@\"\n")
    (folder / "sbatch").chmod(0o755)
    commands = f"{folder}/sbatch, {folder}/scancel"
    rule.write_text(
        f"Cmnd_Alias SLOW_SBATCH = {commands}\n"
        'Defaults!SLOW_SBATCH !requiretty, env_keep += "JUPYTERHUB_* ATRIUM_* SLURM_CONF LANG"\n'
        "atrium ALL = (ALL, !root) NOPASSWD: SLOW_SBATCH\n"
    )
    rule.chmod(0o440)
    changes = {f'bin = "{deployment.settings.slurm.bin}"': f'bin = "{folder}"\ndeadline_seconds = 4'}
    try:
        with changed_settings(deployment, changes, apply=restart_hub):
            yield
    finally:
        rule.unlink()
        shutil.rmtree(folder)


# -- what the tests do to the deployment ------------------------------------------------------------------------------


def copy_databases(deployment: Deployment, folder: Path) -> None:
    for name in DATABASES:
        with (
            closing(sqlite3.connect(deployment.settings.paths.state / name, timeout=10)) as source,
            closing(sqlite3.connect(folder / name)) as target,
        ):
            source.backup(target)


def put_back(deployment: Deployment, folder: Path, *names: str) -> None:
    for name in names:
        file = deployment.settings.paths.state / name
        for end in ("", "-wal", "-shm"):
            file.with_name(file.name + end).unlink(missing_ok=True)
        shutil.copyfile(folder / name, file)
        shutil.chown(file, "atrium", "atrium")


def give_the_next_number_to(deployment: Deployment, person: str) -> None:
    """As if the lost row's number had been given again, before the Hub looks for the row."""
    with ledger(deployment) as database:
        columns = "gateway, person, os_account, nonce, server, request, state, node, requeues, created, message, hint"
        database.execute(
            f"INSERT INTO server_attempts ({columns}, slurm_state, exit_code, reason, log_tail, tell, ended, ending) "
            "VALUES (?, ?, ?, '0a1b2c3d', '', '{}', 'ended', '', 0, datetime(), '', '', '', '', '', '', 0, "
            "datetime(), 'stopped')",
            (deployment.settings.spawn.gateway, person, person),
        )


@contextmanager
def stopped(deployment: Deployment) -> Iterator[None]:
    """Nothing uses the databases."""
    deployment.supervisorctl("stop", *USERS)
    try:
        yield
    finally:
        deployment.supervisorctl("start", *reversed(USERS))
        wait_for_hub(deployment)


def hub_log(deployment: Deployment) -> str:
    return (deployment.prefix / "var/log/atrium/hub.log").read_text()
