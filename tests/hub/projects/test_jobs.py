"""Provisioning as a job of the worker: one process at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from hub.errors import Conflict
from hub.projects import jobs
from hub.settings import Settings


async def test_a_second_process_waits_until_the_first_has_provisioned(settings: Settings) -> None:
    events = []

    async def second() -> None:
        async with jobs.backends(settings):
            events.append("second")

    async with jobs.backends(settings):
        waiting = asyncio.create_task(second())
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.3)
        events.append("first")
    await waiting
    assert events == ["first", "second"]


async def test_who_waits_for_too_long_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOCK_SECONDS", 0.2)
    async with jobs.backends(settings):
        with pytest.raises(Conflict, match="Another process provisions projects"):
            async with jobs.backends(settings):
                pass
