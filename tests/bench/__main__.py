"""``python -m tests.bench [SCENARIO…]``: run the scenarios named, or all that can be measured."""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path

from tests.bench import burst, dashboards, dask, face, loads, report, running, scaling, search, spawn
from tests.bench.registry import NAMES, SCENARIOS, Scenario
from tests.bench.statistics import Result, Row, compare, measure, summarise
from tests.deployment import Deployment

FOLDER = Path(__file__).parent
MODULES = (spawn, running, burst, dashboards, loads, search, dask, scaling, face)  # importing them registers scenarios


def main() -> int:
    """Exit code: 0 when every scenario asked for was measured or has no measurement yet."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what a scenario has made goes with it
    results = report.read(FOLDER / "results.json")
    failed = []
    for name in arguments:
        if name not in SCENARIOS:
            print(f"{name:26} {report.NOT_MEASURED}")
            continue
        try:
            results[name] = _run(SCENARIOS[name], Deployment.from_environment())
        except Exception:
            traceback.print_exc()
            failed.append(name)
            print(f"{name:26} failed, see above; an earlier result is kept")
        else:
            print(_line(results[name]), flush=True)
    report.write(FOLDER, NAMES, results)
    return 1 if failed else 0


def _arguments() -> list[str]:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("scenario", nargs="*", metavar="SCENARIO", help=", ".join(NAMES))
    names: list[str] = parser.parse_args().scenario
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; the names are {', '.join(NAMES)}")
    return names or list(NAMES)


def _run(scenario: Scenario, deployment: Deployment) -> Result:
    with scenario.prepare(deployment) as pair:
        sides = list(dict.fromkeys(side for row in pair.rows.values() for side in row))
        values = dict(zip(sides, measure(sides, scenario.runs), strict=True))
        rows = {label: (values[ours], values[reference]) for label, (ours, reference) in pair.rows.items()}
    result = summarise(scenario.name, scenario.metric, scenario.unit, *rows.pop(""))
    further = {label: compare(f"{scenario.name}, {label}", *sides) for label, sides in rows.items()}
    return replace(result, further=further)


def _line(result: Result) -> str:
    rows: dict[str, Result | Row] = {result.scenario: result}
    rows |= {f"  {label}": row for label, row in result.further.items()}
    return "\n".join(
        f"{label:26} ours {report.text(row.ours)}, reference {report.text(row.reference)} {result.unit}, "
        f"ratio {report.ratio(row)}"
        for label, row in rows.items()
    )


if __name__ == "__main__":
    raise SystemExit(main())
