"""Provisioning as a job of the worker: one process at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from sqlalchemy.orm import Session, sessionmaker

from hub.errors import Conflict, SettingsError
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


async def test_projects_are_provisioned_although_their_phases_cannot_be_updated(
    settings: Settings, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    provisioned = []

    def unreadable(_settings: Settings) -> None:
        raise SettingsError("The programme cannot be read.")

    async def resume(_session: Session, _backends: object) -> None:
        provisioned.append(True)

    monkeypatch.setattr(jobs.policy, "today", unreadable)
    monkeypatch.setattr(jobs.provisioning, "resume", resume)
    settings.paths.state.mkdir(parents=True, exist_ok=True)
    (settings.paths.etc / "secrets").mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(type(settings), "secret", lambda _self, _name: "secret")
    await jobs.update_projects(sessions, settings)
    assert provisioned == [True]
