"""Validation compared with a real Slurm: it refuses what Atrium refuses, and accepts what Atrium offers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.errors import InvalidInput, SlurmError
from hub.settings import Slurm
from hub.slurm import naming
from hub.slurm.client import SlurmClient
from hub.slurm.cluster import Cluster, ClusterWatcher
from spawners.job import script
from spawners.job.request import SpawnRequest
from spawners.options import validation
from spawners.options.offer import offer_for
from tests.deployment import Deployment
from tests.slurm.conftest import ACCOUNT
from tests.slurm.test_client import until

pytestmark = pytest.mark.slurm


@pytest.fixture
async def account(slurm: SlurmClient, founder: str) -> str:
    await slurm.ensure_account(ACCOUNT, description="Green steel", cpu_minutes=60000, gpu_minutes=6000)
    await slurm.ensure_members(ACCOUNT, [founder])
    return ACCOUNT


async def look(slurm: SlurmClient) -> Cluster:
    return await ClusterWatcher(slurm, seconds=60).look()


@contextmanager
def set_for_a_while(deployment: Deployment, *what: str, back: tuple[str, ...]) -> Iterator[None]:
    """A limit in Slurm's accounts, taken back whatever happens."""
    deployment.run("sacctmgr", "--immediate", "modify", *what)
    try:
        yield
    finally:
        deployment.run("sacctmgr", "--immediate", "modify", *back, check=False)


def request(**changes: object) -> SpawnRequest:
    return SpawnRequest.model_validate({"account": ACCOUNT, "partition": "notebooks", **changes})


def rendered(deployment: Deployment, choice: SpawnRequest, user: str) -> str:
    """The script that would be submitted, for a home that is there."""
    home = deployment.prefix / "home" / user
    comment = naming.server_comment(deployment.settings.spawn.gateway, user, "")
    settings = deployment.settings
    partition = settings.slurm.dask_partition
    return script.render(choice, comment=comment, home=home, settings=settings, dask_partition=partition)


async def refused_by_us(deployment: Deployment, slurm: SlurmClient, choice: SpawnRequest, user: str) -> InvalidInput:
    have = offer_for(await look(slurm), user=user, groups=(), settings=deployment.settings, now=datetime.now(UTC))
    with pytest.raises(InvalidInput) as refused:
        validation.check(choice, have)
    return refused.value


async def refused_by_slurm(deployment: Deployment, slurm: SlurmClient, choice: SpawnRequest, user: str) -> None:
    """At submit, or by never letting it start: a limit of the account without DenyOnLimit only holds the job."""
    try:
        job_id = await slurm.submit(rendered(deployment, choice, user), user=user, environment={})
    except SlurmError:
        return

    async def held() -> bool:
        job = await slurm.job(job_id)
        return job is not None and job.reason.startswith(("Assoc", "QOS", "MaxGRES", "PartitionTimeLimit"))

    try:
        await until(held)
    finally:
        await slurm.cancel(job_id, user=user)


async def test_the_cluster_as_the_demo_lays_it_down(slurm: SlurmClient, account: str, founder: str) -> None:
    cluster = await look(slurm)
    assert cluster.error == ""
    assert {"notebooks", "short", "batch", "gpu"} <= {partition.name for partition in cluster.partitions}
    assert {gpus.kind: gpus.total for node in cluster.nodes for gpus in node.gpus} == {"a100": 4, "l40s": 4}
    assert cluster.usage[account].cpu.limit == 60000
    assert (account, founder) in {(association.account, association.user) for association in cluster.associations}


@pytest.mark.parametrize(
    ("changes", "field", "giver"),
    [
        ({"minutes": 721}, "minutes", "“notebooks” gives"),
        ({"partition": "short", "minutes": 61}, "minutes", "“short” gives"),
        ({"partition": "batch", "qos": "flexible", "minutes": 241}, "minutes", "“flexible” gives"),
        ({"cpus": 17}, "cpus", "a node of “notebooks” has"),
        ({"memory_gb": 40}, "memory_gb", "a node of “notebooks” has"),
        ({"partition": "gpu", "gpus": 5}, "gpus", "a node of “gpu” has"),
        ({"partition": "gpu", "gpus": 1, "gpu_type": "h100"}, "gpu_type", "no GPU of the kind “h100”"),
        ({"qos": "transfer"}, "qos", "“transfer” cannot be used"),
        ({"account": "demo-of-others"}, "account", "You cannot use the project"),
        ({"reservation": "nowhere"}, "reservation", "“nowhere” is not open"),
        ({"cpus": 16, "minutes": 720, "partition": "notebooks"}, "minutes", "of CPU time left"),
    ],
)
async def test_a_refusal_of_ours_is_one_of_slurm_s(
    deployment: Deployment,
    slurm: SlurmClient,
    account: str,
    founder: str,
    changes: dict[str, object],
    field: str,
    giver: str,
) -> None:
    if giver == "of CPU time left":
        await slurm.ensure_account(ACCOUNT, description="little", cpu_minutes=600, gpu_minutes=60)
        await budget_is(slurm, 600)
    error = await refused_by_us(deployment, slurm, request(**changes), founder)
    assert error.field == field
    assert giver in error.message
    await refused_by_slurm(deployment, slurm, request(**changes), founder)


async def test_a_limit_of_the_association(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str
) -> None:
    where = ("user", "where", f"name={founder}", f"account={ACCOUNT}", "set")
    with set_for_a_while(deployment, *where, "maxtres=cpu=3", back=(*where, "maxtres=cpu=-1")):
        error = await refused_by_us(deployment, slurm, request(partition="batch", cpus=4), founder)
        assert f"the project “{ACCOUNT}” gives one job (3)" in error.message
        await refused_by_slurm(deployment, slurm, request(partition="batch", cpus=4), founder)


async def test_a_limit_of_the_account_at_a_time(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str
) -> None:
    where = ("account", "where", f"name={ACCOUNT}", "set")
    with set_for_a_while(deployment, *where, "grptres=cpu=5", back=(*where, "grptres=cpu=-1")):
        error = await refused_by_us(deployment, slurm, request(cpus=6), founder)
        assert f"the project “{ACCOUNT}” may use at a time (5)" in error.message
        await refused_by_slurm(deployment, slurm, request(cpus=6), founder)


async def test_a_limit_of_the_qos_of_a_partition(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str
) -> None:
    where = ("qos", "where", "name=notebook", "set")
    with set_for_a_while(
        deployment, *where, "maxtresperuser=cpu=4,mem=64G", back=(*where, "maxtresperuser=cpu=16,mem=64G")
    ):
        error = await refused_by_us(deployment, slurm, request(cpus=5), founder)
        assert "“notebooks” gives one person (4)" in error.message
        await refused_by_slurm(deployment, slurm, request(cpus=5), founder)


@pytest.fixture
async def workshop(deployment: Deployment, founder: str) -> AsyncIterator[str]:
    name = "lesson"
    deployment.run(
        *("scontrol", "create", "reservation", f"reservationname={name}", "starttime=now", "duration=60"),
        *("partition=notebooks", f"users={founder}", "corecnt=4", "nodes=cpu3", "flags=ignore_jobs"),
    )
    yield name
    deployment.run("scontrol", "delete", f"reservationname={name}", check=False)


async def test_a_reservation_is_offered_to_whom_it_is_for_and_ends_in_time(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str, workshop: str
) -> None:
    cluster = await look(slurm)
    now = datetime.now(UTC)
    have = offer_for(cluster, user=founder, groups=(), settings=deployment.settings, now=now)
    assert [reservation.name for reservation in have.reservations] == [workshop]
    other = deployment.person("colleague")
    assert not offer_for(cluster, user=other, groups=(), settings=deployment.settings, now=now).reservations
    validation.check(request(reservation=workshop, minutes=30), have)
    trial = await slurm.trial(
        rendered(deployment, request(reservation=workshop, minutes=30), founder), user=founder, environment={}
    )
    assert trial.nodes == "cpu3"
    error = await refused_by_us(deployment, slurm, request(reservation=workshop, minutes=120), founder)
    assert "is left of the reservation" in error.message


async def test_a_trial_tells_when_and_where_and_starts_nothing(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str
) -> None:
    before = set(deployment.jobs_of(founder))  # those of the last test may be ending still
    choice = request(partition="gpu", gpus=2, gpu_type="l40s", cpus=2)
    trial = await slurm.trial(rendered(deployment, choice, founder), user=founder, environment={})
    assert (trial.nodes, trial.partition) == ("gpu2", "gpu")
    assert abs((trial.start - datetime.now(UTC)).total_seconds()) < 600
    with pytest.raises(SlurmError):
        await slurm.trial(rendered(deployment, request(minutes=721), founder), user=founder, environment={})
    assert set(deployment.jobs_of(founder)) <= before


async def test_a_silent_slurm_keeps_the_last_view(deployment: Deployment, slurm: SlurmClient, tmp_path: Path) -> None:
    watcher = ClusterWatcher(slurm, seconds=60)
    before = await watcher.look()
    watcher._source = SlurmClient(Slurm(conf=tmp_path / "nowhere.conf", deadline_seconds=5))
    await watcher._ask()
    assert watcher.cluster.error
    assert (watcher.cluster.nodes, watcher.cluster.as_of) == (before.nodes, before.as_of)


async def budget_is(slurm: SlurmClient, minutes: int) -> None:
    async def seen() -> bool:
        return (await slurm.account_hours())[ACCOUNT].cpu.limit == minutes

    await until(seen)
