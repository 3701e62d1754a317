"""Partitions that the settings name and Slurm does not have, as ``atrium check`` reports them."""

from hub.programs.check import unknown_partitions
from hub.settings import Dataspace, Profile, Settings, Slurm, Spawn

SETTINGS = Settings(
    slurm=Slurm(partition="main", gpu_partition="accelerated", dask_partition="main"),
    dataspace=Dataspace(partition="main"),
    spawn=Spawn(
        profiles=(Profile(name="small", title="Small"), Profile(name="fat", title="Fat", partition="fat")),
        partitions=("quick",),
    ),
)


def test_every_setting_with_an_unknown_partition_is_named():
    assert unknown_partitions(SETTINGS, frozenset({"main", "accelerated", "fat", "quick"})) == []
    sentences = " ".join(unknown_partitions(Settings(), frozenset()))
    for setting in ("slurm.partition", "slurm.gpu_partition", "slurm.dask_partition", "dataspace.partition"):
        assert f"({setting})" in sentences
    assert unknown_partitions(SETTINGS, frozenset({"main", "accelerated"})) == [
        "Slurm has no partition 'fat' (spawn.profiles: fat): jobs for it are refused.",
        "Slurm has no partition 'quick' (spawn.partitions: quick): jobs for it are refused.",
    ]


def test_a_silent_slurm_says_nothing_of_its_partitions():
    assert unknown_partitions(SETTINGS, None) == []
