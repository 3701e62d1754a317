"""The job script: what is in it, and what can never be."""

from pathlib import Path

import pytest

from hub.errors import InvalidInput
from hub.settings import Paths, Slurm
from spawners import script
from spawners.options import SpawnRequest


def render(**changes):
    values = {
        "user": "founder",
        "server": "",
        "home": Path("/home/founder"),
        "paths": Paths(),
        "slurm": Slurm(dask_interface="lo"),
        "exported": ["LANG", "JUPYTERHUB_API_TOKEN"],
    }
    return script.render(SpawnRequest(account="demo", cpus=2, memory_gb=4, hours=3), **{**values, **changes})


def test_directives_stand_before_the_first_command():
    lines = render().splitlines()
    first_command = next(n for n, line in enumerate(lines) if line and not line.startswith("#"))
    directives = [n for n, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert max(directives) < first_command
    assert "#SBATCH --cpus-per-task=2" in lines
    assert "#SBATCH --time=3:00:00" in lines
    assert "#SBATCH --export=JUPYTERHUB_API_TOKEN,LANG" in lines
    assert not any("gres" in line for line in lines)


def test_a_gpu_is_asked_for_only_when_wanted():
    text = script.render(
        SpawnRequest(account="demo", gpus=2),
        user="founder",
        server="train",
        home=Path("/home/founder"),
        paths=Paths(),
        slurm=Slurm(),
        exported=[],
    )
    assert "#SBATCH --gres=gpu:2\n" in text
    assert "#SBATCH --partition=gpu\n" in text
    assert "founder:train" in text


@pytest.mark.parametrize("bad", ["x y", "x\n#SBATCH --uid=0", "$(id)", "`id`", "x;id", "x'", 'x"', "x\\", "x\r", "é"])
def test_nothing_breaks_out(bad):
    with pytest.raises(InvalidInput):
        render(server=bad)
    with pytest.raises(InvalidInput):
        render(home=Path("/home") / bad)
    with pytest.raises(InvalidInput):
        render(exported=[bad])
