"""IPython extension: Altair's charts are drawn by JupyterLab or Voila, and not by scripts from another site.

Bokeh and Plotly have variables for it (:mod:`spawners.node.kernels`); Altair has none. Every kernel of the site's
environment loads this extension (``spawners/ipython``); Altair is imported only when there is a chart of it.
"""

from __future__ import annotations

from typing import Any

CHART = ("altair.vegalite.v5.api", "TopLevelMixin")
"""Module and name of the class of all charts. JupyterLab draws Vega-Lite 5, so other versions are left alone."""


def load_ipython_extension(shell: Any) -> None:
    """Register how charts are displayed."""
    shell.display_formatter.mimebundle_formatter.for_type_by_name(*CHART, bundle)


def bundle(chart: Any) -> Any:
    """The chart as data for JupyterLab's own renderer, with its options; a renderer that the person enabled counts."""
    from altair import renderers

    if renderers.active != "default":
        return chart._repr_mimebundle_()
    with renderers.enable("mimetype", **renderers.options):
        return chart._repr_mimebundle_()
