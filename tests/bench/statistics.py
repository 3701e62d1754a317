"""Statistics of a scenario's measurements. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
class Row:
    """Two sides of one run against each other. ``ratio`` is ours, the first one's median, by the reference's."""

    ours: Spread
    reference: Spread
    ratio: float


@dataclass(frozen=True)
class Result:
    """One scenario, measured: its own row, and further ones of the same runs by their labels."""

    scenario: str
    metric: str
    unit: str
    ours: Spread
    reference: Spread
    ratio: float
    runs: int
    further: dict[str, Row] = field(default_factory=dict)


def measure(sides: Sequence[Measure], runs: int) -> list[list[float]]:
    """All sides ``runs`` times by turns, another one going first every time so that a drift hits all alike."""
    values: list[list[float]] = [[] for _ in sides]
    for run in range(runs):
        for turn in range(len(sides)):
            side = (run + turn) % len(sides)
            values[side].append(sides[side]())
    return values


def compare(what: str, ours: Sequence[float], reference: Sequence[float]) -> Row:
    """Raises ValueError when a side was not measured, not equally often, or the reference took nothing."""
    if len(ours) != len(reference) or not ours:
        raise ValueError(f"{what}: {len(ours)} measurements of ours against {len(reference)} of the reference")
    spread, against = Spread.of(ours), Spread.of(reference)
    if against.median <= 0:
        raise ValueError(f"{what}: the reference measured {against.median}, there is no ratio to it")
    return Row(spread, against, spread.median / against.median)


def summarise(scenario: str, metric: str, unit: str, ours: Sequence[float], reference: Sequence[float]) -> Result:
    """A scenario's own row; raises ValueError as :func:`compare` does."""
    row = compare(scenario, ours, reference)
    return Result(scenario, metric, unit, row.ours, row.reference, row.ratio, len(ours))
