"""Keeps pages of a person's own server from fetching files of Voila's and nbconvert's templates from other sites.

Fonts and MathJax are part of Voila's own scripts. Diagrams of Mermaid in text cells stay text: nbconvert has no copy of
Mermaid. The page also gets a script that says how large uploads may be.
"""

from __future__ import annotations

import re

from jupyter_server.utils import url_path_join

UPLOAD_MB = 100
"""Largest sum of files that a page sends to its kernel at once, in 10^6 bytes. The server accepts messages of
``websocket_max_message_size`` (spawners/jupyter), which is more."""

_ELSEWHERE = (
    re.compile(r'<link rel="stylesheet" href="https://cdn\.jsdelivr\.net/[^"]*"[^>]*>\s*'),  # fonts
    re.compile(r'<script type="module">(?:(?!</script>).)*cdnjs\.cloudflare\.com/ajax/libs/mermaid.*?</script>', re.S),
)


def replace(part: str, base_url: str) -> str:
    """A part of a page without fonts and diagrams of other sites, and with our script at the end of the head."""
    for pattern in _ELSEWHERE:
        part = pattern.sub("", part)
    address = url_path_join(base_url, "atrium/static/upload.js")
    return part.replace("</head>", f'<script src="{address}" data-most-mb="{UPLOAD_MB}"></script>\n</head>', 1)
