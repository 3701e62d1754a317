"""Credentials of a server's clusters."""

from __future__ import annotations

from typing import Any

from spawners.node import keys
from spawners.node.job_context import CERTIFICATE, KEY, JobContext


def test_keys_are_made_once_and_closed_to_others(context: JobContext) -> None:
    keys.ensure(context)
    first = (context.keys / KEY).read_bytes()
    keys.ensure(context)

    assert (context.keys / KEY).read_bytes() == first
    assert context.keys.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in context.keys.iterdir()} == {
        CERTIFICATE: 0o600,
        KEY: 0o600,
    }
    assert set(keys.variables(context).values()) == {str(context.keys / CERTIFICATE), str(context.keys / KEY)}
    keys.remove(context)
    assert not context.keys.exists()


async def test_dask_takes_the_keys(context: JobContext) -> None:
    from dask.distributed import Client, LocalCluster

    from spawners.dask.cluster import security

    keys.ensure(context)
    options: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    async with LocalCluster(security=security(context), protocol="tls://", asynchronous=True, **options) as cluster:  # type: ignore[no-untyped-call]
        assert cluster.scheduler_address.startswith("tls://")
        async with Client(cluster, asynchronous=True) as client:  # type: ignore[no-untyped-call]
            assert await client.submit(sum, [1, 2]) == 3
