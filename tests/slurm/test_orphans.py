"""Jobs that no server owns, on a real Slurm."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from hub.audit import service as audit
from hub.db.base import Base
from hub.servers import service
from hub.servers.models import Ending, Verdict
from hub.settings import Slurm, Spawn
from hub.slurm.client import SlurmClient
from hub.slurm.cluster import ClusterWatcher
from hub.slurm.jobs import Job
from hub.slurm.queue import QueueWatcher
from spawners.job.ledger import Ledger
from spawners.job.orphans import Sweep
from spawners.job.site import Site
from tests.deployment import Deployment
from tests.slurm.conftest import ACCOUNT
from tests.slurm.test_client import script, until

pytestmark = pytest.mark.slurm

GATEWAY = "orphanage"


@pytest.fixture
async def site(deployment: Deployment, slurm: SlurmClient, founder: str, tmp_path: Path) -> AsyncIterator[Site]:
    await slurm.ensure_account(ACCOUNT, description="Green steel", cpu_minutes=6000, gpu_minutes=600)
    await slurm.ensure_members(ACCOUNT, [founder])
    url = f"sqlite:///{tmp_path}/atrium.sqlite"
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    spawn = Spawn(gateway=GATEWAY, orphan_seconds=0)
    settings = deployment.settings.model_copy(update={"spawn": spawn, "slurm": Slurm(conf=deployment.slurm_conf)})
    queue = QueueWatcher(slurm, f"{GATEWAY}-notebook", waiting_seconds=1, idle_seconds=1)
    yield Site(settings, slurm, queue, Ledger(url), ClusterWatcher(slurm, seconds=60))


async def job(site: Site, founder: str, comment: str) -> int:
    directives = (f"--job-name={GATEWAY}-notebook", f"--comment={comment}", "--begin=now+1hour")
    return await site.slurm.submit(script(*directives), user=founder, environment={})


async def workers(site: Site) -> set[int]:
    return {job.id for job in await site.slurm.queue(f"{GATEWAY}-dask") if not job.is_over}


async def queued(site: Site) -> dict[int, Job]:
    snapshot = await site.queue.fresh(time.monotonic())
    assert snapshot is not None
    return {number: job for number, job in snapshot.jobs.items() if not job.is_over}


async def test_only_what_nobody_owns_is_cancelled(site: Site, founder: str) -> None:
    attempt = await site.ledger.run(
        service.begin, gateway=GATEWAY, person=founder, os_account=founder, server="", request={"account": ACCOUNT}
    )
    owned = await job(site, founder, f"{GATEWAY}:notebook:{founder}::{attempt.id}:{attempt.nonce}")
    unnumbered = await site.ledger.run(
        service.begin, gateway=GATEWAY, person=founder, os_account=founder, server="b", request={"account": ACCOUNT}
    )
    just_submitted = await job(site, founder, f"{GATEWAY}:notebook:{founder}:b:{unnumbered.id}:{unnumbered.nonce}")
    anothers = await job(site, founder, f"elsewhere:{founder}::99")
    own_name = await job(site, founder, "my-own-words")
    orphan = await job(site, founder, f"{GATEWAY}:notebook:{founder}::99:0a1b2c3d")
    guessed = await job(site, founder, f"{GATEWAY}:notebook:{founder}::{attempt.id}:0a1b2c3d")
    of_before = await job(site, founder, f"{GATEWAY}:{founder}::99")
    await site.ledger.run(service.submitted, attempt.id, owned)
    await queued(site)

    await Sweep(site).round()

    async def gone() -> bool:
        return not {orphan, guessed, of_before} & set(await queued(site))

    await until(gone)
    assert {owned, just_submitted, anothers, own_name} <= set(await queued(site))


async def test_an_orphan_is_only_reported_at_first(site: Site, founder: str, caplog: pytest.LogCaptureFixture) -> None:
    attempt = await site.ledger.run(
        service.begin, gateway=GATEWAY, person=founder, os_account=founder, server="", request={"account": ACCOUNT}
    )
    await site.ledger.run(service.ended, attempt.id, Verdict(ending=Ending.STOPPED, message=""))
    orphan = await job(site, founder, f"{GATEWAY}:notebook:{founder}::{attempt.id}:{attempt.nonce}")
    patient = site.settings.model_copy(update={"spawn": Spawn(gateway=GATEWAY, orphan_seconds=300)})
    await queued(site)

    await Sweep(replace(site, settings=patient)).round()

    assert orphan in await queued(site)
    assert f"orphan job found: {orphan} of {founder}" in caplog.text
    events = await site.ledger.run(audit.events, on=f"job {orphan}")
    assert [event.what for event in events] == ["orphan job found"]


async def test_while_slurm_is_silent_nothing_is_an_orphan(site: Site, founder: str) -> None:
    orphan = await job(site, founder, f"{GATEWAY}:{founder}::99")
    await queued(site)
    impatient = SlurmClient(Slurm(conf=site.settings.slurm.conf, deadline_seconds=0.001))
    site.queue._client = impatient
    assert await site.queue.fresh(time.monotonic()) is None

    await Sweep(site).round()

    site.queue._client = site.slurm
    assert orphan in await queued(site)


async def test_workers_of_a_server_that_is_gone_are_cancelled(site: Site, founder: str) -> None:
    attempt = await site.ledger.run(
        service.begin, gateway=GATEWAY, person=founder, os_account=founder, server="", request={"account": ACCOUNT}
    )

    async def worker(comment: str) -> int:
        directives = (f"--job-name={GATEWAY}-dask", f"--comment={comment}", "--begin=now+1hour")
        return await site.slurm.submit(script(*directives), user=founder, environment={})

    owned = await worker(f"{GATEWAY}:dask:{founder}::{attempt.id}:{attempt.nonce}:dask-1")
    anothers = await worker(f"elsewhere:{founder}::99:dask-1")
    pretended = await worker(f"{GATEWAY}:dask:somebody::99:0a1b2c3d:dask-1")
    orphan = await worker(f"{GATEWAY}:dask:{founder}:b:99:0a1b2c3d:dask-1")
    of_before = await worker(f"{GATEWAY}:{founder}:b:99:dask-1")

    await Sweep(site).round_of_workers()

    async def gone() -> bool:
        return not {orphan, of_before} & await workers(site)

    await until(gone)
    assert {owned, anothers, pretended} <= await workers(site)


async def test_a_comment_ends_nobody_else_s_worker(site: Site, founder: str, deployment: Deployment) -> None:
    """A line break in it makes a row of its own in what ``squeue`` prints."""
    colleague = deployment.person("colleague")
    await site.slurm.ensure_members(ACCOUNT, [founder, colleague])
    name, later = f"--job-name={GATEWAY}-dask", "--begin=now+1hour"
    victim = await site.slurm.submit(script(name, later, "--comment=elsewhere"), user=founder, environment={})
    forged = f"x\n{victim}|{founder}|{GATEWAY}:dask:{founder}::99:0a1b2c3d:dask-1\n"
    forged += f"{victim}|{GATEWAY}:dask:{founder}::99:0a1b2c3d:dask-1"
    own_job = ["sbatch", f"--account={ACCOUNT}", name, later, "--chdir=/tmp", f"--comment={forged}", "--wrap=true"]
    deployment.run("runuser", "-u", colleague, "--", *own_job)

    sweep = Sweep(site)
    await sweep.round_of_workers()

    assert victim in sweep.comments
    assert sweep.workers == {}
    assert victim in await workers(site)


async def test_workers_of_a_server_that_is_gone_are_left_a_while(site: Site, founder: str) -> None:
    directives = (f"--job-name={GATEWAY}-dask", f"--comment={GATEWAY}:{founder}::99:dask-1", "--begin=now+1hour")
    orphan = await site.slurm.submit(script(*directives), user=founder, environment={})
    patient = site.settings.model_copy(update={"spawn": Spawn(gateway=GATEWAY, orphan_seconds=300)})
    sweep = Sweep(replace(site, settings=patient))

    await sweep.round_of_workers()

    assert orphan in await workers(site)
    assert orphan in sweep.workers
