"""Fixtures: a real Slurm without the other programs, and a client for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.slurm.client import SlurmClient
from tests.deployment import Deployment
from tests.temporary_deployment import running_copy


@pytest.fixture(scope="package")
def deployment() -> Iterator[Deployment]:
    with running_copy(only_slurm=True) as copy:
        yield copy


@pytest.fixture
def slurm(deployment: Deployment) -> SlurmClient:
    return SlurmClient(deployment.settings.slurm)


@pytest.fixture
def founder(deployment: Deployment) -> str:
    return deployment.person("founder")


@pytest.fixture(autouse=True)
def no_jobs_left(deployment: Deployment) -> Iterator[None]:
    """What a test submitted is gone before the next one counts."""
    yield
    for role in ("founder", "colleague"):
        deployment.run("scancel", "--quiet", f"--user={deployment.person(role)}")


ACCOUNT = "steel"
