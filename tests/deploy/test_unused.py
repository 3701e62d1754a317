"""Removal of unused versions: nothing that a process, a job or another copy still uses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from deploy.dev import environments, processes, slurm, unused, usage
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout, Options
from tests.deploy.checkout import Checkout
from tests.polling import eventually


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return Checkout(tmp_path / "checkout", monkeypatch)


@pytest.fixture
def layout(tmp_path: Path, checkout: Checkout) -> Layout:
    return Layout(Options(prefix=str(tmp_path / "copy")))


class Use:
    """Settable answers of :mod:`deploy.dev.usage`."""

    def __init__(self, checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
        self._checkout, self._patch = checkout, monkeypatch
        self.jobs: set[str] = set()
        """Numbers of the jobs in Slurm."""
        monkeypatch.setattr(slurm, "jobs", lambda _layout: self.jobs)
        self.by(())

    def by(self, texts: Collection[object], *, known: bool = True) -> None:
        says = self._checkout.says(used=[str(text) for text in texts], knows=known)
        self._patch.setattr(usage, "mentioned", says)


@pytest.fixture
def use(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Use:
    return Use(checkout, monkeypatch)


def there(layout: Layout) -> set[str]:
    """Names of the directories of one copy's environments."""
    return {path.name for kind in ("base", "versions", "envs") for path in layout.environments.glob(f"{kind}/*")}


def test_a_version_goes_when_nothing_uses_it(layout: Layout, checkout: Checkout, use: Use) -> None:
    checkout.up(layout)
    assert unused.remove(layout) == ""
    first = layout.user_env.resolve()
    checkout.change_code("second")
    checkout.up(layout)

    use.by([f"{first}/bin/python -P -m spawners.node.launch"])
    assert "hub-" in unused.remove(layout)
    assert first.exists()
    use.by([])
    assert unused.remove(layout) == first.name
    assert not first.exists()
    assert layout.user_env.resolve().exists()
    assert not list(layout.previous.iterdir())


def test_jobs_that_were_there_may_have_its_path_from_where_they_were_submitted(
    layout: Layout, checkout: Checkout, use: Use
) -> None:
    checkout.up(layout)
    first = layout.user_env.resolve()
    checkout.change_code("second")
    checkout.up(layout)
    use.by([first])
    use.jobs = {"1"}
    unused.remove(layout)
    use.by([])
    for use.jobs in ({"1", "2"}, {"2", "3"}):
        unused.remove(layout)
        assert first.exists(), "job 2 was submitted while the version was in use, for all anybody knows"
    use.jobs = {"3"}
    assert first.name in unused.remove(layout)
    assert not list(layout.previous.iterdir())


def test_an_environment_stays_with_its_last_version(layout: Layout, checkout: Checkout, use: Use) -> None:
    checkout.up(layout)
    base, first = environments.base(layout, "user"), layout.user_env.resolve()
    checkout.change_lock("other packages")
    checkout.up(layout)
    use.by([first])
    assert unused.remove(layout) == ""
    assert base.exists()
    use.by([])
    assert set(unused.remove(layout).split()) == {base.name, first.name}


def test_nothing_goes_while_nobody_can_say_what_is_used(layout: Layout, checkout: Checkout, use: Use) -> None:
    checkout.up(layout)
    checkout.change_code("second")
    checkout.up(layout)
    before = there(layout)
    use.by([], known=False)
    with pytest.raises(DeployError):
        unused.remove(layout)
    assert there(layout) == before


def test_a_version_that_is_in_force_again_stays(layout: Layout, checkout: Checkout, use: Use) -> None:
    for code in ("first", "second", "first"):
        checkout.change_code(code)
        checkout.up(layout)
    unused.remove(layout)
    assert (layout.user_env / "code").read_text() == "first"
    assert len(list(layout.environments.glob("versions/user-*"))) == 1


def test_a_copy_leaves_alone_what_another_one_has_in_force(tmp_path: Path, checkout: Checkout, use: Use) -> None:
    shared = str(tmp_path / "shared")
    ours, other = (Layout(Options(prefix=str(tmp_path / name), environments=shared)) for name in ("a", "b"))
    checkout.up(other)
    old = other.user_env.resolve()
    checkout.change_code("second")
    checkout.up(ours)
    assert unused.remove(ours) == ""
    checkout.up(other)
    use.by([f"{old}/bin/python"])
    unused.remove(other)
    use.by([])
    assert unused.remove(ours) == "", "the other copy's Slurm may have jobs that need it"
    assert old.name in unused.remove(other)


def test_a_copy_that_is_gone_keeps_nothing(tmp_path: Path, checkout: Checkout, use: Use) -> None:
    shared = str(tmp_path / "shared")
    ours, gone = (Layout(Options(prefix=str(tmp_path / name), environments=shared)) for name in ("a", "b"))
    checkout.up(gone)
    old = gone.user_env.resolve()
    checkout.change_code("second")
    checkout.up(ours)
    gone.opt.rename(tmp_path / "elsewhere")
    assert old.name in unused.remove(ours)


def test_what_was_installed_in_place_stays_while_it_is_used(layout: Layout, checkout: Checkout, use: Use) -> None:
    for name in ("hub", "user", "proxy"):
        env = layout.opt / f"envs/{name}-0123456789ab"
        env.mkdir(parents=True)
        (layout.opt / name).symlink_to(env)
    server, proxy = f"{layout.user_env}/bin/python -m spawners.node.launch", f"node {layout.proxy_env}/node_modules/x"
    use.by([server, proxy])
    checkout.up(layout)
    assert unused.remove(layout) == "hub-0123456789ab"
    use.by([f"{layout.opt}/envs/user-0123456789ab/lib/x.so"])
    checkout.up(layout)
    assert unused.remove(layout) == "proxy-0123456789ab"
    use.by([])
    assert unused.remove(layout) == "user-0123456789ab"


def test_a_removal_that_broke_off_leaves_no_version(
    layout: Layout, checkout: Checkout, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.up(layout)
    checkout.change_code("second")
    checkout.up(layout)
    with monkeypatch.context() as patch:
        patch.setattr(unused, "_delete", lambda _: None)
        assert unused.remove(layout)
    assert len([name for name in there(layout) if "removed" in name]) == 2
    checkout.change_code("first")
    assert checkout.up(layout)
    assert (layout.user_env / "code").read_text() == "first"
    unused.remove(layout)
    eventually(lambda: not [name for name in there(layout) if "removed" in name], within=10, what="nothing is left")


def test_a_process_names_the_version_it_runs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "job_scripts", lambda _layout: iter(()))
    layout, version, absent = Layout(Options(prefix=str(tmp_path))), str(tmp_path / "v1"), str(tmp_path / "v2")
    with subprocess.Popen([sys.executable, "-c", "input()", version], stdin=subprocess.PIPE) as process:
        try:
            # this process itself has "v1" nowhere but in the other's command line
            assert usage.mentioned(layout, [version, absent]) == {version}
        finally:
            process.kill()
    assert usage.mentioned(layout, [version]) == set()


def test_a_job_that_waits_names_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "texts", lambda of_people: iter(()))
    queue, scripts = "12                  1\n13                  0\n", {"12": "exec /opt/x/v1/bin/python"}

    def run(argv: list[str], **_: object) -> str:
        return queue if argv[0] == "squeue" else scripts.get(argv[3], "")

    monkeypatch.setattr(slurm, "run", run)
    layout = Layout(Options())
    assert usage.mentioned(layout, ["/opt/x/v1", "/opt/x/v2"]) == {"/opt/x/v1"}
    scripts.clear()
    with pytest.raises(DeployError, match="job 12"):
        usage.mentioned(layout, ["/opt/x/v1"])
