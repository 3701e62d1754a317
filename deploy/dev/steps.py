"""Progress at the terminal: a line per step, and how long it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_WIDTH = 44


@dataclass
class Outcome:
    """The result of a step, printed when it ends."""

    text: str = "done"

    def unchanged_unless(self, changed: object, text: str = "done") -> None:
        """``text`` when there was something to do, else "unchanged"."""
        self.text = text if changed else "unchanged"


@contextmanager
def step(title: str) -> Iterator[Outcome]:
    """Print ``title`` now and the outcome with the time it took when the block ends."""
    began = time.monotonic()
    outcome = Outcome()
    print(f"  {title} ".ljust(_WIDTH, "."), end=" ", flush=True)
    try:
        yield outcome
    except BaseException:
        print(f"failed after {time.monotonic() - began:.1f} s", flush=True)
        raise
    print(f"{outcome.text} ({time.monotonic() - began:.1f} s)", flush=True)


def complain(text: str) -> None:
    """Print to standard error why the command ends."""
    print(f"\nAtrium: {text}", file=sys.stderr, flush=True)
