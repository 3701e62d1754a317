"""Events of the audit trail in words."""

from __future__ import annotations

from typing import Any

import pytest

from hub.audit.models import Event
from tests.widgets.factory import MOMENT
from widgets.audit_words import change_words, event_words, object_words


def event(before: dict[str, Any], after: dict[str, Any]) -> Event:
    return Event(id=1, at=MOMENT, who="rita", what="extension granted", on="project/x", before=before, after=after)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("application/12", "Application A-00012"),
        ("project/steel-1", "Project steel-1"),
        ("source/cat", "Data source cat"),
        ("publication/flow-1", "Publication flow-1"),
        ("record/7", "Data set 7"),
        ("job 12", "Job 12"),
        ("unknown/1", "Unknown/1"),
    ],
)
def test_objects_in_words(name: str, words: str) -> None:
    assert object_words(name) == words


def test_changes_are_lines_and_what_stayed_is_left_out() -> None:
    before = {"gpu_hours": 1000, "state": "open", "note": "", "full_systems": []}
    after = {"gpu_hours": 2000, "state": "open", "note": "Back in March", "full_systems": ["gpu", "cpu"]}

    assert str(change_words(event(before, after))) == (
        "<ul><li>GPU hours: 1\N{NARROW NO-BREAK SPACE}000 before, 2\N{NARROW NO-BREAK SPACE}000 now</li>"
        "<li>Note: none before, Back in March now</li>"
        "<li>Full systems: none before, gpu; cpu now</li></ul>"
    )


def test_groups_yes_and_no_and_nothing() -> None:
    words = str(change_words(event({}, {"conflict": False, "figures": {"staff": 12.5}, "website": None})))

    assert "Conflict: no" in words
    assert "Figures, staff: 12.5" in words
    assert "Website: none" in words
    assert change_words(event({}, {})) == ""


def test_no_braces_and_no_markup() -> None:
    relatives = [{"name": "<b>", "share": 30}]
    words = str(change_words(event({"member": "lead"}, {"relatives": relatives})))

    assert "Relatives: Name: &lt;b&gt;, Share (%): 30" in words
    assert "Member: lead before" in words
    assert not set("{}[]") & set(words)
    assert event_words(event({}, {})) == "Extension granted"
