"""Commands that would change the site's environment are refused with the lines for an environment of one's own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from spawners.node import own_packages

ROOT = Path(__file__).parent.parent.parent.parent
PURELIB = sysconfig.get_path("purelib")
KERNEL_CONFIGURATION = ROOT / "spawners/ipython/ipython_kernel_config.json"


@pytest.fixture(autouse=True)
def closed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of this process as people see the site's: their PATH begins with it, and they cannot write."""
    writable = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **more: path != PURELIB and writable(path, mode, **more))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("command", "packages"),
    [
        (f"{shlex.quote(sys.executable)} -m pip install rich", ["rich"]),  # %pip install rich
        ("python -m pip install rich", ["rich"]),
        ("python3 -m pip -q install --upgrade 'rich>=13' emoji", ["--upgrade", "rich>=13", "emoji"]),
        ("python -m pip install --user rich", ["rich"]),
        ("python -m pip uninstall -y numpy", ["-y", "numpy"]),
        ("python -m pip install", []),
    ],
)
def test_a_command_that_would_change_the_environment_is_refused(command: str, packages: list[str]) -> None:
    assert own_packages.refused(command) == packages


@pytest.mark.parametrize(
    "command",
    [
        "python -m pip list",
        "python -m pip download rich",
        "python -m pip install --target=$HOME/lib rich",
        "python -m pip install --help",
        "python -m pip --python ~/envs/own install rich",
        "/usr/bin/python3 -m pip install rich",
        "~/envs/own/bin/python -m pip install rich",
        "python -m venv pip install",
        "echo pip install rich",
        "pip install 'unclosed",
        "",
    ],
)
def test_other_commands_run(command: str) -> None:
    assert own_packages.refused(command) is None


def test_pip_by_its_name_is_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pip", "pip3", "python"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin")
    assert own_packages.refused("pip install rich") is None, "the pip of the person's own PATH"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert own_packages.refused("pip install rich") == own_packages.refused("pip3 install rich") == ["rich"]


def test_an_environment_that_can_be_changed_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert own_packages.refused("python -m pip install rich") is None


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell()
    own_packages.load_ipython_extension(shell)
    yield shell
    shell.history_manager.enabled = False


@pytest.mark.parametrize("line", ["%pip install rich", "!python -m pip install rich"])
def test_nothing_runs_and_the_lines_are_shown(
    shell: InteractiveShell, line: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATRIUM_ENVIRONMENT", "/opt/atrium/user")
    shell.run_cell(line)
    printed = "".join(capfd.readouterr())
    assert "belong to the site, so nothing was changed" in printed
    assert "~/envs/own/bin/python -m pip install rich\n" in printed
    inside = Path(PURELIB).relative_to(sys.prefix)
    assert f"echo /opt/atrium/user/{inside} > ~/envs/own/{inside}/site.pth\n" in printed
    assert "ln -sfn /opt/atrium/user/etc/ipython ~/envs/own/etc/ipython\n" in printed
    assert "restart the kernel" not in printed


def test_other_lines_of_a_shell_run(shell: InteractiveShell, capfd: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("def show(words):\n    !echo the shell {words}\nshow('runs')")
    assert "the shell runs" in capfd.readouterr().out, "with the variables of a function"


def test_the_words_of_a_command_are_quoted_again() -> None:
    assert "pip install 'a; rm -rf ~' 'b>=2'\n" in own_packages.advice(["a; rm -rf ~", "b>=2"])


def test_kernels_load_the_extensions_beside_those_of_the_person() -> None:
    """``extensions`` is what people set in a file of their own."""
    [(section, traits)] = json.loads(KERNEL_CONFIGURATION.read_text()).items()
    assert (section, list(traits)) == ("InteractiveShellApp", ["extra_extensions"])
    for module in traits["extra_extensions"]:
        assert (ROOT / Path(*module.split("."))).with_suffix(".py").is_file()


@pytest.mark.process
def test_the_lines_make_an_environment_with_the_sites_packages(tmp_path: Path) -> None:
    """The lines as they are printed, but for the package: this needs no network."""
    lines = own_packages.advice(["PACKAGE"]).partition("%%bash\n")[2].partition("\n\n")[0]
    lines = lines.replace("pip install PACKAGE", "pip --version")
    environment = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    run = subprocess.run(
        ["bash", "-c", lines], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    kernel = json.loads((tmp_path / ".local/share/jupyter/kernels/own/kernel.json").read_text())
    assert kernel["display_name"] == "My environment"
    own = tmp_path / "envs/own"
    assert kernel["argv"][0] == str(own / "bin/python")
    assert (own / "etc/ipython").readlink() == Path(sys.prefix) / "etc/ipython"
    code = "import sys, sysconfig, numpy, pip; print(sys.prefix, sysconfig.get_path('purelib'), numpy.__file__)"
    argv = [kernel["argv"][0], "-c", code]
    prefix, purelib, numpy = subprocess.run(
        argv, env=environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    assert Path(prefix) == own and Path(purelib).is_relative_to(own) and Path(numpy).is_relative_to(PURELIB)
