"""Links fill in the form and start nothing; every start is validated."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

import pytest
from jupyterhub import handlers
from jupyterhub.handlers.pages import SpawnHandler

from hub.errors import InvalidInput
from hub.slurm.cluster import Cluster
from spawners.job.request import SpawnRequest
from spawners.options import page as spawn_page
from tests.spawners.cluster import CLUSTER, SETTINGS, changed


class Watcher:
    """The view of the tests, and how often it was looked for anew."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.anew = 0

    async def look(self, *, since: float = float("-inf")) -> Cluster:
        self.anew += since > 0
        return self.cluster


@pytest.fixture
def watcher(monkeypatch):
    cluster_watcher = Watcher(CLUSTER)
    monkeypatch.setattr(spawn_page, "site", lambda: SimpleNamespace(settings=SETTINGS, cluster=cluster_watcher))
    return cluster_watcher


def link(**query: str) -> spawn_page.SpawnPage:
    page = spawn_page.SpawnPage.__new__(spawn_page.SpawnPage)
    assert page._get_user_options({name.replace("_", "-"): [value] for name, value in query.items()}) == {}
    return page


def test_a_link_starts_nothing_whatever_it_says():
    assert link(**{"opt-cpus": "4", "opt-cmd": "id"}).link == {"cpus": "4", "cmd": "id"}
    assert link(profile="small").link == {"profile": "small"}
    assert link(utm_source="mail").link is None
    assert link(cmd="id").link is None


async def test_valid_options_are_accepted_and_others_refused(watcher):
    request = await spawn_page.accepted("founder", {"profile": "one-gpu"})
    assert (request.account, request.partition, request.gpus) == ("demo", "gpu", 1)
    for refused in ({"cpus": 17}, {"account": "steel"}, {"cmd": "id"}, {"profile": "x"}, {"cpus": "1\n#SBATCH"}):
        with pytest.raises(InvalidInput):
            await spawn_page.accepted("founder", refused)


async def test_somebody_new_is_looked_for_anew_before_being_told_that_there_is_no_project(watcher):
    with pytest.raises(InvalidInput) as refused:
        await spawn_page.accepted("stranger", {})
    assert refused.value.field == "account"
    assert watcher.anew == 1
    await spawn_page.accepted("founder", {})
    assert watcher.anew == 1


async def test_an_account_that_the_directory_does_not_know_has_no_groups():
    assert spawn_page._groups_of("nobody-has-this-name") == frozenset()
    assert "root" in spawn_page._groups_of("root")


def spawner(own=None, others=()):
    return SimpleNamespace(
        orm_spawner=SimpleNamespace(user_options=own),
        user=SimpleNamespace(orm_user=SimpleNamespace(_orm_spawners=others)),
    )


def test_the_last_choice_is_the_server_s_own_or_the_person_s_latest():
    early = SimpleNamespace(user_options={"cpus": 1}, started=datetime(2026, 1, 1))
    late = SimpleNamespace(user_options={"cpus": 2}, started=datetime(2026, 2, 1))
    never = SimpleNamespace(user_options={"cpus": 3}, started=None)
    assert spawn_page.last_choice(spawner({"cpus": 9}, [early])) == {"cpus": 9}
    assert spawn_page.last_choice(spawner({}, [late, early, never])) == {"cpus": 2}
    assert spawn_page.last_choice(spawner(None)) == {}


def test_jupyterhubs_page_is_replaced():
    spawn_page.install()
    spawn_page.install()
    pages = handlers.default_handlers
    assert SpawnHandler not in [entry[1] for entry in pages]
    assert [entry[1] for entry in pages].count(spawn_page.SpawnPage) == 3
    assert [entry[0] for entry in pages].count(spawn_page.ESTIMATE) == 1


# -- Dask -------------------------------------------------------------------------------------------------------------


async def test_dask_workers_get_a_partition_that_the_project_has(watcher):
    request = SpawnRequest(account="demo", partition="notebooks")
    assert await spawn_page.dask_partition("founder", request) == "batch"
    watcher.cluster = changed("partitions", "batch", allow_accounts=frozenset({"another"}))
    assert await spawn_page.dask_partition("founder", request) == "notebooks"
    watcher.cluster = Cluster()
    assert await spawn_page.dask_partition("founder", request) == "batch", "while nothing is known"
