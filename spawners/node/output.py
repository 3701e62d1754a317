"""Limits the size of the log that a server and its kernels write in the home directory."""

from __future__ import annotations

import asyncio
import logging
import os
import stat

log = logging.getLogger(__name__)

LONGEST = 5_000_000
"""Bytes from which on the file is cut."""
KEPT = 500_000
"""Bytes at its end that stay."""
_LOOK_SECONDS = 60.0


async def keep_short(descriptor: int = 1) -> None:
    """Check standard output periodically if it is a file."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)
    while stat.S_ISREG(os.fstat(descriptor).st_mode):
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            cut(descriptor)
        except OSError as error:
            log.warning("This log could not be cut: %s", error)


def cut(descriptor: int, *, longest: int = LONGEST, end_bytes: int = KEPT) -> bool:
    """Leave the last ``end_bytes`` bytes of a file that is longer than ``longest``; whether it was.

    The server, its kernels and Slurm share one open file, so what comes next comes after what stays. (A line written
    at this very moment may be lost.)
    """
    size = os.fstat(descriptor).st_size
    if size <= longest:
        return False
    with open(f"/proc/self/fd/{descriptor}", "rb") as again:  # noqa: PTH123  the descriptor is open for writing only
        again.seek(size - end_bytes)
        end = again.read(end_bytes)
    end = end[end.find(b"\n") + 1 :]
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, b"[ ... earlier lines were removed: the log had become too long ... ]\n" + end)
    return True
