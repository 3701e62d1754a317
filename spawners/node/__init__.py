"""What runs on the compute node as the person: the notebook server's start, its watch over time and idleness, its end.

Standard library and Jupyter Server only, so that it starts quickly; ``python -m spawners.node.launch`` is the server.
"""

from __future__ import annotations


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "spawners.node.extension"}]
