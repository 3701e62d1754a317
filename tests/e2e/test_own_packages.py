"""Packages in notebooks: what the site brings, shown without another site, and an environment of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.deployment import Deployment
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.visitor import Visitor, staying

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

CHARTS = {
    "plotly": ("import plotly.express as px; px.line(x=[1, 2], y=[3, 4])", ".js-plotly-plot .main-svg"),
    "plotly's show": ("import plotly.express as px; px.bar(x=[1, 2], y=[3, 4]).show()", ".js-plotly-plot .main-svg"),
    "plotly as a widget": (
        "import plotly.graph_objects as go; go.FigureWidget(go.Scatter(y=[1, 2]))",
        ".jp-OutputArea-output .main-svg",
    ),
    "altair": (
        "import altair as alt, pandas as pd\n"
        "alt.Chart(pd.DataFrame({'x': [1, 2], 'y': [3, 4]})).mark_line().encode(x='x', y='y')",
        ".vega-embed :is(canvas, svg)",
    ),
    "ipympl": (
        "%matplotlib widget\nimport matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()",
        ".jupyter-matplotlib",
    ),
    "ipyleaflet": (
        "from ipyleaflet import Map, Rectangle\n"
        "m = Map(center=(50, 4), zoom=4, layers=()); m.add(Rectangle(bounds=((49, 2), (51, 6)))); m",
        ".leaflet-overlay-pane path",
    ),
}


@pytest.fixture(scope="module")
def founder(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    with staying(deployment, signed_in, "founder") as visitor:
        visitor.start_notebook()
        yield visitor


def test_charts_and_maps_are_drawn_without_another_site(founder: Visitor) -> None:
    page, foreign = founder.page, []

    def only_this_machine(route: Route) -> None:
        host = urlsplit(route.request.url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    page.context.route(re.compile(r"https?://"), only_this_machine)
    new_notebook(page)
    missing = []
    for name, (code, drawing) in CHARTS.items():
        before = page.locator(drawing).count()
        output = run_cell(page, code, within=120)
        try:
            expect(page.locator(drawing).nth(before)).to_be_attached(timeout=30_000)
        except AssertionError:
            missing.append(f"{name}: {output[:300]}")
    assert (missing, foreign) == ([], [])
    page.context.unroute_all()


def test_tables_and_arrays_are_read_and_written(founder: Visitor) -> None:
    new_notebook(founder.page)
    code = (
        "import numpy as np, pandas as pd, polars as pl, seaborn, xarray as xr, tempfile\n"
        "folder = tempfile.mkdtemp()\n"
        "data = xr.Dataset({'t': (('x',), np.arange(3.0))})\n"
        "data.to_netcdf(folder + '/a.nc'); data.to_zarr(folder + '/a.zarr')\n"
        "sums = float(xr.open_dataset(folder + '/a.nc').t.sum()), float(xr.open_zarr(folder + '/a.zarr').t.sum())\n"
        "sums, pl.DataFrame({'a': [1]}).height, pd.DataFrame({'a': [1]}).size"
    )
    assert "((3.0, 3.0), 1, 1)" in run_cell(founder.page, code, within=120)


def test_installing_says_what_to_do_and_the_lines_make_a_kernel(founder: Visitor) -> None:
    page = founder.page
    new_notebook(page)
    output = run_cell(page, "%pip install emoji")
    assert "belong to the site, so nothing was changed" in output
    assert str(founder.deployment.settings.paths.user_env) in output, "the path that upgrades do not change"
    lines = output[output.index("%%bash") :].partition("\n\n")[0].replace("pip install emoji", "pip --version")
    run_cell(page, lines, within=120)
    home = f"~{founder.name}"
    try:
        new_notebook_of(page, "My environment")
        code = "import sys, numpy, plotly; print(sys.prefix.endswith('/envs/own'), numpy.__name__, plotly.__name__)"
        assert "True numpy plotly" in run_cell(page, code, within=120)
    finally:
        run_as = ("runuser", "-u", founder.name, "--", "bash", "-c")
        founder.deployment.run(*run_as, f"rm -rf {home}/envs/own {home}/.local/share/jupyter/kernels/own")


def new_notebook_of(page: Page, kernel: str) -> None:
    """A new notebook with a kernel that was installed meanwhile: Lab reads the list when it is loaded."""
    page.goto(re.sub(r"/lab\b.*", "/lab?reset", page.url))
    page.get_by_role("button", name="Reset layout").click()
    page.locator(".jp-LauncherCard[data-category=Notebook]", has_text=kernel).click(timeout=60_000)
    expect(page.locator(".jp-Toolbar-kernelName:visible").first).to_have_text(kernel, timeout=60_000)
    expect(page.locator(".jp-Notebook-ExecutionIndicator:visible").first).to_have_attribute(
        "data-status", "idle", timeout=60_000
    )
