"""Credentials of a server's clusters."""

from __future__ import annotations

from typing import Any

from spawners.node import keys
from spawners.node.place import CERTIFICATE, KEY, Place


def test_keys_are_made_once_and_closed_to_others(place: Place) -> None:
    keys.ensure(place)
    first = (place.keys / KEY).read_bytes()
    keys.ensure(place)

    assert (place.keys / KEY).read_bytes() == first
    assert place.keys.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in place.keys.iterdir()} == {CERTIFICATE: 0o600, KEY: 0o600}
    assert set(keys.variables(place).values()) == {str(place.keys / CERTIFICATE), str(place.keys / KEY)}
    keys.remove(place)
    assert not place.keys.exists()


async def test_dask_takes_the_keys(place: Place) -> None:
    from dask.distributed import Client, LocalCluster

    from spawners.dask.cluster import security

    keys.ensure(place)
    options: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    async with LocalCluster(security=security(place), protocol="tls://", asynchronous=True, **options) as cluster:  # type: ignore[no-untyped-call]
        assert cluster.scheduler_address.startswith("tls://")
        async with Client(cluster, asynchronous=True) as client:  # type: ignore[no-untyped-call]
            assert await client.submit(sum, [1, 2]) == 3
