"""Cost, expected start, and faster alternatives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub.errors import SlurmError, SlurmUnavailable
from hub.settings import Profile, Settings, Spawn
from hub.slurm.cluster import Trial
from spawners.job.request import SpawnRequest
from spawners.options import estimate
from spawners.options.estimate import Estimates
from spawners.options.offer import notebook_partitions
from tests.spawners.cluster import CLUSTER, offer

LATER = timedelta(hours=1)
FULL = replace(CLUSTER, nodes=tuple(replace(node, cpus_free=0) for node in CLUSTER.nodes))


class Slurm:
    """Answers trials by partition, and remembers them."""

    def __init__(self, **starts: timedelta | SlurmError) -> None:
        self.starts = starts
        self.trials: list[SpawnRequest] = []

    async def trial(self, request: SpawnRequest) -> Trial:
        self.trials.append(request)
        answer = self.starts.get(request.partition, timedelta())
        if isinstance(answer, SlurmError):
            raise answer
        return Trial(datetime.now(UTC) + answer, request.cpus, "cpu1", request.partition)


def request(**changes):
    return SpawnRequest(**{"account": "demo", "partition": "notebooks", **changes})


async def estimate_of(slurm, choice, cluster=CLUSTER, estimates=None, name="founder", now=None):
    async def look():
        return cluster if now is None else now

    return await (estimates or Estimates()).of(name, choice, offer(cluster), cluster, trial=slurm.trial, look=look)


async def test_an_estimate_has_cost_remaining_hours_and_start():
    answer = await estimate_of(Slurm(), request(cpus=4, minutes=90))
    assert answer["cost"] == "6 core-hours"
    assert answer["left"] == "1\u202f994 core-hours"
    assert answer["starts"] == "Starts now"
    assert "sooner" not in answer


async def test_gpus_cost_their_own_hours():
    answer = await estimate_of(Slurm(), request(partition="gpu", cpus=4, gpus=2, minutes=60))
    assert answer["cost"] == "4 core-hours · 2 GPU-hours"
    assert answer["left"].endswith("198 GPU-hours")


async def test_a_sooner_alternative_is_one_that_slurm_confirms():
    slurm = Slurm(notebooks=LATER)
    answer = await estimate_of(slurm, request(minutes=60), FULL)
    assert answer["starts"].startswith("Starts in ")
    assert answer["sooner"]["words"] == "In “short” it starts now."
    assert answer["sooner"]["values"]["partition"] == "short"
    assert len(slurm.trials) == 2, "one trial for the choice, one for the alternative"


async def test_an_alternative_that_is_no_sooner_is_not_told():
    answer = await estimate_of(Slurm(notebooks=LATER, short=LATER, batch=LATER), request(minutes=60), FULL)
    assert answer["sooner"] is None


async def test_free_nodes_are_not_denied_by_a_late_forecast():
    """Slurm's forecast may be of a moment before: the table beside it shows free cores."""
    slurm = Slurm(notebooks=timedelta(minutes=20, seconds=5))
    answer = await estimate_of(slurm, request(minutes=60))
    assert answer["starts"] == (
        "Nodes with room for it are free, so it may start soon. Slurm's own forecast is: in 20\u202fmin."
    )
    assert "sooner" not in answer
    assert len(slurm.trials) == 1
    taken_meanwhile = await estimate_of(slurm, request(minutes=60), now=FULL)
    assert taken_meanwhile["starts"] == "Starts in 20\u202fmin"
    too_large = await estimate_of(slurm, request(minutes=60, cpus=12), CLUSTER)
    assert too_large["starts"] == "Starts in 20\u202fmin"


def test_alternatives_can_be_had_and_send_nobody_to_a_gpu_for_nothing():
    others = list(estimate.alternatives(request(cpus=4, memory_gb=8, minutes=60), offer()))
    assert {other.partition for other in others} == {"notebooks", "short"}
    assert (2, 4) in {(other.cpus, other.memory_gb) for other in others}
    kinds = list(estimate.alternatives(request(partition="gpu", gpus=1, gpu_type="a100"), offer()))
    assert "" in {other.gpu_type for other in kinds}
    assert {other.gpus for other in kinds} == {1}


def test_only_partitions_for_notebooks_are_proposed():
    """Those of transfers and of Dask workers can be chosen, and are proposed nowhere."""
    small = request(cpus=1, memory_gb=1, minutes=30)
    everywhere = replace(offer(), proposed=frozenset({"notebooks", "short", "batch", "transfer"}))
    assert "batch" in {other.partition for other in estimate.alternatives(small, everywhere)}
    assert {other.partition for other in estimate.alternatives(small, offer())} == {"short"}
    assert notebook_partitions(Settings()) == {"notebooks", "gpu"}
    profile = Profile(name="fat", title="Fat", partition="fat")
    more = Settings(spawn=Spawn(profiles=(profile,), partitions=("short",)))
    assert notebook_partitions(more) == {"notebooks", "gpu", "fat", "short"}


async def test_the_same_request_is_tried_once_per_person():
    slurm, estimates = Slurm(), Estimates()
    for _ in range(3):
        await estimate_of(slurm, request(), estimates=estimates)
    assert len(slurm.trials) == 1
    await estimate_of(slurm, request(), estimates=estimates, name="colleague")
    assert len(slurm.trials) == 2, "Slurm answers each person by their own priority"


async def test_a_refusal_is_explained_and_cached():
    slurm, estimates = Slurm(notebooks=SlurmError("allocation failure: Requested time limit is invalid")), Estimates()
    for _ in range(2):
        answer = await estimate_of(slurm, request(), estimates=estimates)
    assert "time" in answer["refused"]
    assert answer["cost"]
    assert len(slurm.trials) == 1


async def test_silence_is_reported_and_not_cached():
    slurm, estimates = Slurm(notebooks=SlurmUnavailable("Slurm has not answered for 15 s (sbatch).")), Estimates()
    for _ in range(2):
        answer = await estimate_of(slurm, request(), estimates=estimates)
        assert answer["unknown"] == "The expected start is not known at the moment."
    assert len(slurm.trials) == 2


async def test_a_partition_whose_nodes_are_all_away_is_waited_for():
    away = replace(CLUSTER, nodes=tuple(replace(node, in_service=False) for node in CLUSTER.nodes))
    slurm = Slurm(notebooks=SlurmError("allocation failure: Requested node configuration is not available"))
    answer = await estimate_of(slurm, request(), away)
    assert "refused" not in answer
    assert "down, under repair" in answer["unknown"]


async def test_one_person_who_asks_without_end_keeps_nobody_from_asking():
    slurm, estimates = Slurm(), Estimates()
    for n in range(estimate.A_MINUTE + 5):
        await estimate_of(slurm, request(minutes=30 + n), estimates=estimates, name="mallory")
    assert len(slurm.trials) == estimate.A_PERSON
    assert "start" in (await estimate_of(slurm, request(), estimates=estimates))


async def test_slurm_is_spared_when_many_ask():
    slurm, estimates = Slurm(), Estimates()
    answers = [
        await estimate_of(
            slurm, request(minutes=30 + n), estimates=estimates, name=f"person{n % 5}" if n else "founder"
        )
        for n in range(estimate.A_MINUTE + 5)
    ]
    assert len(slurm.trials) == estimate.A_MINUTE
    assert "unknown" in answers[-1]
    assert "start" in (await estimate_of(slurm, request(minutes=30), estimates=estimates)), (
        "what is known is told all the same"
    )


@pytest.mark.parametrize(("seconds", "text"), [(-5, "now"), (30, "now"), (360, "in 6\u202fmin"), (7200, "in 2\u202fh")])
def test_a_start_is_described_relative_to_now(seconds, text):
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert estimate.when(now + timedelta(seconds=seconds), now) == text


async def test_without_a_budget_nothing_is_left_to_tell():
    answer = await estimate_of(Slurm(), request(), replace(CLUSTER, usage={}))
    assert answer["left"] == ""
