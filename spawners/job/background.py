"""Background tasks on the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

log = logging.getLogger(__name__)

_running: set[asyncio.Task[Any]] = set()


def in_background(work: Awaitable[Any]) -> asyncio.Task[Any]:
    """Run ``work`` as a task; errors are logged."""
    task = asyncio.ensure_future(_await(work))
    _running.add(task)  # the loop keeps only a weak reference to a task
    task.add_done_callback(_ended)
    return task


async def _await(work: Awaitable[Any]) -> Any:
    return await work


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("Work in the background failed", exc_info=error)
