"""Dask clusters without Slurm: times, job environment, scripts and limits."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from hub.dask.models import ClusterRequest, Shape, Size, TrainingRequest
from hub.errors import InvalidInput
from hub.slurm.cluster import Association, Cluster, Gpus, Limits, Node, Partition, Qos
from spawners.dask import limits, own_modules, slurm, training
from spawners.dask.limits import Hours
from spawners.dask.worker import Times
from spawners.node.job_context import JobContext

# -- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "minutes", "limit"),
    [(None, None, 7200), (None, 30, 1800), (4 * 3600, None, 7200), (1000, 60, 960), (10, 60, 60)],
)
def test_workers_end_with_the_server_at_the_latest(left: float | None, minutes: int | None, limit: int) -> None:
    times = Times.within(left, minutes)

    assert times.limit == limit
    assert times.lifetime + times.stagger < times.limit, "they leave before Slurm ends them"
    assert times.lifetime > 0


# -- jobs -------------------------------------------------------------------------------------------------------------


def test_a_worker_inherits_neither_tokens_nor_the_servers_job() -> None:
    environment = {
        "PATH": "/usr/bin",
        "SLURM_CONF": "/etc/slurm/slurm.conf",
        "SLURM_JOB_ID": "7",
        "SBATCH_ACCOUNT": "other",
        "JUPYTERHUB_API_TOKEN": "secret",
        "JPY_API_TOKEN": "secret",
        "ATRIUM_API_URL": "http://api",
        "ATRIUM_JOB_ID": "7",
        "JUPYTER_RUNTIME_DIR": "/tmp/atrium-7",
        "MY_OWN": "kept",
    }
    inherited = slurm.job_environment(environment)
    assert inherited == {"PATH": "/usr/bin", "SLURM_CONF": "/etc/slurm/slurm.conf", "MY_OWN": "kept"}


@pytest.mark.parametrize("name", ["A", "a b", "a;b", "-a", "a\n", "a" * 31, "../x"])
def test_names_of_clusters_are_words(name: str) -> None:
    with pytest.raises(ValidationError):
        ClusterRequest(name=name)


def test_a_partition_cannot_carry_an_option() -> None:
    with pytest.raises(ValidationError):
        Shape(partition="batch --uid=0")
    with pytest.raises(ValidationError):
        Size(minimum=3, maximum=2)


# -- limits -----------------------------------------------------------------------------------------------------------

SITE = Cluster(
    nodes=(Node("gpu1", "idle", True, ("gpu",), 16, 16, 32768, 32768),),
    partitions=(Partition("gpu", qos="gpu"),),
    qos=(Qos("normal", limits=Limits(user={"cpu": 32})), Qos("gpu", limits=Limits(user={"gres/gpu": 4}))),
    associations=(Association("steel", "maria", qos=("normal",), default_qos="normal"),),
)


def site_of(context: JobContext, cluster: Cluster = SITE) -> limits.Site:
    site = limits.Site(context, "maria")

    async def ask() -> Cluster:
        return replace(cluster, as_of=datetime.now(UTC))

    site._ask = ask  # type: ignore[method-assign]
    return site


async def most(context: JobContext, shape: Shape, hours: Hours, minutes: int = 60) -> tuple[int, str]:
    return await site_of(context).most(shape, hours, minutes)


@pytest.mark.parametrize(
    ("shape", "hours", "number", "reason"),
    [
        (Shape(partition="gpu", gpus=1), Hours(), 4, "“gpu” gives one person 4 GPUs."),
        (Shape(partition="gpu", cores=8), Hours(), 4, "“normal” gives one person 32 cores."),
        (Shape(partition="gpu", cores=4), Hours(cpu=10.0), 2, "The project has 10 CPU hours left."),
        (Shape(partition="gpu", gpus=2), Hours(gpu=0.0), 0, "The project has 0 GPU hours left."),
    ],
)
async def test_the_narrowest_bound_is_told(
    context: JobContext, shape: Shape, hours: Hours, number: int, reason: str
) -> None:
    assert await most(context, shape, hours) == (number, reason)


async def test_workers_name_no_qos_so_a_partition_for_another_one_is_not_offered(context: JobContext) -> None:
    site = limits.Site(context, "maria")

    async def ask() -> Cluster:
        long_jobs = Partition("long", allow_qos=frozenset({"long"}))
        nodes = tuple(replace(node, partitions=("gpu", "long")) for node in SITE.nodes)
        member = Association("steel", "maria", qos=("normal", "long"), default_qos="normal")
        return replace(
            SITE, partitions=(*SITE.partitions, long_jobs), nodes=nodes, associations=(member,), as_of=datetime.now(UTC)
        )

    site._ask = ask  # type: ignore[method-assign]
    assert [partition.name for partition in await site.partitions()] == ["gpu"]


PARTITIONS = replace(
    SITE,
    nodes=(
        Node("cpu1", "idle", True, ("batch", "notebooks"), 16, 16, 32768, 32768),
        Node("gpu1", "idle", True, ("gpu",), 16, 16, 32768, 32768, gpus=(Gpus("", 4, 4),)),
    ),
    partitions=(Partition("gpu"), Partition("batch"), Partition("notebooks")),
)


@pytest.mark.parametrize(
    ("allowed", "shape", "partition"),
    [
        (("",), Shape(), "batch"),
        (("gpu", "notebooks"), Shape(), "notebooks"),
        (("gpu",), Shape(), "gpu"),
        (("",), Shape(gpus=1), "gpu"),
        (("notebooks",), Shape(gpus=1), ""),
        (("gpu", "notebooks"), Shape(partition="batch"), "batch"),
        ((), Shape(), ""),
    ],
)
async def test_workers_get_a_partition_that_the_project_has(
    context: JobContext, allowed: tuple[str, ...], shape: Shape, partition: str
) -> None:
    """The default, the server's own, or another one; a partition that somebody names is left to Slurm."""
    associations = tuple(Association("steel", "maria", partition=name) for name in allowed)
    site = site_of(context, replace(PARTITIONS, associations=associations))
    assert await site.partition_for(shape, "notebooks") == partition


async def test_a_partition_that_is_switched_off_stays_the_default(context: JobContext) -> None:
    """Its workers wait, and say why; tomorrow it is there again."""
    partitions = (Partition("gpu"), Partition("batch", up=False), Partition("notebooks"))
    site = site_of(context, replace(PARTITIONS, partitions=partitions, associations=(Association("steel", "maria"),)))
    assert await site.partition_for(Shape(), "notebooks") == "batch"


# -- modules beside the notebook --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a module."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(own_modules, "FRESH_SECONDS", 0)
    (tmp_path / "mymod_of_test.py").write_text("def twice(x): return 2 * x\n")
    (tmp_path / "json.py").write_text("raise RuntimeError('hides a module of Python')\n")
    yield tmp_path
    sys.modules.pop("mymod_of_test", None)


def test_the_scheduler_reads_tasks_with_a_module_beside_the_notebook(folder: Path) -> None:
    modules = own_modules.OwnModules()
    modules.add(str(folder))
    modules.add(str(folder))
    modules.refresh()
    assert importlib.import_module("mymod_of_test").twice(21) == 42
    assert sys.path.count(str(folder)) == 1
    assert sys.path[-1] == str(folder), "no file there hides a module of the manager"


def test_a_changed_module_is_read_again(folder: Path) -> None:
    modules = own_modules.OwnModules()
    modules.add(str(folder))
    modules.refresh()
    first = importlib.import_module("mymod_of_test")
    modules.remember()
    modules.refresh()
    assert sys.modules["mymod_of_test"] is first
    (folder / "mymod_of_test.py").write_text("def thrice(x): return 3 * x\n")
    os.utime(folder / "mymod_of_test.py", (1, 1))
    modules.refresh()
    assert importlib.import_module("mymod_of_test").thrice(14) == 42


@pytest.mark.parametrize("directory", ["relative", "/a\nb", "/a\0b", "-rf"])
def test_a_directory_is_a_whole_path_in_one_line(directory: str) -> None:
    with pytest.raises(ValidationError):
        ClusterRequest(directory=directory)


# -- training ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "train it.py"
    path.touch()
    return path


def test_what_is_typed_stays_one_word_of_the_script(context: JobContext, program: Path) -> None:
    wicked = "$(touch /tmp/pwned); `id` 'quoted' \"too\""
    text = training.script(context, TrainingRequest(script="train it.py", arguments=("--name", wicked)))
    lines = [line for line in text.splitlines() if wicked.split(";", maxsplit=1)[0] in line or "train it.py" in line]
    command = lines[0].rstrip("& ").strip()

    result = subprocess.run(["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[1:] == [str(program), "--name", wicked]
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert "#SBATCH --comment=atrium:training:maria::12:0a1b2c3d:training" in text
    assert "#SBATCH --signal=B:USR1@60" in text
    assert "#SBATCH --requeue" in text


def test_a_program_has_to_be_there_and_an_argument_in_one_line(context: JobContext, program: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no file"):
        training.script(context, TrainingRequest(script="elsewhere.py"))
    with pytest.raises(InvalidInput, match="Line breaks"):
        training.script(context, TrainingRequest(script=str(program), arguments=("a\n#SBATCH --uid=0",)))
