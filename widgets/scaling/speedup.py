"""Measures a computation with increasing numbers of workers, for the examples: a table and a chart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, NamedTuple

from widgets.scaling.client import Cluster


class Measured(NamedTuple):
    workers: int
    seconds: float
    speedup: float
    """By how much faster than with the first number of workers."""


class Speedup(list[Measured]):
    """The measured runs; displayed as a table and a chart with the ideal speed-up."""

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{run.workers}</td><td>{run.seconds:.1f} s</td><td>{run.speedup:.2f}</td></tr>" for run in self
        )
        head = "<th scope='col'>Workers</th><th scope='col'>Time</th><th scope='col'>Times faster</th>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def picture(self) -> Any:
        """The chart, with a text alternative."""
        from IPython.display import Image
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.subplots()
        workers = [run.workers for run in self]
        axes.plot(workers, [count / workers[0] for count in workers], linestyle="--", color="#6B7590", label="ideal")
        axes.plot(workers, [run.speedup for run in self], marker="o", color="#2340B8", label="measured")
        axes.set(xlabel="Workers", ylabel="Times faster", xticks=workers, ylim=(0, None))
        axes.legend()
        image = BytesIO()
        figure.savefig(image, format="png", dpi=120)
        description = ", ".join(f"{run.speedup:.2f} times faster with {run.workers}" for run in self)
        return Image(data=image.getvalue(), format="png", width=500, alt=f"Workers and speed: {description}")


def measure(
    cluster: Cluster,
    compute: Callable[[], Any],
    workers: Sequence[int] = (1, 2, 4),
    warm: Callable[[], Any] = lambda: None,
) -> Speedup:
    """Run ``compute`` once with each number of workers, without cached results.

    :param warm: run once on every worker before, so that no run pays for imports.
    """
    runs = Speedup()
    for number in workers:
        cluster.scale(number)
        cluster.wait(number)
        _settle(cluster, number)
        cluster.client.run(warm)
        start = time.perf_counter()
        compute()
        seconds = time.perf_counter() - start
        first = runs[0].seconds if runs else seconds
        runs.append(Measured(number, seconds, first / seconds))
    return runs


def _settle(cluster: Cluster, number: int, patience: float = 60) -> None:
    """Wait until no more workers than requested are connected, and all have imported their modules."""
    end = time.monotonic() + patience
    while len(cluster.client.scheduler_info(n_workers=-1)["workers"]) > number and time.monotonic() < end:
        time.sleep(0.2)
    cluster.client.run(_warm)


def _warm() -> None:
    import dask.array
    import dask.dataframe  # noqa: F401 - imported before the measurement
