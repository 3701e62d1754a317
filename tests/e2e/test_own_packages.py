"""Installing packages in a notebook: what it says, and the environment of one's own that its lines make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.deployment import Deployment
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.visitor import Visitor, staying

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]


@pytest.fixture(scope="module")
def founder(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    with staying(deployment, signed_in, "founder") as visitor:
        visitor.start_notebook()
        yield visitor


def test_installing_says_what_to_do_and_the_lines_make_a_kernel(founder: Visitor) -> None:
    page = founder.page
    new_notebook(page)
    output = run_cell(page, "%pip install emoji")
    assert "belong to the site, so nothing was changed" in output
    assert str(founder.deployment.settings.paths.user_env) in output, "the path that upgrades do not change"
    lines = output[output.index("%%bash") :].partition("\n\n")[0].replace("pip install emoji", "pip --version")
    run_cell(page, lines, within=120)
    home = f"~{founder.name}"
    try:
        new_notebook_of(page, "My environment")
        code = "import sys, numpy, sklearn; print(sys.prefix.endswith('/envs/own'), numpy.__name__, sklearn.__name__)"
        assert "True numpy sklearn" in run_cell(page, code, within=120)
    finally:
        run_as = ("runuser", "-u", founder.name, "--", "bash", "-c")
        founder.deployment.run(*run_as, f"rm -rf {home}/envs/own {home}/.local/share/jupyter/kernels/own")


def new_notebook_of(page: Page, kernel: str) -> None:
    """A new notebook with a kernel that was installed meanwhile: Lab reads the list when it is loaded."""
    page.goto(re.sub(r"/lab\b.*", "/lab?reset", page.url))
    page.get_by_role("button", name="Reset layout").click()
    page.locator(".jp-LauncherCard[data-category=Notebook]", has_text=kernel).click(timeout=60_000)
    expect(page.locator(".jp-Toolbar-kernelName:visible").first).to_have_text(kernel, timeout=60_000)
    expect(page.locator(".jp-Notebook-ExecutionIndicator:visible").first).to_have_attribute(
        "data-status", "idle", timeout=60_000
    )
