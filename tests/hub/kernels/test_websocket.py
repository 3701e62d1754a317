"""Jupyter's limit on the rate of output, and what the cell says about it."""

from __future__ import annotations

import pytest
from jupyter_client.session import Session

from hub.kernels.websocket import CountingConnection

SESSION = Session(key=b"key")


class Page(CountingConnection):
    """A connection whose page is a list."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.notes: list[tuple[str, str]] = []
        self.shown = 0

    def write_stderr(self, error_message: str, parent_header: dict[str, str]) -> None:
        self.notes.append((parent_header["msg_id"], error_message))

    def take(self, kind: str, cell: str, v1: bool = True, **content: object) -> None:
        """A message of the kernel, as ``handle_outgoing_message`` hands it over for each of its two protocols."""
        model = SESSION.msg(kind, content, parent={"msg_id": cell})
        parts = SESSION.serialize(model)[2:]
        message = {"header": None, "parent_header": None, "content": None} if v1 else dict(model)
        self.shown += not self._limit_rate("iopub", message, parts)


@pytest.fixture
async def page() -> Page:
    page = Page()
    page.iopub_msg_rate_limit, page.rate_limit_window = 10, 1
    return page


@pytest.mark.parametrize("v1", [True, False])
async def test_the_cell_says_how_much_was_left_out_of_it(page: Page, v1: bool) -> None:
    for _ in range(500):
        page.take("display_data", "a", v1)
    page.take("status", "a", v1, execution_state="idle")

    [jupyters, ours] = page.notes
    assert jupyters[0] == ours[0] == "a"
    assert "rate exceeded" in jupyters[1]
    assert page.shown == 11, "ten, and the state"
    assert "490 pieces of output are not shown here" in ours[1]


async def test_each_cell_says_its_own_number_once(page: Page) -> None:
    for cell, count in (("a", 20), ("b", 30)):
        for _ in range(count):
            page.take("stream", cell, name="stdout", text="x")
    page.take("status", "b", execution_state="idle")
    page.take("status", "b", execution_state="idle")

    assert [(cell, text.split()[0]) for cell, text in page.notes if "not shown" in text] == [("a", "10"), ("b", "30")]


async def test_a_cell_with_little_output_says_nothing(page: Page) -> None:
    for cell in "abcdef":
        for _ in range(5):
            page.take("display_data", cell)
        page.take("status", cell, execution_state="busy")
        page.take("status", cell, execution_state="idle")
    assert page.notes == []
