"""The spawner's own decisions, with Slurm played by a stateful stand-in."""

import asyncio
import grp
import os
import pwd
from types import SimpleNamespace

import pytest
from jupyterhub.spawner import SpawnException
from jupyterhub.utils import format_exception

from hub.errors import NotAllowed, SlurmUnavailable
from hub.settings import Settings, Slurm
from hub.slurm.jobs import Job
from hub.slurm.queue import QueueWatcher
from spawners import gateway


class FakeSlurm:
    """Remembers jobs, and can fall silent."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.over: dict[int, Job] = {}
        self.silent = False
        self.cancelled: list[int] = []

    async def queue(self) -> list[Job]:
        self._answer()
        return list(self.jobs.values())

    async def job(self, job_id: int) -> Job | None:
        self._answer()
        return self.jobs.get(job_id) or self.over.get(job_id)

    async def cancel(self, job_id: int, *, user: str) -> None:
        self._answer()
        self.cancelled.append(job_id)
        self.jobs.pop(job_id)
        self.over[job_id] = Job(job_id, "CANCELLED", user)

    def _answer(self) -> None:
        if self.silent:
            raise SlurmUnavailable("Slurm has not answered for 15 s.")


@pytest.fixture
def slurm(monkeypatch):
    fake = FakeSlurm()
    settings = Settings(slurm=Slurm(queue_seconds=0.001))
    watcher = QueueWatcher(fake, 0.001)
    monkeypatch.setattr(gateway, "site", lambda: (settings, fake, watcher))
    return fake


@pytest.fixture
def spawner(slurm):
    made = gateway.AtriumSpawner(user=SimpleNamespace(name="founder"))
    made.job_id = "7"
    return made


async def test_a_running_job_lives(spawner, slurm):
    slurm.jobs[7] = Job(7, "RUNNING", "founder", "cpu1")
    assert await spawner.poll() is None


async def test_silence_is_not_death(spawner, slurm):
    slurm.silent = True
    assert await spawner.poll() is None
    assert spawner.job_id == "7"


async def test_absent_from_the_queue_is_not_death_either(spawner, slurm):
    assert await spawner.poll() is None, "neither the controller nor the accounts said it is over"


async def test_absent_and_over_is(spawner, slurm):
    slurm.over[7] = Job(7, "TIMEOUT", "founder", "cpu1")
    assert await spawner.poll() == 1
    assert spawner.job_id == ""


async def test_a_bug_is_not_death(spawner, slurm):
    slurm.jobs = None
    assert await spawner.poll() is None


async def test_stopping_waits_until_slurm_says_it_is_over(spawner, slurm):
    slurm.jobs[7] = Job(7, "RUNNING", "founder", "cpu1")
    await spawner.stop()
    assert slurm.cancelled == [7]


async def test_a_failing_cancel_is_not_forgotten(spawner, slurm):
    slurm.silent = True
    with pytest.raises(SlurmUnavailable):
        await spawner.stop()
    assert spawner.job_id == "7"


async def test_a_port_is_taken_only_while_a_start_waits_and_only_once(spawner):
    assert not spawner.awaits_port
    spawner._port_taken = asyncio.get_running_loop().create_future()
    assert spawner.awaits_port
    spawner.take_port(34567)
    assert not spawner.awaits_port
    assert spawner._port_taken.result() == 34567


def test_a_link_starts_nothing(spawner):
    with pytest.raises(SpawnException) as refused:
        spawner.options_from_query({"cpus": ["4"]})
    text, _ = format_exception(refused.value)
    assert text == "A link cannot start a notebook. Choose, and press Start notebook."


@pytest.mark.parametrize(
    "name", ["root", "Founder", "a b", "founder\n", "-x", "../x", "x" * 32, "", "ünïcode", "nobody-has-this-name"]
)
def test_names_and_accounts_no_job_may_run_as(name):
    with pytest.raises(NotAllowed):
        gateway._account(name, grp.getgrgid(os.getgid()).gr_name)


def test_an_account_outside_the_group_is_refused(monkeypatch):
    person = pwd.struct_passwd(("founder", "x", 1500, 1500, "", "/home/founder", "/bin/bash"))
    group = grp.struct_group(("atrium-users", "x", 1400, ["colleague"]))
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: person)
    monkeypatch.setattr(grp, "getgrnam", lambda _name: group)
    with pytest.raises(NotAllowed):
        gateway._account("founder", "atrium-users")
    group.gr_mem.append("founder")
    assert gateway._account("founder", "atrium-users") is person
