"""Work that nobody waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

log = logging.getLogger(__name__)

_running: set[asyncio.Task[Any]] = set()


def in_background(work: Awaitable[Any]) -> asyncio.Task[Any]:
    """Run beside everything else; what goes wrong is logged."""
    task = asyncio.ensure_future(_await(work))
    _running.add(task)  # a task nobody holds may be collected before it has ended
    task.add_done_callback(_ended)
    return task


async def _await(work: Awaitable[Any]) -> Any:
    return await work


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("Work in the background failed", exc_info=error)
