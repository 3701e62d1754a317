"""Results as files: ``results.json`` for programs and the same as ``results.md`` for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.statistics import Result, Row, Spread

NOT_MEASURED = "not measured yet"
_HEADING = """\
# Benchmarks

Minimum / median / maximum of ours and of a reference measured by turns in the same call; the ratio is our median
by the reference's. Only ratios can be compared between machines. A row without a name is from the same runs as the
one above it. What each scenario does is said in its docstring, where the time goes in README.md. Written by
`make bench`.

| scenario | metric | unit | ours | reference | ratio | runs |
|---|---|---|---|---|---|---|
"""


def read(path: Path) -> dict[str, Result]:
    """Earlier results by scenario; none when there is no file yet."""
    if not path.exists():
        return {}
    return {entry["scenario"]: _result(entry) for entry in json.loads(path.read_text())}


def _result(entry: dict[str, Any]) -> Result:
    further = {label: _row_of(row) for label, row in entry.pop("further", {}).items()}
    return Result(**{**entry, **_spreads(entry)}, further=further)


def _row_of(row: dict[str, Any]) -> Row:
    return Row(**{**row, **_spreads(row)})


def _spreads(entry: dict[str, Any]) -> dict[str, Spread]:
    return {side: Spread(**entry[side]) for side in ("ours", "reference")}


def to_json(results: Iterable[Result]) -> str:
    return json.dumps([asdict(result) for result in results], indent=2) + "\n"


def to_markdown(names: Iterable[str], results: Mapping[str, Result]) -> str:
    """A row for every name; one without a measurement says so and has no number."""
    return _HEADING + "".join(_row(name, results.get(name)) + "\n" for name in names)


def _row(name: str, result: Result | None) -> str:
    if result is None:
        return f"| {name} | {NOT_MEASURED} | | | | | |"
    own = f"| {name} | {result.metric} | {result.unit} | {_sides(result)} | {result.runs} |"
    return "\n".join([own, *(f"| | {label} | | {_sides(row)} | |" for label, row in result.further.items())])


def _sides(row: Result | Row) -> str:
    return f"{text(row.ours)} | {text(row.reference)} | {ratio(row)}"


def ratio(row: Result | Row) -> str:
    """``0.47``, and of very small ones the first digit that is not 0."""
    return f"{row.ratio:.2f}" if row.ratio >= 0.01 else f"{row.ratio:.1g}"


def text(spread: Spread) -> str:
    """``1.2 / 1.5 / 2`` with three significant digits."""
    return " / ".join(f"{value:.3g}" for value in (spread.min, spread.median, spread.max))


def write(folder: Path, names: Iterable[str], results: Mapping[str, Result]) -> None:
    """Both files, in the order of ``names``."""
    ordered = list(names)
    (folder / "results.json").write_text(to_json(results[name] for name in ordered if name in results))
    (folder / "results.md").write_text(to_markdown(ordered, results))
