"""What of a person's clusters can be told without Slurm: times, keys, what a job inherits, scripts, limits."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from hub.dask.models import ClusterRequest, Shape, Size, TrainingRequest
from hub.errors import InvalidInput
from hub.slurm.cluster import Association, Cluster, Limits, Node, Partition, Qos
from spawners.dask import offer, slurm, training
from spawners.dask.cluster import Times
from spawners.dask.offer import Hours
from spawners.node import keys
from spawners.node.clusters import Gate, panel_model
from spawners.node.place import CERTIFICATE, KEY, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.from_environment(
        {
            "HOME": str(tmp_path),
            "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
            "SLURM_JOB_ID": "7",
            "SLURM_JOB_ACCOUNT": "steel",
            "DASK_JOBQUEUE__SLURM__QUEUE": "batch",
            "ATRIUM_COMMENT": "atrium:maria::12",
            "JUPYTERHUB_SERVICE_PREFIX": "/user/maria/",
        }
    )


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


# -- keys -------------------------------------------------------------------------------------------------------------


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


def test_what_servers_left_is_tidied_up(place: Place) -> None:
    """Keys and lists of jobs that are over, and old logs; nothing of this server's or of another one that runs."""
    place.make_directories()
    folder, old = place.keys.parent, place.logs / "old.err"
    kept = [folder / "keys-7", folder / "keys-8", folder / "keys-here", place.logs / "new.err", folder / "my-own-9"]
    gone = [folder / "keys-9", folder / "keys-9.123", folder / "clusters-9.json", old]
    for path in kept + gone:
        if path.suffix in (".json", ".err"):
            path.touch()
        else:
            path.mkdir()
    os.utime(old, (0, 0))

    place.tidy({"8"})

    assert [path.name for path in kept if not path.exists()] == []
    assert [path.name for path in gone if path.exists()] == []


async def test_dask_takes_the_keys(place: Place) -> None:
    from dask.distributed import Client, LocalCluster

    from spawners.dask.cluster import security

    keys.ensure(place)
    options: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    async with LocalCluster(security=security(place), protocol="tls://", asynchronous=True, **options) as cluster:  # type: ignore[no-untyped-call]
        assert cluster.scheduler_address.startswith("tls://")
        async with Client(cluster, asynchronous=True) as client:  # type: ignore[no-untyped-call]
            assert await client.submit(sum, [1, 2]) == 3


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
        "MY_OWN": "kept",
    }
    kept = slurm.job_environment(environment)
    assert kept == {"PATH": "/usr/bin", "SLURM_CONF": "/etc/slurm/slurm.conf", "MY_OWN": "kept"}


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


async def most(place: Place, shape: Shape, hours: Hours, minutes: int = 60) -> tuple[int, str]:
    site = offer.Site(place, "maria")

    async def ask() -> Cluster:
        return Cluster(**{**vars(SITE), "as_of": __import__("datetime").datetime.now(__import__("datetime").UTC)})

    site._ask = ask  # type: ignore[method-assign]
    return await site.most(shape, hours, minutes)


@pytest.mark.parametrize(
    ("shape", "hours", "number", "reason"),
    [
        (Shape(partition="gpu", gpus=1), Hours(), 4, "“gpu” gives one person 4 GPUs."),
        (Shape(partition="gpu", cores=8), Hours(), 4, "“normal” gives one person 32 cores."),
        (Shape(partition="gpu", cores=4), Hours(cpu=10.0), 2, "The project has 10 CPU hours left."),
        (Shape(partition="gpu", gpus=2), Hours(gpu=0.0), 0, "The project has 0 GPU hours left."),
    ],
)
async def test_the_narrowest_bound_is_told(place: Place, shape: Shape, hours: Hours, number: int, reason: str) -> None:
    assert await most(place, shape, hours) == (number, reason)


# -- training ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "train it.py"
    path.touch()
    return path


def test_what_is_typed_stays_one_word_of_the_script(place: Place, program: Path) -> None:
    wicked = "$(touch /tmp/pwned); `id` 'quoted' \"too\""
    text = training.script(place, TrainingRequest(script="train it.py", arguments=("--name", wicked)))
    lines = [line for line in text.splitlines() if wicked.split(";", maxsplit=1)[0] in line or "train it.py" in line]
    command = lines[0].rstrip("& ").strip()

    said = subprocess.run(["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[1:] == [str(program), "--name", wicked]
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert "#SBATCH --comment=atrium:training" in text
    assert "#SBATCH --signal=B:USR1@60" in text
    assert "#SBATCH --requeue" in text


def test_a_program_has_to_be_there_and_an_argument_in_one_line(place: Place, program: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no file"):
        training.script(place, TrainingRequest(script="elsewhere.py"))
    with pytest.raises(InvalidInput, match="Line breaks"):
        training.script(place, TrainingRequest(script=str(program), arguments=("a\n#SBATCH --uid=0",)))


# -- the panel --------------------------------------------------------------------------------------------------------


def test_a_cluster_in_the_words_of_the_dask_panel() -> None:
    worker = {"phase": "working", "memory_limit": 2**30}
    cluster = {
        "name": "dask-1",
        "address": "tls://node:1",
        "dashboard": "/user/maria/atrium/clusters/dask-1/dashboard/",
        "shape": {"cores": 2},
        "size": {"minimum": 0, "maximum": 4},
        "workers": [worker, worker, {"phase": "waiting", "memory_limit": 0}],
    }

    assert panel_model(cluster) == {
        "id": "dask-1",
        "name": "dask-1",
        "scheduler_address": "tls://node:1",
        "dashboard_link": "/user/maria/atrium/clusters/dask-1/dashboard/status",
        "workers": 2,
        "cores": 4,
        "memory": "2.0 GiB",
        "adapt": {"minimum": 0, "maximum": 4},
    }


@pytest.mark.parametrize(
    ("runs", "answer", "computes"),
    [
        (True, '[{"tasks": {"processing": 0}}, {"tasks": {"processing": 2}}]', True),
        (True, '[{"tasks": {"processing": 0}}]', False),
        (True, "not JSON", False),
        (False, "", False),
    ],
)
async def test_a_server_whose_cluster_works_is_not_idle(
    place: Place, monkeypatch: pytest.MonkeyPatch, runs: bool, answer: str, computes: bool
) -> None:
    gate = Gate(place)

    async def ask(_: str) -> Any:
        assert runs, "a manager is not started for that"
        return SimpleNamespace(body=answer.encode())

    monkeypatch.setattr(Gate, "runs", property(lambda _: runs))
    monkeypatch.setattr(gate, "ask", ask)
    assert await gate.compute() is computes
