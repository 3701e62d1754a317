"""Much output of notebooks in JupyterLab, and starts that a person's home holds up."""

from __future__ import annotations

import json
import os
import pwd
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import fetch, screenshot
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.test_running import failed_start, restart_hub
from tests.e2e.visitor import Visitor, staying
from tests.polling import eventually
from tests.temporary_deployment import changed_settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

DISPLAYS = "from IPython.display import display\nfor number in range(6000): display(number)"
PRINTS = "for number in range(3000): print(number, flush=True)"
SECONDS = 120_000
LOG = ".atrium-notebook.log"
OPTIONS = json.dumps({"user_options": {"environment": "slow"}})


@pytest.fixture(scope="module")
def notebook(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    with staying(deployment, signed_in, "founder") as founder:
        founder.start_notebook()
        yield founder


# -- output -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "count"), [(DISPLAYS, 6000), (PRINTS, 3000)], ids=["displays", "prints"])
def test_a_cell_with_much_output_ends_and_says_what_is_missing(notebook: Visitor, code: str, count: int) -> None:
    page = notebook.page
    new_notebook(page)
    run_cell(page, code, within=240)
    assert run_cell(page, "print('next cell')") == "next cell"
    expect(page.locator(".jp-InputPrompt").first).to_have_text("[1]:")
    screenshot(page, f"lab-much-output-{count}")

    outputs = saved_outputs(notebook)
    displays = sum(output["output_type"] == "display_data" for output in outputs)
    lines = sum(text.count("\n") for text in streams(outputs, "stdout"))
    missing = re.findall(r"^([\d,]+) pieces of output", "".join(streams(outputs, "stderr")), re.MULTILINE)
    assert displays + lines + sum(int(number.replace(",", "")) for number in missing) == count


def saved_outputs(visitor: Visitor) -> list[dict[str, object]]:
    """Outputs of the first cell of the notebook that is open, from its file."""
    home = Path(pwd.getpwnam(visitor.name).pw_dir)
    page = visitor.page
    name = page.locator(".lm-TabBar-tab.jp-mod-current .lm-TabBar-tabLabel").first.inner_text()
    page.get_by_role("button", name="Save and create checkpoint").click()
    page.get_by_role("button", name="Rename and Save").click()  # Lab asks for a name at the first save

    def outputs() -> list[dict[str, object]]:
        text = (home / name).read_text()  # empty while it is being written
        cells = json.loads(text)["cells"] if text.endswith("}\n") else []
        return list(cells[0]["outputs"]) if len(cells) > 1 and cells[1]["outputs"] else []

    return eventually(outputs, within=60, what="the notebook is saved")


def streams(outputs: list[dict[str, object]], name: str) -> list[str]:
    texts = [output["text"] for output in outputs if output.get("name") == name]
    return ["".join(text) if isinstance(text, list) else str(text) for text in texts]


# -- starts -----------------------------------------------------------------------------------------------------------


def test_a_start_that_hangs_names_its_step_and_is_ended(deployment: Deployment, visit: Visit, tmp_path: Path) -> None:
    """An environment whose Python does not get to the end of its start."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for path in (tmp_path, *tmp_path.parents):
        if path.is_relative_to(tempfile.gettempdir()) and not path.samefile(tempfile.gettempdir()):
            path.chmod(0o755)
    for name in ("python", "jupyterhub-singleuser"):
        (programs / name).write_text("#!/bin/sh\nexec sleep 600\n")
        (programs / name).chmod(0o755)
    slow = (
        f'[spawn]\nannounce_seconds = 80\nenvironments = [{{ name = "slow", title = "Slow", path = "{tmp_path}" }}]\n'
    )
    with changed_settings(deployment, {"[spawn]\n": slow}, apply=restart_hub):
        trainer = visit("trainer")
        page = trainer.page
        page.goto(trainer.home)
        fetch(page, "POST", f"{deployment.public_url}/hub/api/users/{trainer.name}/server", OPTIONS)
        page.goto(f"{deployment.public_url}/hub/spawn-pending/{trainer.name}")
        words = page.locator("#waiting-words")
        expect(words).to_contain_text("Your notebook server is starting", timeout=SECONDS)
        expect(words).to_contain_text("still loading the programs of its environment", timeout=90_000)
        screenshot(page, "waiting-hangs")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("programs of its environment “slow” were not loaded after", timeout=150_000)
        expect(alert).to_contain_text("choose another environment")
        trainer.wait_until_nothing_runs()


def test_a_log_that_is_a_pipe_is_named_and_nothing_hangs(deployment: Deployment, visit: Visit) -> None:
    colleague = visit("colleague")
    with a_pipe(Path(pwd.getpwnam(colleague.name).pw_dir) / LOG, colleague.name):
        assert failed_start(colleague) == "FAILED 74:0"
        page = colleague.page
        page.goto(f"{deployment.public_url}/hub/spawn-pending/{colleague.name}")
        expect(page.locator("main")).to_contain_text(f"{LOG} in your home directory, is no plain file", timeout=SECONDS)
        expect(page.locator("main")).to_contain_text("Delete it or move it aside")
    assert deployment.jobs_of(colleague.name) == [], "nothing is left that waits for a reader"
    assert failed_start(colleague) is None


@contextmanager
def a_pipe(path: Path, owner: str) -> Iterator[None]:
    """A pipe of the person in the place of a file."""
    account = pwd.getpwnam(owner)
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    os.chown(path, account.pw_uid, account.pw_gid)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def test_a_full_home_is_told_from_a_closed_one(deployment: Deployment, visit: Visit) -> None:
    colleague = visit("colleague")
    with full_home(deployment, colleague.name):
        assert failed_start(colleague) in ("FAILED 73:0", "FAILED 0:53")
        colleague.page.goto(f"{deployment.public_url}/hub/spawn-pending/{colleague.name}")
        expect(colleague.page.locator("main")).to_contain_text("Your home directory is full", timeout=SECONDS)


@contextmanager
def full_home(deployment: Deployment, name: str) -> Iterator[None]:
    """A home on a small disk without room."""
    account = pwd.getpwnam(name)
    options = f"size=64k,mode=700,uid={account.pw_uid},gid={account.pw_gid}"
    deployment.run("mount", "-t", "tmpfs", "-o", options, "full", account.pw_dir)
    try:
        with Path(account.pw_dir, "large").open("wb") as large:
            for _ in range(16):
                large.write(b"1" * 4096)
        yield
    finally:
        deployment.run("umount", "--lazy", account.pw_dir)
