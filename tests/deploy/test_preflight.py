"""Each failed check is one sentence that says what to do."""

from __future__ import annotations

import socket
from collections import namedtuple
from pathlib import Path

import pytest

from deploy.dev import preflight
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout, Options


def sentence(error: pytest.ExceptionInfo[DeployError]) -> str:
    """The text, if it is one line and ends like a sentence."""
    text = str(error.value)
    assert "\n" not in text
    return text


def test_an_ordinary_user_is_refused_with_the_sudo_command() -> None:
    preflight.check_root(0)
    with pytest.raises(DeployError) as error:
        preflight.check_root(1000)
    assert "sudo make" in sentence(error)


@pytest.mark.parametrize(
    "release", [{"ID": "debian"}, {"ID": "ubuntu", "ID_LIKE": "debian"}, {"ID": "x", "ID_LIKE": "debian"}]
)
def test_debian_and_ubuntu_are_accepted(release: dict[str, str]) -> None:
    preflight.check_system(release)


def test_another_distribution_is_refused_by_name() -> None:
    with pytest.raises(DeployError) as error:
        preflight.check_system({"ID": "fedora", "PRETTY_NAME": "Fedora Linux 43"})
    assert "Fedora Linux 43 is neither Debian nor Ubuntu" in sentence(error)


def test_python_is_new_enough() -> None:
    preflight.check_python((3, 11))
    with pytest.raises(DeployError) as error:
        preflight.check_python((3, 9))
    assert "3.9" in sentence(error)


def test_a_taken_port_is_named_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        busy_port = holder.getsockname()[1]
        layout = Layout(Options(prefix=str(tmp_path), port=busy_port, slurm="existing"))
        with pytest.raises(DeployError) as error:
            preflight.check_ports(layout)
    assert f"Port {busy_port} (nginx) is taken by" in sentence(error)


def test_a_full_disk_is_refused_with_both_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _path: usage(10**10, 9 * 10**9, 10**9))
    with pytest.raises(DeployError) as error:
        preflight.check_disk(Layout(Options(prefix=str(tmp_path))))
    assert "1.0 GB left and Atrium needs 6 GB" in sentence(error)


@pytest.mark.parametrize(("mode", "reason"), [(0o700, "cannot enter"), (0o777, "may write in")])
def test_a_prefix_is_open_to_enter_and_closed_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, reason: str
) -> None:
    monkeypatch.setattr(preflight, "_LONGEST_WEB_RUN", 1000)
    tmp_path.chmod(mode)
    with pytest.raises(DeployError) as error:
        preflight.check_prefix(Layout(Options(prefix=str(tmp_path))))
    assert reason in sentence(error)


def test_a_prefix_too_long_for_sockets() -> None:
    with pytest.raises(DeployError) as error:
        preflight.check_prefix(Layout(Options(prefix="/srv/" + "x" * 40)))
    assert "too long for Unix sockets" in sentence(error)


def test_an_existing_slurm_must_have_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.shutil, "which", lambda _name: "/usr/bin/sinfo")
    layout = Layout(Options(prefix=str(tmp_path), slurm="existing", slurm_conf=str(tmp_path / "none.conf")))
    with pytest.raises(DeployError) as error:
        preflight.check_slurm(layout)
    assert "no such file" in sentence(error)


def test_an_existing_slurm_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.shutil, "which", lambda _name: None)
    with pytest.raises(DeployError) as error:
        preflight.check_slurm(Layout(Options(prefix=str(tmp_path), slurm="existing")))
    assert "no sinfo" in sentence(error)
