"""Fixtures: the environment of a server's job."""

from __future__ import annotations

from pathlib import Path

import pytest

from spawners.node.job_context import JobContext


@pytest.fixture
def context(tmp_path: Path) -> JobContext:
    return JobContext.from_environment(
        {
            "HOME": str(tmp_path),
            "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
            "ATRIUM_JOB_ID": "7",
            "ATRIUM_JOB_ACCOUNT": "steel",
            "DASK_JOBQUEUE__SLURM__QUEUE": "batch",
            "ATRIUM_COMMENT": "atrium:notebook:maria::12:0a1b2c3d",
            "JUPYTERHUB_SERVICE_PREFIX": "/user/maria/",
        }
    )
