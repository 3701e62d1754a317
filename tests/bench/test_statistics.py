"""The arithmetic of the benchmarks."""

from __future__ import annotations

import pytest

from tests.bench.statistics import Spread, measure, summarise


def test_sides_are_measured_by_turns_and_each_goes_first_in_its_turn() -> None:
    calls: list[str] = []

    def side(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    ours, reference = measure([lambda: side("ours"), lambda: side("reference")], runs=3)

    assert calls == ["ours", "reference", "reference", "ours", "ours", "reference"]
    assert (ours, reference) == ([1, 4, 5], [2, 3, 6])


def test_the_ratio_uses_medians_so_that_a_slow_run_does_not_matter() -> None:
    result = summarise("spawn", "time", "s", [2.0, 100.0, 3.0], [1.0, 2.0, 0.5])

    assert result.ours == Spread(2.0, 3.0, 100.0)
    assert result.reference == Spread(0.5, 1.0, 2.0)
    assert result.ratio == 3.0
    assert result.runs == 3


@pytest.mark.parametrize(
    ("ours", "reference", "text"),
    [([], [], "0 measurements"), ([1.0], [], "against 0"), ([1.0], [0.0], "no ratio")],
)
def test_no_number_without_a_measurement(ours: list[float], reference: list[float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        summarise("spawn", "time", "s", ours, reference)
