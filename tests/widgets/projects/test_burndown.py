"""Hours over time: the picture, its table and its sentence."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from hub.usage.models import Hours
from tests.widgets.projects.test_view import TODAY, usage
from widgets.projects.burndown import burn_down, course, sentence


def test_the_course_starts_with_the_grant_and_ends_with_slurms_figure() -> None:
    points = course(usage(), "cpu", TODAY)

    assert [(point.day, point.left) for point in points] == [
        (date(2026, 10, 31), 100),
        (date(2026, 11, 10), 90),
        (date(2026, 11, 20), 65),
        (TODAY, 60),
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "At this pace they are enough until 20 December 2026."),
        ({"cpu_runs_out": date(2027, 6, 1)}, "last beyond the project's end on 31 January 2027"),
        ({"cpu_runs_out": None, "cpu_outlook": "unused"}, "there is no forecast"),
        ({"cpu_runs_out": None, "cpu_outlook": "too early"}, "too early to say how long they last"),
        ({"cpu_runs_out": None, "cpu_outlook": "far"}, "for more than two years"),
        ({"cpu": Hours(granted=100, used=100, left=0), "cpu_runs_out": TODAY}, "used up"),
    ],
)
def test_the_sentence_says_how_long_hours_last(more: dict[str, Any], words: str) -> None:
    assert words in sentence(usage(**more), "cpu", TODAY)


def test_the_picture_has_words_and_a_table() -> None:
    markup = burn_down(usage(), "cpu", TODAY)

    assert 'role="img" aria-label="60' in markup
    assert "<caption>CPU hours, newest day first</caption>" in markup
    assert 'class="forecast"' in markup


@pytest.mark.parametrize(
    "more",
    [
        {"days": (), "cpu_runs_out": None},
        {"starts": TODAY, "until": TODAY, "days": ()},
        {"starts": TODAY + timedelta(days=9), "until": None, "days": (), "cpu_runs_out": None},
        {"cpu_runs_out": date(2036, 1, 1)},
    ],
)
def test_it_can_be_drawn_on_the_first_day_and_on_any_other(more: dict[str, Any]) -> None:
    markup = burn_down(usage(**more), "cpu", TODAY)

    assert "<svg" in markup
    assert "nan" not in markup


def test_hours_that_were_not_granted_are_not_drawn() -> None:
    assert burn_down(usage(), "gpu", TODAY) == ""
