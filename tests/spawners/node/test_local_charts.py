"""Altair's charts are shown as data that JupyterLab and Voila draw themselves, so that no other site is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair
import pytest
from altair.vegalite.v5.display import VEGALITE_MIME_TYPE
from IPython.core.interactiveshell import InteractiveShell

from spawners.node import local_charts

VEGA_LITE = "application/vnd.vegalite.v5+json"
ROOT = Path(__file__).parent.parent.parent.parent
POINTS = altair.Chart({"values": [{"a": 1, "b": 2}]}).mark_point().encode(x="a:Q", y="b:Q")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell()
    local_charts.load_ipython_extension(shell)
    yield shell
    shell.history_manager.enabled = False


def shown(shell: InteractiveShell, chart: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Data and metadata of a chart's output, by MIME type."""
    data, metadata = shell.display_formatter.format(chart)
    return data, metadata


@pytest.mark.parametrize(
    "chart",
    [POINTS, POINTS + POINTS, POINTS | POINTS, POINTS & POINTS, POINTS.facet("a:Q"), POINTS.repeat(["a", "b"])],
    ids=lambda chart: type(chart).__name__,
)
def test_a_chart_of_any_kind_is_data_and_no_script(shell: InteractiveShell, chart: Any) -> None:
    data, _ = shown(shell, chart)

    assert data.keys() == {VEGA_LITE, "text/plain"}
    assert data[VEGA_LITE]["$schema"].startswith("https://vega.github.io/schema/vega-lite/v5")


def test_options_of_charts_are_handed_on_and_nothing_stays_changed(shell: InteractiveShell) -> None:
    with altair.renderers.set_embed_options(actions=False):
        _, metadata = shown(shell, POINTS)

    assert metadata[VEGA_LITE] == {"embed_options": {"actions": False}}
    assert (altair.renderers.active, altair.renderers.options) == ("default", {})


def test_a_renderer_that_the_person_enabled_counts(shell: InteractiveShell) -> None:
    with altair.renderers.enable("html"):
        data, _ = shown(shell, POINTS)

    assert "text/html" in data


def test_other_objects_are_shown_as_ever(shell: InteractiveShell) -> None:
    data, _ = shown(shell, 42)

    assert data == {"text/plain": "42"}


@pytest.mark.process
def test_the_extension_imports_no_altair_before_there_is_a_chart() -> None:
    code = (
        "import sys\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "from spawners.node import local_charts\nlocal_charts.load_ipython_extension(InteractiveShell())\n"
        "print('altair' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout

    assert printed.strip() == "False"


def test_the_installed_altair_defines_its_charts_there() -> None:
    chart = getattr(sys.modules[local_charts.CHART[0]], local_charts.CHART[1])

    assert issubclass(altair.Chart, chart)


@pytest.mark.parametrize("scripts", ["share/jupyter/lab/static", "share/jupyter/voila/templates/base/static"])
def test_the_installed_pages_draw_the_charts_of_the_installed_altair(scripts: str) -> None:
    """The reason for Altair's version: newer ones write Vega-Lite 6, which JupyterLab does not draw."""
    assert VEGALITE_MIME_TYPE == VEGA_LITE
    assert any(VEGA_LITE in file.read_text() for file in (Path(sys.prefix) / scripts).glob("*.js"))
