"""What a scenario's measurements come to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

Measure = Callable[[], float]


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of one side's measurements."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Result:
    """One scenario, measured. ``ratio`` is our median by the reference's."""

    scenario: str
    metric: str
    unit: str
    ours: Spread
    reference: Spread
    ratio: float
    runs: int


def measure(ours: Measure, reference: Measure, runs: int) -> tuple[list[float], list[float]]:
    """Both sides ``runs`` times by turns, each going first every other time so that a drift hits both alike."""
    sides: tuple[list[float], list[float]] = ([], [])
    for run in range(runs):
        for side in (0, 1) if run % 2 == 0 else (1, 0):
            sides[side].append((ours, reference)[side]())
    return sides


def summarise(scenario: str, metric: str, unit: str, ours: Sequence[float], reference: Sequence[float]) -> Result:
    """Raises ValueError when a side was not measured, not equally often, or the reference took nothing."""
    if len(ours) != len(reference) or not ours:
        raise ValueError(f"{scenario}: {len(ours)} measurements of ours against {len(reference)} of the reference")
    spread, against = Spread.of(ours), Spread.of(reference)
    if against.median <= 0:
        raise ValueError(f"{scenario}: the reference measured {against.median}, there is no ratio to it")
    return Result(scenario, metric, unit, spread, against, spread.median / against.median, len(ours))
