"""The inventory of a cluster from the output of each version of Slurm (tests/data/slurm)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.errors import SlurmError
from hub.slurm import commands, inventory
from hub.slurm.cluster import Gpus

DATA = Path(__file__).parents[2] / "data/slurm"
VERSIONS = sorted(path.name for path in DATA.iterdir() if path.is_dir())


@pytest.fixture(params=VERSIONS)
def recorded(request):
    return lambda name: (DATA / request.param / f"{name}.txt").read_text()


def test_output_of_all_versions_is_recorded():
    assert VERSIONS == ["22.05", "23.02", "23.11", "24.05", "24.11", "25.05"]


def test_nodes_are_parsed(recorded):
    nodes = {node.name: node for node in inventory.parse_nodes(recorded("nodes"))}
    assert sorted(nodes) == ["cpu1", "cpu2", "cpu3", "gpu1", "gpu2"]
    cpu1, gpu1 = nodes["cpu1"], nodes["gpu1"]
    assert set(cpu1.partitions) == {"notebooks", "short", "batch", "transfer"}
    assert (cpu1.cpus, cpu1.cpus_free, cpu1.memory_mb, cpu1.memory_free_mb) == (16, 10, 32768, 20480)
    assert gpu1.gpus == (Gpus("a100", 4, 1),)
    assert nodes["gpu2"].gpus == (Gpus("l40s", 4, 4),)
    assert {name for name, node in nodes.items() if not node.in_service} == {"cpu2"}
    assert nodes["cpu2"].cpus_free == 0


def test_partitions_are_parsed(recorded):
    partitions = {partition.name: partition for partition in inventory.parse_partitions(recorded("partitions"))}
    notebooks = partitions["notebooks"]
    assert (notebooks.up, notebooks.default, notebooks.open, notebooks.qos) == (True, True, True, "notebook")
    assert (notebooks.max_minutes, notebooks.max_cpus, notebooks.max_memory_mb) == (720, None, None)
    assert (partitions["batch"].qos, partitions["batch"].max_minutes) == ("", 2880)
    assert partitions["transfer"].max_cpus == 2
    assert notebooks.allow_accounts is None


def test_reservations_are_parsed(recorded):
    workshop, upkeep = inventory.parse_reservations(recorded("reservations"))
    assert (workshop.name, workshop.partition, workshop.active) == ("workshop", "notebooks", True)
    assert workshop.users == ("founder", "learner01")
    assert (workshop.end - workshop.start).total_seconds() == 3600
    assert upkeep.maintenance
    assert not upkeep.active


def test_associations_and_qos_are_parsed(recorded):
    associations = inventory.parse_associations(recorded("associations"))
    founder = next(association for association in associations if association.user == "founder")
    account = next(
        association for association in associations if association.account == "demo" and not association.user
    )
    assert (founder.account, founder.default_qos, set(founder.qos)) == ("demo", "normal", {"normal", "flexible"})
    assert account.parent == "root"
    assert not founder.barred
    [left] = inventory.parse_associations("demo|jan|gpu||normal|normal|||0|0||\n")
    assert (left.barred, left.closed, left.partition) == (True, False, "gpu")
    [ended] = inventory.parse_associations("demo|||root|normal|normal||||||0\n")
    assert (ended.barred, ended.closed) == (False, True)
    qos = {entry.name: entry for entry in inventory.parse_qos(recorded("qos"))}
    assert qos["notebook"].limits.user == {"cpu": 16, "mem": 65536}
    assert (qos["flexible"].limits.minutes, qos["flexible"].flags) == (240, frozenset({"DenyOnLimit"}))
    assert qos["normal"].gives_way_to == ("flexible",)
    assert (qos["normal"].submitted, qos["flexible"].submitted) == ({"user": 200}, {})
    [closed] = inventory.parse_qos("shut||||||0||5||closed | for a while\n")
    assert (closed.submitted, closed.description) == ({"user": 0, "group": 5}, "closed | for a while")


def test_usage_of_every_account_is_parsed(recorded):
    usage = commands.parse_account_usage(recorded("usage"))
    assert set(usage) == {"root", "demo"}
    assert (usage["demo"].cpu.limit, usage["demo"].gpu.limit, usage["root"].cpu.limit) == (120000, 12000, None)


def test_a_trial_is_parsed_and_a_refused_one_raises(recorded):
    trial = inventory.parse_trial(recorded("trial"))
    assert (trial.cpus, trial.nodes, trial.partition) == (1, "cpu1", "notebooks")
    assert trial.start == datetime(2026, 11, 24, 22, 8, 20).astimezone(UTC)
    with pytest.raises(SlurmError, match="Requested time limit is invalid"):
        inventory.parse_trial(recorded("trial-refused"))


def test_warnings_before_a_trial_do_not_matter():
    output = "sbatch: warning: x\nsbatch: Job 7 to start at 2026-11-24T10:00:00 a using 4 processors on gpu[1-2]\n"
    assert inventory.parse_trial(output).nodes == "gpu[1-2]"
    with pytest.raises(SlurmError):
        inventory.parse_trial("sbatch: Job 7 to start at Unknown using 4 processors on nodes cpu1")


@pytest.mark.parametrize("text", ["", "No reservations in the system\n"])
def test_no_reservation_is_an_answer(text):
    assert inventory.parse_reservations(text) == ()


@pytest.mark.parametrize(
    "parse",
    [inventory.parse_nodes, inventory.parse_partitions, inventory.parse_associations, inventory.parse_qos],
)
def test_what_cannot_be_read_is_an_error_and_not_an_empty_cluster(parse):
    with pytest.raises(SlurmError):
        parse("slurm_load: error\n")


def test_names_and_lists_of_partitions():
    [partition] = inventory.parse_partitions(
        "PartitionName=CPU nodes (amd) AllowGroups=research,staff DenyAccounts=none,guests AllowQos=ALL "
        "MaxTime=UNLIMITED MaxMemPerNode=64000 State=DRAIN RootOnly=NO Hidden=YES QoS=N/A"
    )
    assert partition.name == "CPU nodes (amd)"
    assert (partition.up, partition.open, partition.max_minutes, partition.max_memory_mb) == (False, False, None, 64000)
    assert (partition.allow_groups, partition.deny_accounts) == ({"research", "staff"}, {"none", "guests"})


@pytest.mark.parametrize(
    ("state", "in_service"),
    [
        *[(state, True) for state in ("idle", "mixed", "allocated", "mixed-", "planned", "idle~", "idle#", "reserved")],
        *[(state, False) for state in ("idle*", "down", "down*", "drained", "draining", "maint", "idle$", "fail")],
        *[(state, False) for state in ("unknown", "idle%", "reboot", "mixed@", "inval", "future")],
    ],
)
def test_states_of_nodes(state, in_service):
    [node] = inventory.parse_nodes(f"a|n1|{state}|0/1/0/1|1|0|(null)|(null)|\n")
    assert node.in_service is in_service


@pytest.mark.parametrize(
    ("gres", "used", "expected"),
    [
        ("(null)", "gpu:0", ()),
        ("gpu:4", "gpu:1(IDX:0)", (Gpus("", 4, 3),)),
        ("gpu:a100:2,gpu:v100:1", "gpu:a100:0(IDX:N/A),gpu:v100:1(IDX:2)", (Gpus("a100", 2, 2), Gpus("v100", 1, 0))),
        ("gpu:nvidia_h100:8(S:0-1),shard:16", "gpu:nvidia_h100:8(IDX:0-7),shard:0", (Gpus("nvidia_h100", 8, 0),)),
    ],
)
def test_notations_of_gpus(gres, used, expected):
    [node] = inventory.parse_nodes(f"a|n1|idle|0/1/0/1|1|0|{gres}|{used}|\n")
    assert node.gpus == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2-00:00:00", 2880),
        ("12:00:00", 720),
        ("1-12", 2160),
        ("30:00", 30),
        ("45", 45),
        ("UNLIMITED", None),
        ("", None),
    ],
)
def test_notations_of_time(text, expected):
    assert inventory.minutes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cpu=16,mem=64G,gres/gpu:a100=2", {"cpu": 16, "mem": 65536, "gres/gpu:a100": 2}),
        ("mem=1.50T", {"mem": 1572864}),
        ("mem=512000M,node=1", {"mem": 512000, "node": 1}),
        ("", {}),
        ("cpu=N", {}),
    ],
)
def test_notations_of_resources(text, expected):
    assert inventory.tres(text) == expected
