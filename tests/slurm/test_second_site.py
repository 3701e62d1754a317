"""A Slurm that differs from the demo's in what sites differ in: offers, limits, accounts beside another cluster's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product

import pytest

from hub.errors import InvalidInput, SlurmError, SlurmUnavailable
from hub.settings import Settings
from hub.slurm import naming
from hub.slurm.client import SlurmClient
from hub.slurm.cluster import ClusterWatcher
from spawners.job import script
from spawners.job.request import SpawnRequest
from spawners.options import validation
from spawners.options.offer import Offer, offer_for
from tests.deployment import Deployment
from tests.second_site import ACCOUNTS, CLUSTER, NODES, QOS, Site, second_site
from tests.slurm.test_client import until

pytestmark = pytest.mark.slurm

OPEN_ACCOUNTS = ("physics", "theory", "left", "arts")
"""The person is barred in ``left``; the demo's QOS ``normal``, which both clusters share, overrules that."""
PARTITIONS = ("interactive", "main", "accelerated", "members", "physicists", "others")
CHOICES = (
    *product(OPEN_ACCOUNTS, PARTITIONS, ("", *QOS)),
    *product({name for name, *_ in ACCOUNTS} - {*OPEN_ACCOUNTS}, ("main",), ("", "long")),
)


@pytest.fixture(scope="module")
def site(deployment: Deployment) -> Iterator[Site]:
    with second_site(deployment, deployment.person("founder")) as started:
        yield started


@pytest.fixture
def lakes(site: Site) -> SlurmClient:
    return SlurmClient(site.settings)


@pytest.fixture
def settings(site: Site) -> Settings:
    return site.deployment.settings.model_copy(update={"slurm": site.settings})


async def offered(lakes: SlurmClient, settings: Settings, user: str) -> Offer:
    cluster = await ClusterWatcher(lakes, seconds=60).look()
    assert cluster.error == ""
    return offer_for(cluster, user=user, groups=(), settings=settings, now=datetime.now(UTC))


def request(account: str, partition: str, qos: str = "", **changes: object) -> SpawnRequest:
    values = {"account": account, "partition": partition, "qos": qos, "cpus": 1, "memory_gb": 1, "minutes": 5}
    return SpawnRequest.model_validate(values | changes)


async def refusal(site: Site, lakes: SlurmClient, settings: Settings, user: str, choice: SpawnRequest) -> str:
    """Why Slurm refuses a job of this choice; "" if it would take it."""
    comment = naming.server_comment(settings.spawn.gateway, user, "")
    home = site.deployment.prefix / "home" / user
    text = script.render(choice, comment=comment, home=home, dask_partition=choice.partition, settings=settings)
    try:
        await lakes.trial(text, user=user, environment={})
    except SlurmUnavailable:
        raise
    except SlurmError as error:
        return error.message
    return ""


async def test_everything_that_slurm_takes_is_offered_and_nothing_else(
    site: Site, lakes: SlurmClient, settings: Settings, founder: str
) -> None:
    offer = await offered(lakes, settings, founder)
    wrong = []
    for account, partition, qos in CHOICES:
        choice = request(account, partition, qos)
        why = await refusal(site, lakes, settings, founder, choice)
        if validation.is_fine(choice, offer) == bool(why):
            wrong.append((account, partition, qos, why or "Slurm takes it"))
    assert wrong == []
    assert {project.account for project in offer.projects} == set(OPEN_ACCOUNTS)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cpus": 9}, "cpus"),
        ({"memory_gb": 17}, "memory_gb"),
        ({"minutes": 481}, "minutes"),
        ({"partition": "accelerated", "qos": "long", "gpus": 3}, "gpus"),
        ({"partition": "notebooks"}, "partition"),
        ({"partition": "batch"}, "partition"),
    ],
)
async def test_a_refusal_of_ours_is_one_of_slurms(
    site: Site, lakes: SlurmClient, settings: Settings, founder: str, changes: dict[str, object], field: str
) -> None:
    choice = request("physics", "interactive").model_copy(update=changes)
    offer = await offered(lakes, settings, founder)
    with pytest.raises(InvalidInput) as refused:
        validation.check(choice, offer)
    assert refused.value.field == field
    assert await refusal(site, lakes, settings, founder, choice)


async def test_what_is_left_open_is_filled_in_for_the_site(
    lakes: SlurmClient, settings: Settings, founder: str
) -> None:
    """The person's own account comes before the default one; one whose only QOS have to be named gets one of them."""
    offer = await offered(lakes, settings, founder)
    assert settings.slurm.default_account == "physics"
    assert validation.complete({}, offer, settings).account == "arts"
    choice = validation.complete({"account": "theory", "minutes": 5, "cpus": 1, "memory_gb": 1}, offer, settings)
    assert (choice.partition, choice.qos) == ("interactive", "debug")
    validation.check(choice, offer)


async def test_a_reservation_for_an_account_is_for_those_below_it(
    site: Site, lakes: SlurmClient, settings: Settings, founder: str
) -> None:
    nodes = ("nodes=c1.lakes.example", "corecnt=2", "flags=ignore_jobs")
    name = site.run(
        "scontrol", "create", "reservation", "reservationname=lesson", "starttime=now", "duration=30", *nodes,
        "accounts=science",
    )  # fmt: skip
    assert "lesson" in name
    try:
        offer = await offered(lakes, settings, founder)
        for account in ("physics", "arts"):
            qos = "long" if account == "arts" else ""
            choice = request(account, "main", qos, reservation="lesson")
            why = await refusal(site, lakes, settings, founder, choice)
            assert validation.is_fine(choice, offer) == (not why) == (account == "physics"), (account, why)
    finally:
        site.run("scontrol", "delete", "reservationname=lesson")


async def test_times_nodes_and_ends_are_read(site: Site, lakes: SlurmClient, settings: Settings, founder: str) -> None:
    text = "#!/bin/sh\n#SBATCH --account=physics --job-name=lakes --output=/dev/null --time=5\nsleep 300\n"
    number = await lakes.submit(text, user=founder, environment={})

    async def running() -> object:
        return next((job for job in await lakes.queue("lakes") if job.id == number and job.state == "RUNNING"), None)

    await until(running)
    [job] = await lakes.queue("lakes")
    assert (job.node in NODES, job.partition) == (True, "main"), "no partition is named: Slurm's default"
    assert await lakes.node_address(job.node) == "127.0.0.1"
    assert job.start and job.end and (job.end - job.start).total_seconds() == 300
    await lakes.cancel(number, user=founder)

    async def over() -> bool:
        last = await lakes.job(number)
        return last is not None and last.is_over

    await until(over)


async def test_accounts_are_made_in_the_gateways_cluster_alone(
    site: Site, lakes: SlurmClient, slurm: SlurmClient, deployment: Deployment, founder: str
) -> None:
    colleague = deployment.person("colleague")

    def rows(cluster: str) -> set[str]:
        words = ("account=shared-name,call-lakes", f"cluster={cluster}", "format=account,user,grptresmins,grpsubmit")
        return set(site.sacctmgr("--noheader", "--parsable2", "show", "associations", *words).split())

    own = deployment.settings.spawn.gateway
    await slurm.ensure_account("shared-name", description="x", cpu_minutes=60, gpu_minutes=6)
    await slurm.ensure_members("shared-name", [founder])
    before = rows(own)
    try:
        await lakes.ensure_account("shared-name", description="x", cpu_minutes=1, gpu_minutes=1, parent="call-lakes")
        await lakes.ensure_members("shared-name", [founder, colleague])
        assert {row.split("|")[1] for row in rows(CLUSTER)} == {"", founder, colleague}
        assert await lakes.bar("shared-name", founder)
        await lakes.revoke("shared-name", colleague)
        assert f"shared-name|{founder}||0" in rows(CLUSTER)
        assert {row.split("|")[1] for row in rows(CLUSTER)} == {"", founder}
        assert "shared-name" not in await slurm.accounts_of(colleague)
        assert {(entry.account, entry.user) for entry in await slurm.associations()} & {("arts", founder)} == set()
        assert rows(own) == before
    finally:
        site.sacctmgr("remove", "account", "shared-name")
