"""The spawner, with a stateful fake of Slurm and a real ledger."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from jupyterhub.spawner import SpawnException
from jupyterhub.utils import format_exception
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from hub.db.base import Base
from hub.errors import NotAllowed, SlurmError, SlurmNotReached, SlurmUnavailable
from hub.servers import service
from hub.servers.models import Attempt, AttemptState, Ending
from hub.servers.tables import ServerAttempt
from hub.settings import Api, Hub, Settings, Slurm
from hub.slurm import queue as queue_module
from hub.slurm.cluster import Cluster
from hub.slurm.jobs import Job
from hub.slurm.queue import QueueWatcher
from hub.slurm.steps import StartStep
from spawners import gateway
from spawners.job import cancellation, recovery, server_job, slurm_queries, steps
from spawners.job.diagnosis import Farewell, Stage
from spawners.job.ledger import Ledger
from spawners.job.server_job import ServerJob
from spawners.job.site import Site
from spawners.options import page as spawn_page


class FakeSlurm:
    """Remembers jobs, and can fall silent."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.over: dict[int, Job] = {}
        """Ended jobs, which only accounting knows."""
        self.renamed: dict[int, Job] = {}
        """Jobs that the queue lists by their number alone."""
        self.comments: dict[int, str] = {}
        self.scripts: list[str] = []
        self.environments: list[dict[str, str]] = []
        self.cancelled: list[int] = []
        self.terminated: list[int] = []
        self.deaf = False
        """Servers do not end when they are terminated."""
        self.users: set[str] = set()
        """OS accounts that jobs were looked for and cancelled as."""
        self.silent = False
        self.refusal = ""
        self.lost_answer = False
        self.not_reached = False
        self.hangs = asyncio.Event()
        """Set: no answer at all, not even an error."""
        self.late = False
        """``sbatch`` outlives its deadline; :meth:`arrive` submits what it was given."""
        self.late_scripts: list[tuple[str, str]] = []
        self.lists_of_jobs = 0
        """How often the jobs of an account were asked for."""
        self.addresses_lost = 0
        self.state = "PENDING"
        self.log = ""
        self.home = ""
        """What the system says about writing in the home."""

    async def submit(self, script: str, *, user: str, environment: dict[str, str]) -> int:
        self.scripts.append(script)
        self.environments.append(dict(environment))
        if self.refusal:
            raise SlurmError(self.refusal)
        if self.not_reached:
            raise SlurmNotReached("Unable to contact slurm controller (connect failure)")
        self._answer()
        if self.late:
            self.late_scripts.append((script, user))
            raise SlurmUnavailable("Slurm has not answered for 15 s (sbatch).")
        number = self._add(script, user)
        if self.lost_answer:
            raise SlurmUnavailable("Socket timed out on send/recv operation")
        return number

    def arrive(self) -> None:
        """Let the ``sbatch`` that is late submit its job."""
        self._add(*self.late_scripts.pop())

    def _add(self, script: str, user: str) -> int:
        number = 6 + len(self.scripts)
        comment = next(line for line in script.splitlines() if "--comment=" in line)
        self.comments[number] = comment.partition("=")[2]
        self.jobs[number] = Job(number, self.state, user, "cpu1" if self.state == "RUNNING" else "")
        return number

    def is_submitting(self, user: str) -> bool:
        return bool(self.late_scripts)

    async def named_jobs(self, name: str, user: str) -> dict[int, str]:
        self._answer()
        self.users.add(user)
        self.lists_of_jobs += 1
        return dict(self.comments)

    async def queue(self, name: str) -> list[Job]:
        self._answer()
        if self.hangs.is_set():
            await asyncio.sleep(3600)
        return list(self.jobs.values())

    async def jobs_of(self, numbers) -> list[Job]:
        return [job for number, job in self.renamed.items() if number in numbers]

    async def pending(self):
        return []

    async def job(self, job_id: int) -> Job | None:
        self._answer()
        return self.jobs.get(job_id) or self.over.get(job_id)

    async def past_job(self, job_id: int) -> Job | None:
        self._answer()
        return self.over.get(job_id)

    async def job_log(self, server: str, *, user: str) -> str:
        return self.log

    async def home_check(self, *, user: str) -> str:
        return self.home

    async def node_address(self, node: str) -> str:
        if self.addresses_lost:
            self.addresses_lost -= 1
            raise SlurmUnavailable("Unable to contact slurm controller")
        return "10.0.0.1"

    async def terminate(self, job_id: int, *, user: str) -> None:
        self._answer()
        self.users.add(user)
        self.terminated.append(job_id)
        if not self.deaf:
            self.end(job_id, "COMPLETED")

    async def cancel(self, job_id: int, *, user: str) -> None:
        self._answer()
        self.users.add(user)
        self.cancelled.append(job_id)
        self.end(job_id, "CANCELLED")

    def end(self, job_id: int, state: str, exit_code: str = "0:0") -> None:
        self.over[job_id] = replace(self.jobs.pop(job_id), state=state, exit_code=exit_code)

    def run(self, job_id: int, node: str = "cpu1") -> None:
        self.jobs[job_id] = replace(self.jobs[job_id], state="RUNNING", node=node)

    def _answer(self) -> None:
        if self.silent:
            raise SlurmUnavailable("Slurm has not answered for 15 s.")


class FakeProxy:
    """Remembers whose routes it had to delete."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.added: list[bool] = []
        """For each route that was set, whether its server was paused."""

    async def add_user(self, user: FakeUser, server_name: str = "") -> None:
        self.added.append(user.spawners[server_name].paused)

    async def delete_user(self, user: FakeUser, server_name: str = "") -> None:
        self.deleted.append(user.name)


class FakeUser(SimpleNamespace):
    """Remembers which of its servers JupyterHub was told to clear up."""

    def __init__(self, name: str) -> None:
        db = SimpleNamespace(commit=lambda: None)
        super().__init__(name=name, db=db, settings={"proxy": FakeProxy()}, stopped=[])

    async def stop(self, server_name: str = "") -> None:
        self.stopped.append(server_name)


class FakeTokens:
    """Tokens of notebooks by number, as the Hub has them."""

    def __init__(self) -> None:
        self.valid: dict[int, str] = {}
        self.issued = 0

    def issue(self, user: object, server: str, scopes: list[str], seconds: float) -> tuple[int, str]:
        self.issued += 1
        self.valid[self.issued] = f"notebook-token-{self.issued}"
        return self.issued, self.valid[self.issued]

    def revoke(self, user: object, number: int) -> None:
        self.valid.pop(number, None)


class NeverHeard:
    """A cluster that nobody has heard of yet: Slurm itself has to judge what is asked for."""

    async def look(self, **_since):
        return Cluster()


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm()


@pytest.fixture
def calls_a_minute() -> int:
    """Of the queue: here no limit."""
    return 10_000_000


@pytest.fixture
async def here(slurm, monkeypatch, tmp_path, calls_a_minute):
    """The site that all spawners of a test share, its queue going its rounds."""
    url = f"sqlite:///{tmp_path}/atrium.sqlite"
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    settings = Settings(
        api=Api(database_url=url),
        hub=Hub(host="127.0.0.1"),
        slurm=Slurm(waiting_seconds=0.01, idle_seconds=0.05),
    )
    queue = QueueWatcher(
        slurm, "atrium-notebook", waiting_seconds=0.01, idle_seconds=0.05, calls_a_minute=calls_a_minute
    )
    gateway_site = Site(settings, slurm, queue, Ledger(url), NeverHeard())
    monkeypatch.setattr(gateway, "site", lambda: gateway_site)
    monkeypatch.setattr(spawn_page, "site", lambda: gateway_site)
    monkeypatch.setattr(gateway, "notebook_token", FakeTokens())
    monkeypatch.setattr(cancellation, "PAUSES", (0.001, 0.01))
    monkeypatch.setattr(gateway, "_account", lambda user, group: SimpleNamespace(pw_dir=f"/home/{user}"))
    rounds = asyncio.create_task(queue.run())
    yield gateway_site
    rounds.cancel()


@pytest.fixture
def make(here):
    def spawner(state: dict | None = None):
        user = FakeUser("founder")
        new_spawner = gateway.AtriumSpawner(user=user)
        new_spawner.orm_spawner = SimpleNamespace(state=state, user_options={}, name="", server=None)
        new_spawner.user_options = {}
        new_spawner.api_token = "secret"
        user.spawners = {"": new_spawner}
        monkey_env(new_spawner)
        if state:
            new_spawner.load_state(state)
        return new_spawner

    return spawner


def monkey_env(spawner) -> None:
    """What the Hub's own half would add to the environment is not looked at here."""
    object.__setattr__(spawner, "get_env", lambda: {"JUPYTERHUB_API_TOKEN": "secret"})


@pytest.fixture
def spawner(make):
    return make()


async def until(condition, within: float = 5) -> None:
    async with asyncio.timeout(within):
        while not (result := condition()) or (asyncio.iscoroutine(result) and not await result):
            await asyncio.sleep(0.005)


async def attempts(here):
    return await here.ledger.run(service.history, "founder")


async def started(spawner, slurm) -> asyncio.Task:
    """A spawner whose server announced itself."""
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    slurm.run(int(spawner.job_id))
    await until(lambda: spawner.awaits_port)
    spawner.take_port(34567)
    assert await start == ("10.0.0.1", 34567)
    return start


# -- start ------------------------------------------------------------------------------------------------------------


async def test_a_start_goes_from_a_row_to_a_job_to_an_address(spawner, slurm, here):
    await started(spawner, slurm)
    [attempt] = await attempts(here)
    assert (attempt.state, attempt.job_id, attempt.node, attempt.port) == (AttemptState.READY, 7, "cpu1", 34567)
    assert spawner.orm_spawner.state["attempt"] == attempt.id
    assert slurm.comments[7] == f"atrium:notebook:founder::{attempt.id}:{attempt.nonce}"
    assert attempt.os_account == "founder"


async def test_the_waiting_page_is_told_the_same_again_after_a_while(spawner, slurm, here, monkeypatch):
    """So that it knows a stream that hangs from one that has nothing new."""
    monkeypatch.setattr(gateway, "REPEAT_SECONDS", 0)
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job is not None and spawner.job.latest_job is not None)
    async with asyncio.timeout(5):
        progress_events = spawner.progress()
        assert await anext(progress_events) == await anext(progress_events)
    start.cancel()


async def test_an_address_that_cannot_be_asked_for_is_asked_for_again(spawner, slurm, here):
    slurm.addresses_lost = 2
    await started(spawner, slurm)
    [attempt] = await attempts(here)
    assert attempt.state is AttemptState.READY


async def test_a_refusal_is_an_attempt_that_ended(spawner, slurm, here):
    slurm.refusal = "sbatch: error: invalid account or account/partition combination specified"
    with pytest.raises(SpawnException):
        await spawner.start()
    [attempt] = await attempts(here)
    assert (attempt.state, attempt.ending, attempt.job_id) == (AttemptState.ENDED, Ending.REFUSED, None)
    assert attempt.message


async def test_what_cannot_be_written_is_no_attempt(spawner, slurm, here, monkeypatch):
    monkeypatch.setattr(gateway, "_account", lambda user, group: SimpleNamespace(pw_dir="/home/a b"))
    with pytest.raises(SpawnException):
        await spawner.start()
    await spawner.stop()
    assert await attempts(here) == []
    assert slurm.scripts == []


async def test_an_answer_that_was_lost_makes_no_second_job(spawner, slurm, here):
    slurm.lost_answer = True
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id == "7")
    slurm.run(7)
    spawner.take_port(34567)
    await start
    assert len(slurm.scripts) == 1


async def test_while_slurm_is_silent_nobody_knows_whether_there_is_a_job(spawner, slurm, here):
    slurm.silent = True
    start = asyncio.create_task(spawner.start())
    await until(lambda: slurm.scripts)
    for _ in range(10):
        await asyncio.sleep(0.01)
    assert not start.done()
    assert await spawner.poll() is None, "it may be running"
    slurm.silent = False
    with pytest.raises(SpawnException):
        await start
    [attempt] = await attempts(here)
    assert attempt.state is AttemptState.ENDED
    assert len(slurm.scripts) == 1


async def test_a_start_while_slurm_is_known_to_be_silent_is_refused_at_once(spawner, slurm, here):
    slurm.silent = True
    await here.queue.fresh(time.monotonic())
    with pytest.raises(SpawnException) as refused:
        await asyncio.wait_for(spawner.start(), 5)
    assert "has no job of this start" in refused.value.jupyterhub_message
    [attempt] = await attempts(here)
    assert (attempt.ending, attempt.job_id, slurm.scripts) == (Ending.NOT_ASKED, None, [])
    slurm.silent = False
    await until(lambda: here.queue.error is None)


async def test_the_stop_of_a_refused_start_asks_slurm_nothing(spawner, slurm, here):
    """JupyterHub stops what could not start, and takes a stop that lasts for a start that goes on."""
    slurm.silent = True
    await here.queue.fresh(time.monotonic())
    with pytest.raises(SpawnException):
        await spawner.start()
    await asyncio.wait_for(spawner.stop(), 5)
    [attempt] = await attempts(here)
    assert attempt.ending is Ending.NOT_ASKED
    slurm.silent = False
    await until(lambda: here.queue.error is None)


async def test_a_request_that_did_not_reach_slurm_has_made_no_job(spawner, slurm, here):
    slurm.not_reached = True
    with pytest.raises(SpawnException):
        await asyncio.wait_for(spawner.start(), 5)
    [attempt] = await attempts(here)
    assert (attempt.ending, attempt.job_id, slurm.users) == (Ending.NOT_ASKED, None, set())


async def asks_often(slurm: FakeSlurm) -> None:
    """Wait until Slurm has answered several times that there is no job."""
    before = slurm.lists_of_jobs
    await until(lambda: slurm.lists_of_jobs >= before + 5)


async def test_an_sbatch_that_is_late_makes_the_job_of_its_start(spawner, slurm, here):
    slurm.late = True
    start = asyncio.create_task(spawner.start())
    await until(lambda: slurm.late_scripts)
    await asks_often(slurm)
    assert not start.done()
    slurm.arrive()
    await until(lambda: spawner.job_id == "7")
    slurm.run(7)
    spawner.take_port(34567)
    assert await start == ("10.0.0.1", 34567)
    assert len(slurm.scripts) == 1


async def test_a_start_that_is_stopped_ends_the_job_of_a_late_sbatch(spawner, slurm, here):
    slurm.late = True
    start = asyncio.create_task(spawner.start())
    await until(lambda: slurm.late_scripts)
    stop = asyncio.create_task(spawner.stop())
    await asks_often(slurm)
    assert not stop.done()
    slurm.arrive()
    await asyncio.wait_for(stop, 30)
    assert (list(slurm.jobs), slurm.cancelled) == ([], [7])
    with pytest.raises(SpawnException):
        await start


async def test_a_restarted_hub_waits_for_an_sbatch_of_the_one_before(make, slurm, here):
    slurm.late = True
    before = make()
    lost = asyncio.create_task(before.start())
    await until(lambda: slurm.late_scripts)
    lost.cancel()
    before._submission.cancel()
    after = make(before.orm_spawner.state)
    after.clear_state()
    start = asyncio.create_task(after.start())
    await asks_often(slurm)
    slurm.arrive()
    await until(lambda: after.job_id == "7")
    slurm.run(7)
    after.take_port(34567)
    await start
    assert len(slurm.scripts) == 1


async def test_a_job_that_comes_after_all_is_ended_before_the_next_start(make, spawner, slurm, here):
    """As when slurmctld takes a request up whose sbatch has given up."""
    slurm.silent = True
    start = asyncio.create_task(spawner.start())
    await until(lambda: slurm.scripts)
    slurm.silent = False
    with pytest.raises(SpawnException):
        await start
    assert slurm._add(slurm.scripts[0], "founder") == 7
    await started(make(), slurm)
    assert slurm.cancelled == [7]
    assert list(slurm.jobs) == [8]


async def test_without_a_ledger_nothing_is_asked_of_slurm(spawner, slurm, here, tmp_path):
    (tmp_path / "atrium.sqlite").unlink()
    (tmp_path / "atrium.sqlite").mkdir()
    with pytest.raises(SpawnException) as refused:
        await spawner.start()
    assert "Nothing was started" in refused.value.jupyterhub_message
    assert slurm.scripts == []


async def test_a_job_that_ends_before_its_server_is_ready_is_told_with_its_log(spawner, slurm, here):
    slurm.log = "ModuleNotFoundError: No module named 'x'"
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    slurm.run(7)
    slurm.end(7, "FAILED", "1:0")
    with pytest.raises(SpawnException):
        await start
    [attempt] = await attempts(here)
    assert (attempt.state, attempt.slurm_state, attempt.exit_code) == (AttemptState.ENDED, "FAILED", "1:0")
    assert attempt.log_tail == slurm.log


async def test_a_server_that_never_announces_itself_is_cancelled_and_told(spawner, slurm, here, monkeypatch):
    hurried(here, monkeypatch, 0.05)
    slurm.state = "RUNNING"
    with pytest.raises(SpawnException):
        await spawner.start()
    await spawner.stop()  # as JupyterHub does after a start that failed
    [attempt] = await attempts(here)
    assert (attempt.ending, slurm.cancelled) == (Ending.SILENT, [7])


def hurried(here, monkeypatch, seconds: float) -> None:
    """Servers have so many seconds to announce themselves."""
    spawn = here.settings.spawn.model_copy(update={"announce_seconds": seconds})
    settings = here.settings.model_copy(update={"spawn": spawn})
    monkeypatch.setattr(gateway, "site", lambda: replace(here, settings=settings))


async def test_a_start_that_takes_long_names_its_step_and_so_does_the_verdict(spawner, slurm, here, monkeypatch):
    monkeypatch.setattr(steps, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(steps, "LOOK_SECONDS", 0.01)
    hurried(here, monkeypatch, 1.0)
    slurm.log = "Atrium: job 7: home\nAtrium: job 7: environment\n"
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    assert spawner.job.standing().step is None
    slurm.run(7)
    await until(lambda: spawner.job.standing().step is StartStep.ENVIRONMENT)
    slurm.log += "Atrium: job 7: server\n"
    await until(lambda: spawner.job.standing().step is StartStep.SERVER)
    with pytest.raises(SpawnException) as failed:
        await start
    assert "settings and extensions were not loaded after" in failed.value.jupyterhub_message
    assert spawner.job.standing().step is None


async def test_a_start_in_time_names_no_step(spawner, slurm, here, monkeypatch):
    monkeypatch.setattr(steps, "PATIENCE_SECONDS", 0.05)
    await started(spawner, slurm)
    await asyncio.sleep(0.1)
    assert spawner.job.standing().step is None


async def test_a_start_that_hangs_is_not_put_back_into_the_same_hang(spawner, slurm, here, monkeypatch):
    """Slurm takes its node and gives it another one, again and again; all its time together counts."""
    hurried(here, monkeypatch, 0.5)
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    nodes = 0
    while not start.done():
        nodes += 1
        assert nodes < 10, "its time on all nodes together counts"
        slurm.run(7)
        await until(lambda: (spawner.awaits_port and spawner.job.stage is Stage.STARTING) or start.done())
        await asyncio.sleep(0.2)
        slurm.jobs[7] = replace(slurm.jobs[7], state="PENDING", node="")
        await until(lambda: spawner.job.stage is Stage.WAITING or start.done())
    with pytest.raises(SpawnException):
        await start
    await spawner.stop()
    [attempt] = await attempts(here)
    assert (attempt.ending, slurm.cancelled) == (Ending.SILENT, [7])


async def test_a_start_that_lost_its_node_early_goes_on_at_another(spawner, slurm, here, monkeypatch):
    hurried(here, monkeypatch, 2.0)
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    slurm.run(7)
    await until(lambda: spawner.job.stage is Stage.STARTING)
    slurm.jobs[7] = replace(slurm.jobs[7], state="PENDING", node="")
    await until(lambda: spawner.job.stage is Stage.WAITING)
    await asyncio.sleep(2.1)  # waiting does not count
    slurm.run(7, "cpu2")
    await until(lambda: spawner.job.stage is Stage.STARTING)
    spawner.take_port(34567)
    assert await start == ("10.0.0.1", 34567)


async def test_a_log_that_slurm_could_not_open_is_no_evidence_and_the_home_is_tried(spawner, slurm, here):
    slurm.log, slurm.home = "ImportError: of the job before", "mktemp: failed: No space left on device"
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    slurm.run(7)
    slurm.end(7, "FAILED", "0:53")
    with pytest.raises(SpawnException):
        await start
    [attempt] = await attempts(here)
    assert (attempt.ending, attempt.log_tail) == (Ending.HOME_FULL, slurm.home)


async def fail_twice(spawner, slurm):
    """A start whose two jobs both find their port taken."""
    start = asyncio.create_task(spawner.start())
    for number in (7, 8):
        await until(lambda number=number: spawner.job_id == str(number))
        slurm.run(number)
        slurm.end(number, "FAILED", "75:0")
    with pytest.raises(SpawnException):
        await start


async def test_a_port_that_somebody_else_had_is_worth_one_more_try(spawner, slurm, here):
    await fail_twice(spawner, slurm)
    assert [attempt.ending for attempt in await attempts(here)] == [Ending.PORT_TAKEN] * 2


async def test_a_job_that_still_runs_is_not_left_for_another_try(spawner, slurm, here, monkeypatch):
    """Its server found the port taken and is silent; JupyterHub ends the job after a start that failed."""
    hurried(here, monkeypatch, 0.05)
    slurm.state, slurm.log = "RUNNING", "OSError: [Errno 98] Address already in use"
    with pytest.raises(SpawnException):
        await spawner.start()
    assert list(slurm.jobs) == [7], "no second job beside the one that runs"
    await spawner.stop()
    [attempt] = await attempts(here)
    assert (attempt.ending, slurm.cancelled) == (Ending.PORT_TAKEN, [7])


# -- a Hub that comes back --------------------------------------------------------------------------------------------


async def taken_up(make):
    """The spawner of a Hub that comes back while a job of the one before waits."""
    before = make()
    lost = asyncio.create_task(before.start())
    await until(lambda: before.job_id)
    lost.cancel()
    after = make(before.orm_spawner.state)
    after.clear_state()  # JupyterHub's spawn() begins with this
    return after


async def test_a_start_is_taken_up_where_it_was(make, slurm, here):
    after = await taken_up(make)
    after.api_token = "another"
    await started(after, slurm)
    assert after.api_token == "secret", "the server has the first token"
    assert len(slurm.scripts) == 1


async def adopts_job_41(make, slurm, attempt: int) -> None:
    """A start of a row without a job's number ends with the job that is there, and submits none."""
    slurm.jobs[41] = Job(41, "RUNNING", "founder", "cpu1")
    spawner = make({"attempt": attempt, "api_token": "secret"})
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id == "41")
    spawner.take_port(34567)
    await start
    assert slurm.scripts == []


async def test_a_job_whose_number_was_not_written_is_known_by_its_comment(make, slurm, here):
    attempt = await here.ledger.run(
        service.begin, gateway="atrium", person="founder", os_account="founder", server="", request={"account": "demo"}
    )
    guessed = f"atrium:notebook:founder::{attempt.id}:0a1b2c3d"
    slurm.comments = {40: "something else", 41: f"atrium:notebook:founder::{attempt.id}:{attempt.nonce}", 42: guessed}
    await adopts_job_41(make, slurm, attempt.id)


async def test_a_job_of_an_earlier_version_is_known_by_its_comment(make, slurm, here):
    attempt = await here.ledger.run(
        service.begin, gateway="atrium", person="founder", os_account="founder", server="", request={"account": "demo"}
    )
    await here.ledger.run(forget_nonce, attempt.id)
    slurm.comments = {41: f"atrium:founder::{attempt.id}"}
    await adopts_job_41(make, slurm, attempt.id)


def forget_nonce(session, attempt: int) -> None:
    session.get(ServerAttempt, attempt).nonce = ""
    session.commit()


async def test_a_job_is_cancelled_as_the_os_account_of_its_row(make, slurm, here):
    attempt = await here.ledger.run(
        service.begin, gateway="atrium", person="founder", os_account="app", server="", request={"account": "demo"}
    )
    slurm.comments = {41: f"atrium:notebook:founder::{attempt.id}:{attempt.nonce}"}
    slurm.jobs[41] = Job(41, "RUNNING", "app", "cpu1")
    spawner = make({"attempt": attempt.id, "api_token": "secret"})
    spawner.is_kept(attempt, stopping=True)
    await spawner.stop()
    assert (slurm.cancelled, slurm.users) == ([41], {"app"})


async def test_a_port_that_was_announced_need_not_be_announced_again(make, slurm, here):
    attempt = await here.ledger.run(
        service.begin, gateway="atrium", person="founder", os_account="founder", server="", request={"account": "demo"}
    )
    await here.ledger.run(service.submitted, attempt.id, 41)
    await here.ledger.run(service.announced, attempt.id, 34567)
    slurm.jobs[41] = Job(41, "RUNNING", "founder", "cpu1")
    assert await make({"attempt": attempt.id, "api_token": "secret"}).start() == ("10.0.0.1", 34567)


async def test_an_attempt_that_ended_is_not_taken_up(make, slurm, here):
    before = make()
    await started(before, slurm)
    await before.stop()
    after = make(before.orm_spawner.state)
    after.clear_state()
    await started(after, slurm)
    assert len(slurm.scripts) == 2


# -- a ledger that is older than the Hub's state -----------------------------------------------------------------------


async def after_restore(make, before, here, change=None):
    """The spawner of a Hub that comes back with the state of ``before`` and a ledger without its row."""
    await here.ledger.run(remove_rows)
    if change is not None:
        await here.ledger.run(change)
    before.job.forget()
    return make(before.get_state())


def remove_rows(session) -> None:
    session.query(ServerAttempt).delete()
    session.commit()


async def test_a_lost_row_is_rebuilt_from_the_hubs_state_and_slurm(make, spawner, slurm, here):
    await started(spawner, slurm)
    [before] = await attempts(here)
    after = await after_restore(make, spawner, here)
    row = await after.row()
    [attempt] = await attempts(here)
    assert row == attempt
    assert (attempt.state, attempt.job_id, attempt.node, attempt.port) == (AttemptState.READY, 7, "cpu1", 34567)
    assert attempt.nonce == before.nonce
    assert after.was_ready


async def test_a_number_that_was_given_again_is_not_taken_for_the_attempt(make, spawner, slurm, here):
    await started(spawner, slurm)

    def another_attempt(session) -> None:
        service.begin(session, gateway="atrium", person="colleague", os_account="colleague", server="", request={})

    after = await after_restore(make, spawner, here, another_attempt)
    number = spawner.attempt
    row = await after.row()
    assert (row.person, row.job_id) == ("founder", 7)
    assert row.id != number
    assert after.orm_spawner.state["attempt"] == after.attempt == row.id


async def test_an_older_row_of_the_same_attempt_is_made_current(make, spawner, slurm, here):
    await started(spawner, slurm)

    def as_before_sbatch(session) -> None:
        row = session.get(ServerAttempt, spawner.attempt)
        row.state, row.job_id, row.node, row.port = AttemptState.SUBMITTING, None, "", None
        session.commit()

    await here.ledger.run(as_before_sbatch)
    row = await make(spawner.get_state()).row()
    assert (row.id, row.state, row.job_id, row.port) == (spawner.attempt, AttemptState.READY, 7, 34567)


async def test_a_row_is_not_rebuilt_for_a_job_that_is_over(make, spawner, slurm, here):
    await started(spawner, slurm)
    after = await after_restore(make, spawner, here)
    slurm.end(7, "TIMEOUT")
    assert await after.row() is None
    assert await attempts(here) == []


async def test_a_row_is_not_rebuilt_for_another_job_with_the_number(make, spawner, slurm, here):
    """As after a Slurm that began to count anew."""
    await started(spawner, slurm)
    after = await after_restore(make, spawner, here)
    slurm.comments[7] = "atrium:notebook:founder::1:0a1b2c3d"
    assert await after.row() is None


async def test_while_slurm_is_silent_it_is_not_known_whether_a_lost_row_had_a_job(make, spawner, slurm, here):
    await started(spawner, slurm)
    after = await after_restore(make, spawner, here)
    slurm.silent = True
    with pytest.raises(SlurmUnavailable):
        await after.row()


async def test_a_job_that_was_requeued_since_has_to_become_ready_again(make, spawner, slurm, here):
    await started(spawner, slurm)
    after = await after_restore(make, spawner, here)
    slurm.jobs[7] = replace(slurm.jobs[7], state="PENDING", node="")
    row = await after.row()
    assert (row.state, row.port) == (AttemptState.WAITING, None)


async def test_before_the_queue_was_compared_a_start_ends_other_jobs_of_its_server(spawner, slurm, here):
    """The Hub's own database was lost, too, so nothing but Slurm knows of the job."""
    here.strays.unchecked = True
    slurm.jobs = {number: Job(number, "RUNNING", "founder", "cpu1") for number in (41, 42)}
    slurm.comments = {41: "atrium:notebook:founder::1:0a1b2c3d", 42: "atrium:notebook:founder:b:2:0a1b2c3d"}
    await started(spawner, slurm)
    assert slurm.terminated == [41]
    assert set(slurm.jobs) == {42, 7}


# -- the token of notebooks --------------------------------------------------------------------------------------------


async def test_notebooks_get_a_token_of_their_own_that_ends_with_the_job(spawner, slurm, here):
    tokens = gateway.notebook_token
    await started(spawner, slurm)
    assert slurm.environments[0]["ATRIUM_API_TOKEN"] == tokens.valid[1]
    assert tokens.valid[1] not in slurm.scripts[0]
    slurm.end(7, "TIMEOUT")
    await until(lambda: not tokens.valid)


async def test_the_token_of_a_start_that_failed_is_revoked(spawner, slurm, here):
    slurm.refusal = "sbatch: error: invalid account or account/partition combination specified"
    with pytest.raises(SpawnException):
        await spawner.start()
    spawner.clear_state()  # JupyterHub's stop() after a failed start ends with this
    assert gateway.notebook_token.valid == {}


async def test_a_second_try_has_a_second_token_and_the_first_is_revoked(spawner, slurm, here):
    await fail_twice(spawner, slurm)
    assert list(gateway.notebook_token.valid) == [2]


async def test_a_restarted_hub_keeps_the_token_and_revokes_it_at_the_end(make, slurm, here):
    after = await taken_up(make)
    await started(after, slurm)
    assert list(gateway.notebook_token.valid) == [1], "the server has it"
    assert after.get_state()["notebook_token"] == 1
    await after.stop()
    after.clear_state()
    assert gateway.notebook_token.valid == {}


def attempt_of(session: Session, number: int) -> Attempt:
    return Attempt.model_validate(session.get_one(ServerAttempt, number))


async def test_the_token_of_a_server_that_ended_while_the_hub_was_away_is_revoked(make, slurm, here):
    before = make()
    await started(before, slurm)
    row = await here.ledger.run(attempt_of, before.attempt)
    slurm.end(7, "TIMEOUT")
    after = make(before.get_state())
    after.is_kept(row)
    await until(lambda: not gateway.notebook_token.valid)


# -- poll -------------------------------------------------------------------------------------------------------------


async def test_a_running_job_counts_as_running(spawner, slurm):
    await started(spawner, slurm)
    assert await spawner.poll() is None


async def test_a_silent_slurm_does_not_end_a_server(spawner, slurm, here):
    await started(spawner, slurm)
    slurm.silent = True
    await until(lambda: here.queue.error)
    assert await spawner.poll() is None
    assert spawner.job_id == "7"


async def test_pages_do_not_wait_for_a_slurm_that_hangs(spawner, slurm, here):
    await started(spawner, slurm)
    slurm.hangs.set()
    await asyncio.sleep(0.1)
    calls = here.queue.calls
    assert await asyncio.wait_for(spawner.poll_and_notify(), 1) is None
    assert here.queue.calls == calls


async def test_a_job_that_its_owner_renamed_goes_on(spawner, slurm, here):
    await started(spawner, slurm)
    slurm.renamed[7] = replace(slurm.jobs.pop(7), reason="renamed")
    await until(lambda: spawner.latest_job.reason == "renamed")
    assert await spawner.poll() is None
    del slurm.renamed[7]


async def test_absence_from_the_queue_alone_does_not_end_a_server(spawner, slurm, here):
    await started(spawner, slurm)
    slurm.jobs.clear()
    await until(lambda: not here.queue.snapshot.jobs)
    assert await spawner.poll() is None, "neither the controller nor the accounts said it is over"


async def test_an_ended_job_ends_its_server_and_notifies_the_hub(spawner, slurm, here):
    await started(spawner, slurm)
    notifications = []
    spawner.add_poll_callback(lambda: notifications.append("over"))
    slurm.end(7, "TIMEOUT")
    await until(lambda: notifications)
    [attempt] = await attempts(here)
    assert (attempt.state, attempt.slurm_state) == (AttemptState.ENDED, "TIMEOUT")
    assert await spawner.poll() == 1


async def test_an_exception_in_the_queue_does_not_end_a_server(spawner, slurm, here):
    await started(spawner, slurm)
    slurm.jobs = None  # type: ignore[assignment]
    assert await spawner.poll() is None


async def test_nothing_polls_by_itself(spawner, slurm, here):
    """A thousand servers cost as many questions as one."""
    others = [Job(number, "RUNNING", "x", "cpu1") for number in range(100, 1100)]
    slurm.jobs |= {job.id: job for job in others}
    for job in others:
        here.queue.watch(job.id, lambda _job: None)
    await started(spawner, slurm)
    before, since = here.queue.calls, time.monotonic()
    await until(lambda: here.queue.calls >= before + 3)
    assert here.queue.calls - before <= 1 + (time.monotonic() - since) / here.settings.slurm.idle_seconds


CALLS, MINUTE = 30, 0.6
"""A minute of the next tests takes this many seconds."""


@pytest.mark.parametrize("calls_a_minute", [CALLS * 60 / MINUTE])
async def test_many_who_wait_and_stop_share_the_calls_of_a_minute(make, slurm, here, monkeypatch):
    monkeypatch.setattr(queue_module, "PLACES_SECONDS", 10 * MINUTE / 60)
    spawners = [make() for _ in range(20)]
    starts = [asyncio.create_task(spawner.start()) for spawner in spawners]
    await until(lambda: all(spawner.job_id for spawner in spawners))
    before, since = here.queue.calls, time.monotonic()
    await asyncio.gather(*(spawner.stop() for spawner in spawners[:10]))
    await asyncio.sleep(2 * MINUTE)
    minutes = 1 + (time.monotonic() - since) / MINUTE
    assert 0 < here.queue.calls - before <= CALLS * minutes + queue_module.AT_ONCE
    for start in starts:
        start.cancel()
    await asyncio.gather(*starts, return_exceptions=True)


# -- a job that is paused ---------------------------------------------------------------------------------------------


async def test_while_a_server_is_paused_the_hub_answers_at_its_address(spawner, slurm, here, proxy):
    await started(spawner, slurm)
    slurm.jobs[7] = replace(slurm.jobs[7], state="SUSPENDED")
    await until(lambda: proxy.added)
    assert (proxy.added, spawner.paused, await spawner.poll()) == ([True], True, None)
    slurm.run(7)
    await until(lambda: len(proxy.added) == 2)
    assert (proxy.added, spawner.paused, proxy.deleted) == ([True, False], False, [])


async def test_a_start_that_is_paused_is_not_taken_for_silent(spawner, slurm, here, monkeypatch):
    hurried(here, monkeypatch, 0.2)
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    slurm.run(7)
    await until(lambda: spawner.job.stage == "starting")
    slurm.jobs[7] = replace(slurm.jobs[7], state="SUSPENDED")
    await asyncio.sleep(0.5)
    assert not start.done()
    slurm.run(7)
    spawner.take_port(34567)
    await start


# -- stop -------------------------------------------------------------------------------------------------------------


async def test_stopping_waits_until_slurm_says_it_is_over(spawner, slurm, here):
    await started(spawner, slurm)
    await spawner.stop()
    [attempt] = await attempts(here)
    assert (slurm.terminated, slurm.cancelled, attempt.ending) == ([7], [], Ending.STOPPED)


async def test_a_server_that_ignores_its_end_is_cancelled(spawner, slurm, here, monkeypatch):
    monkeypatch.setattr(cancellation, "GOODBYE_SECONDS", 0.05)
    await started(spawner, slurm)
    slurm.deaf = True
    await asyncio.wait_for(spawner.stop(), 5)
    assert (slurm.terminated, slurm.cancelled) == ([7], [7])


async def test_a_job_that_waits_is_cancelled_at_once(spawner, slurm, here):
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    await asyncio.wait_for(spawner.stop(), 5)
    assert (slurm.terminated, slurm.cancelled) == ([], [7])
    with pytest.raises(SpawnException):
        await start


async def test_stopping_sends_nothing_to_the_servers_address(spawner, slurm, here, monkeypatch):
    """Another process may listen there, and the request would carry the server's token."""
    requests: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.read(1))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1") as listener:
        await started(spawner, slurm)
        address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/user/founder/"
        monkeypatch.setattr(gateway.AtriumSpawner, "server", SimpleNamespace(url=address, port=34567))
        await spawner.stop()
        await asyncio.sleep(0.05)
    assert requests == []


async def test_a_failing_cancel_is_tried_again_and_not_forgotten(spawner, slurm, here):
    await started(spawner, slurm)
    slurm.silent = True
    stop = asyncio.create_task(spawner.stop())
    await until(lambda: here.queue.error)
    [attempt] = await attempts(here)
    assert not stop.done()
    assert attempt.state is AttemptState.STOPPING
    slurm.silent = False
    await asyncio.wait_for(stop, 30)
    assert slurm.cancelled == [7]


async def test_a_job_that_cannot_be_cancelled_is_over_when_slurm_says_so(spawner, slurm, here, monkeypatch):
    await started(spawner, slurm)

    async def refuse(number, *, user):
        raise SlurmError("Access/permission denied")

    monkeypatch.setattr(slurm, "terminate", refuse)
    monkeypatch.setattr(slurm, "cancel", refuse)
    stop = asyncio.create_task(spawner.stop())
    await asyncio.sleep(0.05)
    assert not stop.done()
    slurm.end(7, "TIMEOUT")
    await asyncio.wait_for(stop, 30)
    [attempt] = await attempts(here)
    assert attempt.state is AttemptState.ENDED


async def test_a_start_that_is_cancelled_while_slurm_takes_it_leaves_no_job(spawner, slurm, here):
    start = asyncio.create_task(spawner.start())
    await asyncio.sleep(0)
    start.cancel()
    await spawner.stop()
    assert slurm.jobs == {}
    for attempt in await attempts(here):
        assert attempt.state is AttemptState.ENDED


# -- Slurm moves the job ----------------------------------------------------------------------------------------------


async def test_a_job_that_loses_its_node_while_starting_is_waited_for_anew(spawner, slurm, here):
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    slurm.run(7)
    await until(lambda: spawner.job.stage == "starting")
    slurm.jobs[7] = replace(slurm.jobs[7], state="PENDING", node="")
    await until(lambda: spawner.job.stage == "waiting")
    slurm.run(7, "cpu2")
    await until(lambda: spawner.job.stage == "starting")
    spawner.take_port(34567)
    await start
    [attempt] = await attempts(here)
    assert (attempt.requeues, attempt.node) == (1, "cpu2")


async def test_a_job_that_is_ending_may_come_back(spawner, slurm, here, monkeypatch):
    resumed = []
    monkeypatch.setattr(recovery, "resume", lambda user, name: resumed.append(name))
    monkeypatch.setattr(slurm_queries, "SETTLING_SECONDS", (0.01,) * 100)
    await started(spawner, slurm)
    slurm.jobs[7] = replace(slurm.jobs[7], state="COMPLETING")
    poll = asyncio.create_task(spawner.poll())
    await asyncio.sleep(0.03)
    slurm.jobs[7] = replace(slurm.jobs[7], state="PENDING", node="")
    assert await poll in (None, 1)
    await until(lambda: resumed)
    [attempt] = await attempts(here)
    assert attempt.state is AttemptState.WAITING


async def test_a_job_that_is_ending_for_long_is_over(spawner, slurm, here, monkeypatch):
    monkeypatch.setattr(slurm_queries, "SETTLING_SECONDS", (0.01,) * 3)
    await started(spawner, slurm)
    notifications = []
    spawner.add_poll_callback(lambda: notifications.append("over"))
    slurm.jobs[7] = replace(slurm.jobs[7], state="COMPLETING")
    await until(lambda: notifications)
    [attempt] = await attempts(here)
    assert attempt.state is AttemptState.ENDED


async def test_a_ready_server_that_loses_its_node_gives_way_to_one_that_follows_the_job(
    spawner, slurm, here, monkeypatch
):
    resumed = []
    monkeypatch.setattr(recovery, "resume", lambda user, name: resumed.append(name))
    await started(spawner, slurm)
    slurm.jobs[7] = replace(slurm.jobs[7], state="PENDING", node="")
    await until(lambda: resumed)
    spawner.clear_state()  # JupyterHub clears up after a server that is over
    assert spawner.will_resume, "its token goes on"
    assert spawner.get_state()["attempt"]
    [attempt] = await attempts(here)
    assert (attempt.state, attempt.port) == (AttemptState.WAITING, None)


# -- handshake and links ----------------------------------------------------------------------------------------------


async def test_a_port_is_taken_only_while_a_start_waits_and_only_once(spawner, slurm):
    assert not spawner.awaits_port
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.awaits_port)
    assert not spawner.has_port(34567)
    spawner.take_port(34567)
    assert not spawner.awaits_port
    assert spawner.has_port(34567)
    assert not spawner.has_port(34568)
    start.cancel()


async def test_a_farewell_is_looked_into_at_once(spawner, slurm, here):
    await started(spawner, slurm)
    notifications = []
    spawner.add_poll_callback(lambda: notifications.append("over"))
    slurm.end(7, "COMPLETED")
    await spawner.take_farewell(Farewell.IDLE)
    await until(lambda: notifications)


@pytest.fixture
def proxy(spawner, monkeypatch) -> FakeProxy:
    """The proxy of a server that has an address, as JupyterHub gives it one."""
    address = SimpleNamespace(url="http://10.0.0.1:34567/", port=34567)
    monkeypatch.setattr(gateway.AtriumSpawner, "server", address)
    return spawner.user.settings["proxy"]


async def test_a_farewell_removes_the_route_while_the_job_still_runs(spawner, slurm, proxy):
    await started(spawner, slurm)
    await spawner.take_farewell(Farewell.FINISHED)
    assert proxy.deleted == ["founder"]
    assert spawner.pending == "stop", "JupyterHub does not restore the route, and pages say it"
    assert 7 in slurm.jobs


async def test_a_route_that_is_gone_is_not_deleted_once_more(spawner, slurm, proxy):
    """JupyterHub logs an error when it does."""
    await started(spawner, slurm)
    spawner.add_poll_callback(proxy.delete_user, spawner.user, "")
    await spawner.take_farewell(Farewell.FINISHED)
    slurm.end(7, "COMPLETED")
    await until(lambda: spawner.user.stopped == [""])
    assert proxy.deleted == ["founder"]


async def test_a_route_that_could_not_be_deleted_is_deleted_with_the_job(spawner, slurm, proxy, monkeypatch):
    await started(spawner, slurm)
    spawner.add_poll_callback(proxy.delete_user, spawner.user, "")

    async def fail(_user, _server_name):
        raise OSError("the proxy does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(proxy, "delete_user", fail)
        with pytest.raises(OSError, match="proxy"):
            await spawner.take_farewell(Farewell.FINISHED)
    slurm.end(7, "COMPLETED")
    await until(lambda: proxy.deleted == ["founder"])


async def test_an_ending_job_has_no_route_however_long_it_takes(spawner, slurm, here, proxy, monkeypatch):
    monkeypatch.setattr(slurm_queries, "SETTLING_SECONDS", (60.0,))
    await started(spawner, slurm)
    before = here.queue.calls
    slurm.jobs[7] = replace(slurm.jobs[7], state="COMPLETING")
    await until(lambda: proxy.deleted)
    assert proxy.deleted == ["founder"]
    assert here.queue.calls - before <= 3, "the shared list of jobs shows it"


async def test_many_servers_that_end_at_once_are_seen_in_one_list(make, slurm, here, monkeypatch):
    monkeypatch.setattr(slurm_queries, "SETTLING_SECONDS", (60.0,))
    monkeypatch.setattr(gateway.AtriumSpawner, "server", SimpleNamespace(url="http://10.0.0.1:34567/", port=34567))
    spawners = [make() for _ in range(20)]
    for spawner in spawners:
        await started(spawner, slurm)
    before = here.queue.calls
    slurm.jobs = {number: replace(job, state="COMPLETING") for number, job in slurm.jobs.items()}
    await until(lambda: all(spawner.user.settings["proxy"].deleted for spawner in spawners))
    assert here.queue.calls - before <= 4


async def test_a_running_server_keeps_its_route_whatever_else_happens(spawner, slurm, here, proxy):
    await started(spawner, slurm)
    slurm.silent = True
    await until(lambda: here.queue.error)
    slurm.silent = False
    await until(lambda: not here.queue.error)
    slurm.jobs[7] = replace(slurm.jobs[7], reason="changed")
    await asyncio.sleep(0.2)
    assert (proxy.deleted, spawner.pending) == ([], None)


async def test_a_server_that_says_farewell_and_stays_is_ended(spawner, slurm, here, proxy, monkeypatch):
    stopped = []

    async def stop(user, name) -> None:
        await spawner.stop()
        stopped.append(user.name)

    monkeypatch.setattr(recovery, "stopped", stop)
    monkeypatch.setattr(server_job, "FAREWELL_SECONDS", (0.01, 0.01))
    await started(spawner, slurm)
    await spawner.take_farewell(Farewell.IDLE)
    await until(lambda: stopped)
    await until(lambda: slurm.terminated == [7])
    [attempt] = await attempts(here)
    assert attempt.ending is Ending.IDLE, "the reason that the server gave"


async def test_a_server_without_slurms_process_is_ended_soon(spawner, slurm, here, proxy, monkeypatch):
    stopped = []

    async def stop(user, name) -> None:
        await spawner.stop()
        stopped.append(user.name)

    monkeypatch.setattr(recovery, "stopped", stop)
    monkeypatch.setattr(server_job, "FAREWELL_SECONDS", (0.01, 0.01, 3600.0))
    await started(spawner, slurm)
    await spawner.take_farewell(Farewell.UNATTENDED)
    await until(lambda: stopped)
    [attempt] = await attempts(here)
    assert attempt.ending is Ending.NODE_FAILED and "process" in attempt.message


async def test_a_farewell_said_again_and_again_is_looked_into_once(spawner, slurm, here, monkeypatch):
    looked = []

    async def look(_job) -> None:
        looked.append(1)
        await asyncio.sleep(60)

    monkeypatch.setattr(ServerJob, "_check_farewell", look)
    await started(spawner, slurm)
    for _ in range(100):
        await spawner.take_farewell(Farewell.IDLE)
        await asyncio.sleep(0)
    assert len(looked) == 1
    spawner.job._farewell_check.cancel()


async def test_a_farewell_of_the_node_that_was_taken_away_says_nothing_of_the_next(spawner, slurm, here):
    start = asyncio.create_task(spawner.start())
    await until(lambda: spawner.job_id)
    slurm.run(7)
    await until(lambda: spawner.job.stage == "starting")
    await spawner.take_farewell(Farewell.FINISHED)
    slurm.jobs[7] = replace(slurm.jobs[7], state="PENDING", node="")
    await until(lambda: spawner.job.stage == "waiting")
    slurm.run(7, "cpu2")
    await until(lambda: spawner.job.stage == "starting")
    slurm.end(7, "FAILED", "70:0")
    with pytest.raises(SpawnException):
        await start
    [attempt] = await attempts(here)
    assert attempt.ending is Ending.HUB_UNREACHABLE


async def test_a_link_starts_nothing(spawner):
    with pytest.raises(SpawnException) as refused:
        spawner.options_from_query({"cpus": ["4"]})
    text, _ = format_exception(refused.value)
    assert text == "A link cannot start a notebook. Choose, and press Start notebook."


# -- accounts ---------------------------------------------------------------------------------------------------------


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
