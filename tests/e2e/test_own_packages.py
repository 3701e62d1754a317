"""Packages in a notebook: what the site's environment draws and reads, and what installing others says and makes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser import fetch
from tests.deployment import Deployment
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.visitor import Visitor, staying
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

EXPRESS = """\
import plotly.express as px
px.line(x=[1, 2], y=[1, 4])
"""
FIGURE_WIDGET = """\
import plotly.graph_objects as go
go.FigureWidget([go.Bar(y=[1, 4])])
"""
CHART = """\
import altair as alt
alt.Chart({"values": [{"a": 1, "b": 2}]}).mark_bar().encode(x="a:Q", y="b:Q")
"""
PICTURE = """\
import seaborn as sns
sns.barplot(x=["a", "b"], y=[1, 2]);
"""
INTERACTIVE = """\
%matplotlib widget
import matplotlib.pyplot as plt
plt.plot([1, 4, 9]);
"""
MAP = """\
from ipyleaflet import Map, Marker
view = Map(center=(52, 5), zoom=5)
view.add(Marker(location=view.center))
view
"""
TABLE = """\
import polars as pl
pl.DataFrame({"a": [1, 2]})
"""
SHAPES = {
    EXPRESS: ".js-plotly-plot .js-line",
    FIGURE_WIDGET: ".js-plotly-plot .bars .point path",
    CHART: ".vega-embed canvas",
    PICTURE: ".jp-RenderedImage img",
    INTERACTIVE: ".jupyter-matplotlib canvas",
    MAP: ".leaflet-container .leaflet-marker-icon",
    TABLE: "table.dataframe",
}
"""Cells, and what each draws. Pictures of matplotlib come first: displaying one closes the figures that are open."""
MAP_TILES = "tile.openstreetmap.org"
"""The background of a map is what needs the network."""
DATASET = """\
import tempfile, pathlib, numpy, xarray
folder = pathlib.Path(tempfile.mkdtemp())
days = xarray.Dataset({"t": (("day", "place"), numpy.arange(6.0).reshape(2, 3))}, {"day": [1, 2]}, {"title": "days"})
days.to_netcdf(folder / "days.nc", engine="netcdf4")
days.to_zarr(folder / "days.zarr")
with xarray.open_dataset(folder / "days.nc", chunks={}) as netcdf, xarray.open_zarr(folder / "days.zarr") as zarr:
    print(netcdf.identical(days), zarr.identical(days), type(zarr.t.data).__module__)
"""
DRAWN_MS = 120_000
HAS_COLOURS = """canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(pixels.buffer)).size > 1;
}"""


@pytest.fixture(scope="module")
def founder(deployment: Deployment, signed_in: Callable[[str], Page]) -> Iterator[Visitor]:
    with staying(deployment, signed_in, "founder") as visitor:
        visitor.start_notebook()
        yield visitor


@contextmanager
def without_other_sites(page: Page) -> Iterator[set[str]]:
    """Requests to other hosts than this machine's fail; yields the hosts that were asked."""
    hosts: set[str] = set()

    def elsewhere(url: str) -> bool:
        return not (urlsplit(url).hostname or "localhost").endswith("localhost")

    def refuse(route: Route) -> None:
        hosts.add(urlsplit(route.request.url).hostname or "")
        route.abort()

    page.context.route(elsewhere, refuse)
    try:
        yield hosts
    finally:
        page.context.unroute(elsewhere, refuse)


def expect_drawn(shape: Locator) -> None:
    """Wait until it is there; a canvas is empty at first."""
    expect(shape).to_be_visible(timeout=DRAWN_MS)
    if shape.evaluate("element => element.tagName") == "CANVAS":
        eventually(lambda: shape.evaluate(HAS_COLOURS), within=30, what="the canvas is drawn")


def test_plots_and_maps_are_drawn_in_lab_and_only_tiles_are_fetched_elsewhere(founder: Visitor) -> None:
    page = founder.page
    with without_other_sites(page) as hosts:
        new_notebook(page)
        for code, shape in SHAPES.items():
            run_cell(page, code.rstrip(), within=120)
            expect_drawn(page.locator(f".jp-Notebook .jp-OutputArea {shape}").first)
    assert hosts == {MAP_TILES}


def test_they_are_on_a_page_of_a_notebook_too(founder: Visitor) -> None:
    server = founder.deployment.server_url(founder.name)
    write_notebook(founder.page, server, "plots.ipynb", SHAPES)
    with closing(founder.page.context.new_page()) as page, without_other_sites(page) as hosts:
        page.goto(f"{server}voila/render/plots.ipynb")
        page.get_by_role("button", name="Run notebook").click()
        for shape in SHAPES.values():
            expect_drawn(page.locator(shape).first)
        expect(page.get_by_text("Error")).to_have_count(0)
    assert hosts == {MAP_TILES}


def write_notebook(page: Page, server: str, name: str, cells: Iterable[str]) -> None:
    empty: dict[str, object] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    code_cells = [{**empty, "id": f"cell-{number}", "source": code} for number, code in enumerate(cells)]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = {"cells": code_cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    body = json.dumps({"type": "notebook", "format": "json", "content": notebook})
    answer = fetch(page, "PUT", f"{server}api/contents/{name}", body)
    assert answer["status"] in (200, 201), answer


def test_datasets_are_written_and_read_as_netcdf_and_zarr(founder: Visitor) -> None:
    page = founder.page
    new_notebook(page)
    assert "True True dask.array.core" in run_cell(page, DATASET.rstrip(), within=120)


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
        code = "import sys, numpy, sklearn; print(sys.prefix.endswith('/envs/own'), numpy.__name__, sklearn.__name__)"
        assert "True numpy sklearn" in run_cell(page, code, within=120)
        with without_other_sites(page) as hosts:
            run_cell(page, CHART.rstrip(), within=120)
            expect_drawn(page.locator(f".jp-Notebook .jp-OutputArea {SHAPES[CHART]}").first)
        assert hosts == set()
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
