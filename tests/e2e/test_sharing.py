"""Files of a project, seen as two of its members: what one creates in Lab, a terminal or with Dask the other edits."""

from __future__ import annotations

import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.deployment import Deployment
from tests.e2e import lab
from tests.e2e.conftest import Visit
from tests.e2e.visitor import Visitor
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

SLUG = "demo"
SAVED = "All members of demo can edit this file."
LEAVE_AS_HOME = """\
import os, pathlib, subprocess
home = pathlib.Path.home() / "t-sharing"
home.mkdir(exist_ok=True)
(home / "{name}").write_text("1")
(home / "{name}").chmod(0o640)
subprocess.run(["cp", "-p", home / "{name}", "{folder}"], check=True)
"left"
"""
CHANGE = """\
try:
    open("{path}", "a").write("x")
    print("changed")
except PermissionError:
    print("refused")
"""


@pytest.fixture
def folder(deployment: Deployment) -> Iterator[Path]:
    """A folder of the founder's in the demo project, as a terminal makes it."""
    path = deployment.settings.paths.projects / SLUG / "t-sharing"
    founder = deployment.person("founder")
    deployment.run("runuser", "-u", founder, "--", "sh", "-c", f"umask 0027; mkdir {path}")
    yield path
    shutil.rmtree(path)
    shutil.rmtree(Path(pwd.getpwnam(founder).pw_dir) / "t-sharing", ignore_errors=True)


def in_folder(visitor: Visitor, page: str) -> None:
    server = visitor.deployment.server_url(visitor.name)
    visitor.page.goto(f"{server}lab/tree/projects/{SLUG}/t-sharing{page}?reset")
    visitor.page.get_by_role("button", name="Reset layout").click()


def save(page: Page) -> None:
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").last.click()
    page.keyboard.press("ControlOrMeta+S")


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_two_members_edit_the_same_files_in_lab(visit: Visit, folder: Path) -> None:
    founder, colleague = visit("founder"), visit("colleague")
    founder.start_notebook()
    in_folder(founder, "")
    founder.page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=60_000)
    lab.wait_for_kernel(founder.page)
    assert lab.run_cell(founder.page, 'import os; os.makedirs("a/b"); open("a/b/c.csv", "w").write("1")') == "1"
    save(founder.page)
    founder.page.get_by_role("dialog").get_by_role("button", name="Rename").click()  # the name that it has
    expect(founder.page.get_by_text(SAVED)).to_be_visible(timeout=20_000)
    notebook = folder / "Untitled.ipynb"
    assert [mode(folder / name) for name in ("Untitled.ipynb", "a/b", "a/b/c.csv")] == ["0o660", "0o2770", "0o660"]

    colleague.start_notebook()
    in_folder(colleague, "/Untitled.ipynb")
    lab.wait_for_kernel(colleague.page)
    assert lab.run_cell(colleague.page, CHANGE.format(path=folder / "a/b/c.csv")) == "changed"
    save(colleague.page)
    eventually(lambda: "changed" in notebook.read_text(), within=20, what="the colleague's change is in the file")
    expect(colleague.page.locator(".jp-Dialog")).to_have_count(0)
    assert notebook.owner() == founder.name

    # What "cp -p" brings along is the owner's to share: at once in Lab, or by their next server.
    lab.run_cell(founder.page, LEAVE_AS_HOME.format(name="first.csv", folder=folder))
    assert lab.run_cell(colleague.page, CHANGE.format(path=folder / "first.csv")) == "refused"
    founder.page.get_by_role("button", name="Refresh the file browser").first.click()
    founder.page.locator(".jp-DirListing-item", has_text="first.csv").click(button="right")
    founder.page.get_by_role("menuitem", name="Share these files").click()
    expect(founder.page.get_by_role("dialog")).to_contain_text("Now shared with all members of demo")
    founder.page.get_by_role("button", name="Close").click()
    assert lab.run_cell(colleague.page, CHANGE.format(path=folder / "first.csv")) == "changed"

    lab.run_cell(founder.page, LEAVE_AS_HOME.format(name="second.csv", folder=folder))
    founder.stop_everything()
    founder.wait_until_nothing_runs()
    assert mode(folder / "second.csv") == "0o640"
    founder.start_notebook()
    eventually(lambda: mode(folder / "second.csv") == "0o660", within=30, what="the owner's next server shares it")


def test_nobody_outside_the_project_reads_it(deployment: Deployment, folder: Path) -> None:
    assert deployment.run("runuser", "-u", "nobody", "--", "ls", str(folder), check=False).returncode != 0
    entries = deployment.run("getfacl", "--omit-header", "--absolute-names", str(folder.parent)).stdout.split()
    assert {"default:user::rwx", "default:group::rwx", "default:other::---", "other::---"} <= set(entries)
    assert mode(folder) == "0o2770", "whatever the umask of a terminal is"
