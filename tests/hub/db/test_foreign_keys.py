"""Foreign keys name a class of another module, so that a program which loads one table loads those it refers to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HUB = Path(__file__).parents[3] / "hub"
LOADED_TOGETHER = {("dataspace/tables.py", "dataspace_sources")}
"""Tables of a module above: records and sources refer to each other's, and programs load both."""


@pytest.mark.parametrize("path", sorted(HUB.rglob("tables.py")), ids=lambda path: str(path.relative_to(HUB)))
def test_a_table_named_by_text_is_in_the_same_module(path: Path) -> None:
    text = path.read_text()
    own = set(re.findall(r'__tablename__ = "(\w+)"', text))
    by_text = set(re.findall(r'ForeignKey\("(\w+)\.', text))
    allowed = {table for module, table in LOADED_TOGETHER if module == str(path.relative_to(HUB))}
    assert by_text - own == allowed
