"""Imports a person's server without slow parts that notebooks on a node do not need.

Libraries run these parts at import, so at every start (tests/bench/README.md has measurements).
"""

from __future__ import annotations

import gc
import sys
from typing import Any


def leave_out_iri_checks() -> None:
    """``jsonschema`` takes this package for an optional one; its import works out a grammar (1 s of a start).

    What is lost: an event or a notebook whose schema says ``format: iri`` is not held to it. No schema here does.
    """
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # Python's own mark for "cannot be imported"


def leave_out_yarn() -> None:
    """JupyterLab runs Yarn while it is imported (0.3 s of a start) to learn a registry. Nobody builds it on a node."""
    from jupyterlab import commands  # type: ignore[import-untyped]

    commands._yarn_config = _no_yarn_config


def _no_yarn_config(_logger: object) -> dict[str, dict[str, Any]]:
    """Replacement with the result of JupyterLab's function on a machine without Node.js."""
    return {"yarn config": {}, "npm config": {}}


def load() -> None:
    """Import the server's modules without these parts."""
    gc.disable()  # imported objects stay; collecting garbage among them takes 0.1 s and finds none
    leave_out_iri_checks()
    leave_out_yarn()
    import jupyterlab.labapp  # type: ignore[import-untyped]  # noqa: F401 - the server would import it a moment later

    import spawners.node.server  # noqa: F401

    gc.freeze()
    gc.enable()
