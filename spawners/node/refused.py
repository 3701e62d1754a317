"""Addresses of a person's server that are off, whichever extension would serve them.

A link can lead the person there with their own cookie, so nothing behind it may act.
"""

from __future__ import annotations

import re

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado import web
from tornado.routing import PathMatches, Rule

EXPORTS = ("asciidoc", "html", "latex", "markdown", "notebook", "python", "rst", "script", "slides")
"""Formats of exported notebooks that are text: others run LaTeX or a browser, or import a module by its name."""

PORTS = (
    "Ports of the node cannot be opened through your notebook server. The dashboards of your Dask clusters are on the "
    "Scale page, in the Dask panel, and at the address that cluster.dashboard_link shows."
)
EXPORT = (
    "Notebooks cannot be exported in this format here. Export as HTML and print it to a PDF in your browser, or run "
    "“jupyter nbconvert” in a terminal."
)
REFUSED = {
    r"(?:server-)?proxy(?:/.*)?": PORTS,
    rf"nbconvert/(?!(?:{'|'.join(EXPORTS)})(?:/|$)).*": EXPORT,
}
"""Sentences by regular expressions of paths below the server's base address."""


class RefusedHandler(JupyterHandler):
    """Answers 403 with a sentence, also to web sockets."""

    def initialize(self, sentence: str) -> None:
        self._sentence = sentence

    @web.authenticated
    def get(self) -> None:
        raise web.HTTPError(403, self._sentence)

    head = post = put = patch = delete = options = get


def install(server: ServerApp) -> None:
    """Put the refusals before all other routes of ``server``."""
    base = re.escape(server.web_app.settings["base_url"])
    rules = [Rule(PathMatches(base + path), RefusedHandler, {"sentence": text}) for path, text in REFUSED.items()]
    server.web_app.default_router.rules[:0] = rules
