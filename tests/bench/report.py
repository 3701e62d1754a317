"""Results as files: ``results.json`` for programs and the same as ``results.md`` for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from tests.bench.statistics import Result, Spread

NOT_MEASURED = "not measured yet"
_HEADING = """\
# Benchmarks

Minimum / median / maximum of ours and of a reference measured by turns in the same call; the ratio is our median
by the reference's. Only ratios can be compared between machines. Written by `make bench`.

| scenario | metric | unit | ours | reference | ratio | runs |
|---|---|---|---|---|---|---|
"""


def read(path: Path) -> dict[str, Result]:
    """Earlier results by scenario; none when there is no file yet."""
    if not path.exists():
        return {}
    return {entry["scenario"]: _result(entry) for entry in json.loads(path.read_text())}


def _result(entry: dict[str, object]) -> Result:
    sides = {side: Spread(**entry[side]) for side in ("ours", "reference")}  # type: ignore[arg-type]
    return Result(**{**entry, **sides})  # type: ignore[arg-type]


def to_json(results: Iterable[Result]) -> str:
    return json.dumps([asdict(result) for result in results], indent=2) + "\n"


def to_markdown(names: Iterable[str], results: Mapping[str, Result]) -> str:
    """A row for every name; one without a measurement says so and has no number."""
    return _HEADING + "".join(_row(name, results.get(name)) + "\n" for name in names)


def _row(name: str, result: Result | None) -> str:
    if result is None:
        return f"| {name} | {NOT_MEASURED} | | | | | |"
    ours, reference = text(result.ours), text(result.reference)
    return f"| {name} | {result.metric} | {result.unit} | {ours} | {reference} | {result.ratio:.2f} | {result.runs} |"


def text(spread: Spread) -> str:
    """``1.2 / 1.5 / 2`` with three significant digits."""
    return " / ".join(f"{value:.3g}" for value in (spread.min, spread.median, spread.max))


def write(folder: Path, names: Iterable[str], results: Mapping[str, Result]) -> None:
    """Both files, in the order of ``names``."""
    ordered = list(names)
    (folder / "results.json").write_text(to_json(results[name] for name in ordered if name in results))
    (folder / "results.md").write_text(to_markdown(ordered, results))
