"""The shared view of the cluster: number of calls, and behaviour without an answer."""

import asyncio

import pytest

from hub.errors import SlurmError, SlurmUnavailable
from hub.slurm import cluster
from hub.slurm.cluster import SELDOM, ClusterWatcher, Node, Partition


class Slurm:
    """Answers, counts, waits where told to, and can fall silent."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.silent = False
        self.no_accounts = False
        self.free = 4
        self.gate = asyncio.Event()
        self.gate.set()

    async def _answer(self, name, value):
        self.queries.append(name)
        await self.gate.wait()
        if self.silent:
            raise SlurmUnavailable("Slurm has not answered for 15 s (sinfo).")
        if self.no_accounts and name in ("qos", "associations"):
            raise SlurmError("You are not running a supported accounting_storage plugin")
        return value

    async def nodes(self):
        return await self._answer("nodes", (Node("n1", "idle", True, ("p",), 4, self.free, 1024, 1024),))

    async def partitions(self):
        return await self._answer("partitions", (Partition("p"),))

    async def reservations(self):
        return await self._answer("reservations", ())

    async def qos(self):
        return await self._answer("qos", ())

    async def associations(self):
        return await self._answer("associations", ())

    async def account_hours(self):
        return await self._answer("usage", {})


@pytest.fixture
def slurm():
    return Slurm()


async def test_slurm_is_not_queried_while_nobody_looks(slurm):
    ClusterWatcher(slurm, seconds=0.001)
    await asyncio.sleep(0)
    assert slurm.queries == []


async def test_simultaneous_views_share_their_queries(slurm):
    watcher = ClusterWatcher(slurm, seconds=60)
    views = await asyncio.gather(*(watcher.look() for _ in range(50)))
    assert len(slurm.queries) == 6
    assert {view.partitions for view in views} == {(Partition("p"),)}
    await watcher.look()
    assert len(slurm.queries) == 6


async def test_rarely_changing_data_is_queried_rarely(slurm):
    watcher = ClusterWatcher(slurm, seconds=60)
    for _ in range(SELDOM):
        await watcher._ask()
    assert (slurm.queries.count("nodes"), slurm.queries.count("qos")) == (SELDOM, 1)


async def test_silence_keeps_what_was_known_and_says_so(slurm):
    watcher = ClusterWatcher(slurm, seconds=60)
    before = await watcher.look()
    slurm.silent = True
    await watcher._ask()
    after = await watcher.look()
    assert (after.nodes, after.as_of) == (before.nodes, before.as_of)
    assert "has not answered" in after.error
    slurm.silent = False
    await watcher._ask()
    assert watcher.cluster.error == ""


async def test_a_silent_slurm_is_not_waited_for_by_everybody(slurm):
    slurm.silent = True
    watcher = ClusterWatcher(slurm, seconds=60)
    assert (await watcher.look()).as_of is None
    count = len(slurm.queries)
    slurm.gate.clear()
    async with asyncio.timeout(1):
        assert (await watcher.look()).error
    assert len(slurm.queries) == count


async def test_a_page_does_not_wait_long_for_a_slurm_that_hangs(slurm, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.01)
    watcher = ClusterWatcher(slurm, seconds=60)
    before = await watcher.look()
    watcher._heard_at = watcher._asked_at = float("-inf")  # long ago
    slurm.gate.clear()
    async with asyncio.timeout(5):
        assert (await watcher.look()).as_of == before.as_of
    slurm.gate.set()


async def test_a_slurm_without_accounts_is_no_silence(slurm):
    slurm.no_accounts = True
    view = await ClusterWatcher(slurm, seconds=60).look()
    assert (view.accounting, view.error) == (False, "")
    assert view.as_of is not None


async def test_whoever_has_just_got_a_project_is_not_told_an_old_answer(slurm):
    watcher = ClusterWatcher(slurm, seconds=60)
    await watcher.look()
    slurm.free = 1
    fresh = await watcher.look(since=asyncio.get_running_loop().time())
    assert fresh.nodes[0].cpus_free == 1


async def test_the_view_is_kept_fresh_while_somebody_has_looked(slurm):
    watcher = ClusterWatcher(slurm, seconds=0.01)
    await watcher.look()
    async with asyncio.timeout(5):
        while slurm.queries.count("nodes") < 3:
            await asyncio.sleep(0.005)
    watcher._looked_at = float("-inf")
    async with asyncio.timeout(5):
        await watcher._background
