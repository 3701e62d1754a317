"""The scenarios by name. A name is listed from the first day; its measurement comes with the part it measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.bench.statistics import Measure
from tests.deployment import Deployment

NAMES = (
    "spawn",
    "sign_in_to_lab",
    "queue_commands_per_minute",
    "hub_idle_1000",
    "spawn_burst_50",
    "dashboard_first_visit",
    "dashboard_repeat_visit",
    "dashboard_loads_300",
    "search_common_p95",
    "search_rare_p95",
    "search_typing_p95",
    "search_typo_p95",
    "index_rate",
    "dask_scale_8",
    "dask_adaptive_8",
    "dask_tasks",
    "scaling_first_widget",
    "scaling_live_50",
    "nginx_request",
    "app_first_widget",
    "workshop_join",
    "load_500",
)


@dataclass(frozen=True)
class Pair:
    """The two things a scenario measures; each call is one run and returns one value."""

    ours: Measure
    reference: Measure
    further: Mapping[str, tuple[Measure, Measure]] = field(default_factory=dict)
    """What else is measured in the same turns, by the label of its row; a measure that is in two rows runs once."""

    @property
    def rows(self) -> dict[str, tuple[Measure, Measure]]:
        """All rows, the scenario's own under ""."""
        return {"": (self.ours, self.reference), **self.further}


Prepare = Callable[[Deployment], AbstractContextManager[Pair]]
"""Sets a scenario up outside the measurement, and cleans up after it."""


@dataclass(frozen=True)
class Scenario:
    name: str
    metric: str
    unit: str
    runs: int
    prepare: Prepare


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, *, metric: str, unit: str, runs: int) -> Callable[[Prepare], Prepare]:
    """Register the decorated context manager as the measurement of ``name``, which must be one of :data:`NAMES`."""
    if name not in NAMES:
        raise ValueError(f"{name} is not a scenario; the names are {', '.join(NAMES)}")

    def register(prepare: Prepare) -> Prepare:
        SCENARIOS[name] = Scenario(name, metric, unit, runs, prepare)
        return prepare

    return register
