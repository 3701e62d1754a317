"""Installed versions: each in a directory of its own that later ones leave alone, and how the links to them move."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.dev import environments, old_layout, usage, versions
from deploy.dev.layout import Layout, Options
from deploy.dev.programs import web_programs
from tests.deploy.checkout import Checkout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return Checkout(tmp_path / "checkout", monkeypatch)


@pytest.fixture
def layout(tmp_path: Path, checkout: Checkout) -> Layout:
    return Layout(Options(prefix=str(tmp_path / "copy")))


def test_the_code_has_one_fingerprint_until_it_changes(checkout: Checkout) -> None:
    before = versions.code_fingerprint()
    (checkout.path / "hub/__pycache__").mkdir()
    (checkout.path / "hub/__pycache__/app.cpython-311.pyc").write_bytes(b"litter")
    assert versions.code_fingerprint() == before
    checkout.change_code("new")
    assert versions.code_fingerprint() != before


def test_a_version_stays_as_it_is_when_the_next_one_is_installed(layout: Layout, checkout: Checkout) -> None:
    assert checkout.up(layout)
    assert not checkout.up(layout)
    first = layout.user_env.resolve()
    checkout.change_code("second")
    assert checkout.up(layout)
    second = layout.user_env.resolve()
    assert first != second
    assert (first / "code").read_text() != (second / "code").read_text() == "second"
    assert layout.hub_env.resolve().name.rpartition("-")[2] == second.name.rpartition("-")[2]


def test_packages_are_links_and_scripts_name_their_version(layout: Layout, checkout: Checkout) -> None:
    checkout.up(layout)
    base, version = environments.base(layout, "user"), layout.user_env.resolve()
    assert (base / "packages.py").samefile(version / "packages.py")
    for script in ("bin/jupyter", "pyvenv.cfg"):
        assert str(version) in (version / script).read_text()
        assert str(base) in (base / script).read_text()
    assert (version / "bin/jupyter").stat().st_mode == (base / "bin/jupyter").stat().st_mode


def test_a_version_that_broke_off_is_made_again(
    layout: Layout, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.up(layout)
    before = layout.user_env.resolve()
    checkout.change_code("second")
    with monkeypatch.context() as patch:
        patch.setattr(versions, "_write_own_path", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            checkout.up(layout)
    assert layout.user_env.resolve() == before
    checkout.up(layout)
    assert (layout.user_env / "code").read_text() == "second"


def test_going_back_puts_the_older_version_in_force(layout: Layout, checkout: Checkout) -> None:
    checkout.up(layout)
    first = layout.user_env.resolve()
    checkout.change_code("second")
    checkout.up(layout)
    checkout.change_code("first")
    assert checkout.up(layout)
    assert layout.user_env.resolve() == first


def test_slurm_alone_takes_what_is_there_or_the_packages(layout: Layout, checkout: Checkout) -> None:
    environments.ensure(layout, ["hub"])
    versions.ensure_supervisor(layout)
    assert layout.hub_env.resolve() == versions.base_of(layout.hub_env) == environments.base(layout, "hub")
    checkout.up(layout)
    version = layout.hub_env.resolve()
    versions.ensure_supervisor(layout)
    assert layout.hub_env.resolve() == version
    assert versions.base_of(version) == environments.base(layout, "hub")


@pytest.fixture
def old_env(layout: Layout) -> Path:
    """An installation whose code was replaced in place."""
    env = layout.opt / "envs/user-0123456789ab"
    env.mkdir(parents=True)
    layout.user_env.symlink_to(env)
    return env


@pytest.mark.parametrize("by", ["server", "nobody can say"])
def test_servers_of_the_old_layout_keep_the_link_they_import_by(
    layout: Layout, checkout: Checkout, old_env: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(usage, "mentioned", checkout.says(used=[f"{layout.user_env}/bin"], knows=by == "server"))
    checkout.up(layout)
    assert layout.user_env.resolve() == old_env
    [version] = layout.environments.glob("versions/user-*")
    environment = {program.name: program.environment for program in web_programs(layout)}
    assert environment["hub"]["ATRIUM_PATHS__USER_ENV"] == str(version)
    assert "ATRIUM_PATHS__USER_ENV" not in environment["proxy"], "a change would restart it"

    monkeypatch.setattr(usage, "mentioned", checkout.says(used=[]))
    checkout.up(layout)
    assert layout.user_env.resolve() == version
    assert old_layout.variables(layout) == {}
