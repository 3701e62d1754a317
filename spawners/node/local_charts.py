"""IPython extension: Altair's charts are drawn by JupyterLab, and not by scripts from another site.

Bokeh and Plotly have variables for it (:mod:`spawners.node.kernels`); Altair has none. Every kernel of the site's
environment loads this extension (``spawners/ipython``); Altair is imported only when there is a chart of it.
"""

from __future__ import annotations

from typing import Any

MODULE = "altair.vegalite.v5.api"
"""Where Altair defines its charts. A test compares it with the installed version."""


def load_ipython_extension(shell: Any) -> None:
    """Register how charts are displayed; a renderer that the person has enabled counts."""
    shell.display_formatter.mimebundle_formatter.for_type_by_name(MODULE, "TopLevelMixin", bundle)


def bundle(chart: Any, include: Any = None, exclude: Any = None) -> Any:
    """The chart as data for JupyterLab's own renderer."""
    from altair import renderers

    if renderers.active == "default":
        renderers.enable("mimetype")
    return chart._repr_mimebundle_(include, exclude)
