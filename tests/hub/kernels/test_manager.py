"""Which kernels our launcher starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hub.kernels.manager import LAUNCHER, with_launcher

CONNECTION = ["-f", "/run/kernel.json"]


@pytest.mark.parametrize("module", ["ipykernel_launcher", "ipykernel"])
@pytest.mark.parametrize("options", [[], ["-Xfrozen_modules=off", "-I"]])
def test_an_ipython_kernel_is_started_by_our_launcher(module: str, options: list[str]) -> None:
    command = [sys.executable, *options, "-m", module, *CONNECTION, "--matplotlib=inline"]
    assert with_launcher(command) == [sys.executable, *options, LAUNCHER, *CONNECTION, "--matplotlib=inline"]


@pytest.mark.parametrize(
    "command",
    [
        ["R", "--slave", "-e", "IRkernel::main()"],
        ["apptainer", "exec", "torch.sif", "python", "-m", "ipykernel_launcher", *CONNECTION],
        ["conda", "run", "-p", "/env", "python", "-m", "ipykernel_launcher", *CONNECTION],
        ["bash", "-c", "module load python; exec python -m ipykernel_launcher -f /run/kernel.json"],
        [sys.executable, "-m", "bash_kernel", *CONNECTION],
        [sys.executable, "-m", "xonsh", "-m", "ipykernel_launcher"],
        [sys.executable, "script.py", "-m", "ipykernel_launcher"],
        ["/nonexistent/bin/python", "-m", "ipykernel_launcher", *CONNECTION],
        ["-m", "ipykernel_launcher"],
        [],
    ],
)
def test_other_commands_stay_as_they_are(command: list[str]) -> None:
    assert with_launcher(command) == command


def test_a_script_called_python_may_start_a_container_that_has_no_file_of_ours(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text('#!/bin/sh\nexec apptainer exec image.sif python "$@"\n')
    script.chmod(0o755)
    command = [str(script), "-m", "ipykernel_launcher", *CONNECTION]
    assert with_launcher(command) == command


def test_the_launchers_files_are_where_the_command_says() -> None:
    assert {"__main__.py", "launcher.py"} <= {path.name for path in Path(LAUNCHER).iterdir()}
