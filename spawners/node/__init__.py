"""Runs on the compute node as the person: start of the notebook server, time limit, idleness and end.

Standard library and Jupyter Server only, so that it starts quickly; ``python -m spawners.node.launch`` is the server.
"""

from __future__ import annotations


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "spawners.node.extension"}]
