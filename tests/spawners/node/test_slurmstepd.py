"""Slurm's process beside a server: whether it is still there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spawners.node.slurmstepd import Slurmstepd

SCRIPT = """
import os, subprocess, sys, time
open("/proc/self/comm", "w").write("slurmstepd")
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(60)
"""
SERVER = """
import sys, time
from spawners.node.slurmstepd import Slurmstepd
step = Slurmstepd.of_this_server()
print("known" if step.process else "unknown", step.is_gone(), step.process, flush=True)
end = time.monotonic() + 60
while not step.is_gone() and time.monotonic() < end:
    time.sleep(0.05)
print("gone" if step.is_gone() else "there", flush=True)
"""


def test_outside_of_a_job_nothing_is_known_and_nothing_is_gone() -> None:
    assert Slurmstepd.of_this_server() == Slurmstepd()
    assert not Slurmstepd().is_gone()


@pytest.mark.process
def test_a_killed_process_of_slurm_is_noticed() -> None:
    job_script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SERVER!r}])"
    slurmstepd = subprocess.Popen([sys.executable, "-c", SCRIPT, job_script], stdout=subprocess.PIPE, text=True)
    assert slurmstepd.stdout is not None
    try:
        assert slurmstepd.stdout.readline().split() == ["known", "False", str(slurmstepd.pid)]
        slurmstepd.kill()
        assert slurmstepd.stdout.readline() == "gone\n"
    finally:
        slurmstepd.kill()
        slurmstepd.wait()


def test_a_job_script_that_has_ended_proves_nothing() -> None:
    assert not Slurmstepd(script=sys.maxsize, process=1).is_gone()
