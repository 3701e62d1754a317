"""What a dashboard loads into the browser, in one file instead of ninety.

Voila's program and the widgets' extensions come in small pieces ("chunks"), fetched in waves: each wave is only known
once the one before has run. A chunk does nothing but add its modules to a list, and a program that starts later finds
them there: all chunks in one script before it, and it has nothing left to fetch. A chunk that is missing here is
fetched by itself as ever, and one too many is dead weight: ``tests/e2e/test_onboarding.py`` counts what is fetched.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

VOILA = (
    *(73, 143, 225, 431, 457, 614, 630, 1187, 1601, 1621, 1670, 1996, 2121, 2296, 2772, 2829, 2930, 3144, 3249),
    *(3307, 3311, 3459, 3649, 3916, 3989, 3992, 4041, 4135, 4173, 4222, 4371, 4486, 4653, 4729, 4875, 4972, 5044),
    *(5312, 5688, 5764, 5767, 5992, 6008, 6049, 6074, 6305, 6382, 6468, 6573, 7155, 7245, 7259, 7393, 7483, 7556),
    *(7598, 7770, 7883, 8017, 8135, 8487, 8766, 8773, 8862, 8925, 9081, 9151, 9212, 9582, 9684, 9890, 9981),
)
"""Chunks of Voila 0.5.13 that a page of widgets asks for."""

EXTENSIONS: Mapping[str, Sequence[int]] = {
    "@jupyter-widgets/jupyterlab-manager": (7, 32, 84, 121, 160, 170, 452, 704, 718, 967),
    "@voila-dashboards/widgets-manager8": (496, 883),
    "anywidget": (2, 528),
}
"""And those of the extensions; their files' names also carry a fingerprint."""


@dataclass(frozen=True)
class Bundle:
    """A script, and the same compressed once for everybody."""

    script: bytes
    compressed: bytes
    version: str


def make(static: Iterable[str], labextensions: Iterable[str]) -> Bundle:
    """All chunks that are found below these folders, the first folder that has one wins."""
    pieces = [
        path.read_bytes()
        for path in _chunks([Path(folder) for folder in static], [Path(folder) for folder in labextensions])
    ]
    script = b"\n;\n".join(pieces)
    # mtime: the same files make the same bytes, on every machine
    return Bundle(script, gzip.compress(script, 6, mtime=0), hashlib.sha256(script).hexdigest()[:12])


def _chunks(static: Sequence[Path], labextensions: Sequence[Path]) -> Iterator[Path]:
    for number in VOILA:
        yield from _first(folder / f"{number}.voila.js" for folder in static)
    for name, numbers in EXTENSIONS.items():
        for number in numbers:
            yield from _first(
                path for folder in labextensions for path in sorted((folder / name / "static").glob(f"{number}.*.js"))
            )


def _first(paths: Iterable[Path]) -> Iterator[Path]:
    file = next((path for path in paths if path.is_file()), None)
    if file is not None:
        yield file
