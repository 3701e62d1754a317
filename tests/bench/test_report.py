"""Reports of the benchmarks, and the list of scenarios."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import __main__ as command
from tests.bench import report
from tests.bench.registry import NAMES, SCENARIOS, scenario
from tests.bench.statistics import Result, compare, summarise

SPAWN = replace(
    summarise("spawn", "start to ready Lab", "s", [2.0, 4.0, 3.0], [1.0, 2.0, 1.5]),
    further={"stock": compare("stock", [6.0, 6.0, 6.0], [1.0, 2.0, 1.5])},
)
FOLDER = Path(__file__).parent


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    report.write(tmp_path, ["load_500", "spawn"], {"spawn": SPAWN})

    assert report.read(tmp_path / "results.json") == {"spawn": SPAWN}
    assert report.read(tmp_path / "none.json") == {}


def test_json_is_a_list_of_objects_with_the_promised_keys(tmp_path: Path) -> None:
    report.write(tmp_path, ["load_500", "spawn"], {"spawn": SPAWN})

    [entry] = json.loads((tmp_path / "results.json").read_text())
    assert set(entry) == {"scenario", "metric", "unit", "ours", "reference", "ratio", "runs", "further"}
    assert entry["ours"] == {"min": 2.0, "median": 3.0, "max": 4.0}
    assert entry["ratio"] == 2.0
    assert entry["further"]["stock"]["ratio"] == 4.0


def test_a_scenario_without_a_measurement_is_named_and_has_no_number() -> None:
    *_, unmeasured, measured, further = report.to_markdown(["load_500", "spawn"], {"spawn": SPAWN}).splitlines()

    assert unmeasured == "| load_500 | not measured yet | | | | | |"
    assert measured == "| spawn | start to ready Lab | s | 2 / 3 / 4 | 1 / 1.5 / 2 | 2.00 | 3 |"
    assert further == "| | stock | | 6 / 6 / 6 | 1 / 1.5 / 2 | 4.00 | |"


def test_the_table_in_the_repository_matches_the_json() -> None:
    results = report.read(FOLDER / "results.json")

    assert set(results) <= set(NAMES)
    assert (FOLDER / "results.md").read_text() == report.to_markdown(NAMES, results)


def test_only_listed_names_can_be_registered() -> None:
    assert set(SCENARIOS) <= set(NAMES)
    with pytest.raises(ValueError, match="not a scenario"):
        scenario("spwan", metric="", unit="", runs=1)


def test_a_failing_scenario_fails_the_command_and_leaves_the_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report.write(tmp_path, NAMES, {"spawn": SPAWN})
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["bench", "spawn", "load_500"])
    monkeypatch.setattr(command, "_run", _fails)

    assert command.main() == 1
    printed = capsys.readouterr().out
    assert "load_500                   not measured yet" in printed
    assert "failed" in printed
    assert report.read(tmp_path / "results.json") == {"spawn": SPAWN}


def _fails(*_: object) -> Result:
    raise RuntimeError("no deployment")
