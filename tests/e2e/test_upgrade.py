"""An upgrade of Atrium under running servers, which keep the code they were started with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import ARTIFACTS, CHECKOUT
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.test_scaling import READY_MS, open_scaling, start_cluster
from tests.temporary_deployment import options_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800, func_only=True)]

UP_SECONDS = 600


@pytest.fixture
def earlier(deployment: Deployment, tmp_path: Path) -> Iterator[Path]:
    """The version before this one, in force: what servers import late has other names in it than in this checkout."""
    checkout = tmp_path / "checkout"
    shutil.copytree(CHECKOUT, checkout, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests", "node_modules"))
    _rename(checkout, "widgets/ownserver/scaling_page.py", "earlier_page", used_in="widgets/ownserver/extension.py")
    _rename(checkout, "spawners/dask/__main__.py", "earlier_manager", used_in="spawners/node/clusters.py")
    try:
        _up(deployment, checkout)
        yield deployment.user_python.parent.parent.resolve()
    finally:
        _up(deployment, CHECKOUT)


def _rename(checkout: Path, module: str, new: str, *, used_in: str) -> None:
    """Give a module that is imported late another name, in its file and where it is named."""
    path = checkout / module
    old_name, new_name = (
        ".".join(name.relative_to(checkout).with_suffix("").parts).removesuffix(".__main__")
        for name in (path, path.with_stem(new))
    )
    for file in (path, checkout / used_in):
        file.write_text(file.read_text().replace(f'"{old_name}"', f'"{new_name}"'))
    assert new_name in (checkout / used_in).read_text()
    path.rename(path.with_stem(new))


def _up(deployment: Deployment, checkout: Path) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    log = ARTIFACTS / "upgrade.log"
    with log.open("w") as output:
        process = subprocess.run(
            [str(checkout / "deploy/dev/atrium.sh"), "up"],
            env={**os.environ, **options_of(deployment.prefix)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=UP_SECONDS,
            check=False,
        )
    assert process.returncode == 0, log.read_text()[-3000:]


def test_servers_go_on_in_their_version_which_is_removed_after_them(
    deployment: Deployment, visit: Visit, earlier: Path
) -> None:
    founder, colleague = visit("founder"), visit("colleague")
    founder.start_notebook()
    new_notebook(founder.page)
    run_cell(founder.page, "kept = 41")
    lab = founder.page
    page = lab.context.new_page()
    page.goto(f"{deployment.server_url(founder.name)}atrium/scaling", timeout=2 * READY_MS)
    start_cluster(page, 1)
    card = page.get_by_label("Cluster dask-1")
    expect(card).to_contain_text("1 working", timeout=READY_MS)
    run_cell(lab, "from widgets import Cluster; client = Cluster.join().client")
    colleague.start_notebook()  # whose server has imported nothing late yet

    _up(deployment, CHECKOUT)
    assert deployment.user_python.parent.parent.resolve() != earlier

    assert run_cell(lab, "kept + 1") == "42", "the open page lost its kernel"
    assert run_cell(lab, "client.submit(sum, [4, 5]).result()") == "9", "workers do not compute"
    card.get_by_label("Maximum workers").fill("2")
    card.get_by_label("Minimum workers").fill("2")
    card.get_by_role("button", name="Change size").click()
    expect(card).to_contain_text("2 working", timeout=READY_MS)
    page.reload()
    expect(card).to_contain_text("2 working", timeout=READY_MS)

    start_cluster(open_scaling(colleague), 1)
    expect(colleague.page.get_by_label("Cluster dask-1")).to_contain_text("1 working", timeout=READY_MS)
    assert earlier.exists()

    founder.stop_everything()
    colleague.stop_everything()
    _up(deployment, CHECKOUT)
    assert not earlier.exists()

    founder.start_notebook()
    new_notebook(founder.page)
    version = deployment.user_python.parent.parent.resolve()
    assert str(version) in run_cell(founder.page, "import sys; sys.prefix")
