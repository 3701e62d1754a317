"""Actions in JupyterLab: open a notebook, run a cell, read its output."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

READY_SECONDS = 180
KERNEL = "Python 3 (ipykernel)"
_DONE = re.compile(r"\[\d+\]:")


def open_empty_lab(page: Page, server: str) -> None:
    """JupyterLab of the server at an address, with an empty workspace; it asks before it forgets the last one."""
    page.goto(f"{server}lab?reset")
    page.get_by_role("button", name="Reset layout").click()


def new_notebook(page: Page) -> None:
    """From any page of a Lab, with an empty workspace, into a new notebook whose kernel is idle."""
    open_empty_lab(page, re.sub(r"/lab\b.*", "/", page.url))
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=READY_SECONDS * 1000)
    wait_for_kernel(page)


def wait_for_kernel(page: Page) -> None:
    """Until the open notebook has a kernel that waits for work (Lab calls a notebook without one idle, too).

    Notebooks of an earlier visit may be open beside it.
    """
    indicator = page.locator(".jp-Notebook-ExecutionIndicator:visible").first
    expect(page.locator(".jp-Toolbar-kernelName:visible").first).to_have_text(KERNEL, timeout=READY_SECONDS * 1000)
    expect(indicator).to_have_attribute("data-status", "idle", timeout=READY_SECONDS * 1000)


def run_cell(page: Page, code: str, *, within: float = 60) -> str:
    """Run ``code`` in the notebook's last cell, and what stands below it when it is done."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").last
    index = page.locator(".jp-Notebook .jp-CodeCell").count() - 1
    cell.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(index)
    expect(cell.locator(".jp-InputPrompt")).to_have_text(_DONE, timeout=within * 1000)
    return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts()).strip()
