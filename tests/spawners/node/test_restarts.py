"""A program that keeps ending: pauses grow, and nobody waits for it."""

from __future__ import annotations

import asyncio
import json
import shutil
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.netutil import bind_unix_socket

from spawners.node import clusters, restarts
from spawners.node.clusters import Gate
from spawners.node.job_context import JobContext
from spawners.node.restarts import Pauses, refuse


def test_pauses_double_until_the_program_runs_for_a_while() -> None:
    now = 0.0
    pauses = Pauses(lambda: now)
    waited = []
    for _ in range(9):
        pauses.started()
        now += 0.1
        waited.append(pauses.ended())
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    pauses.started()
    now += restarts.STEADY_SECONDS
    assert pauses.ended() == 0
    pauses.started()
    assert pauses.ended() == 1


async def test_who_waits_and_who_comes_is_answered_at_once(context: JobContext) -> None:
    context.make_directories()
    gate = Gate(context)
    listener = bind_unix_socket(str(context.socket), mode=0o600)
    waiting = asyncio.create_task(gate.ask("clusters"))
    await asyncio.sleep(0.05)
    refusing = asyncio.create_task(refuse(listener, 0.5))
    answers = [await asyncio.wait_for(waiting, 5), await asyncio.wait_for(gate.ask("offer", "POST", b"{}"), 5)]
    assert [answer.code for answer in answers] == [503, 503]
    assert "cannot be started" in json.loads(answers[0].body)["error"]["message"]
    await refusing
    listener.close()


async def test_a_manager_that_cannot_start_is_not_started_all_the_time(
    context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.make_directories()
    starts = 0
    popen: Any = clusters.subprocess.Popen

    def failing(command: list[str], **options: Any) -> Any:
        nonlocal starts
        starts += 1
        return popen(["/bin/false"], pass_fds=options["pass_fds"])

    async def variables() -> dict[str, str]:
        return {}

    monkeypatch.setattr(clusters.subprocess, "Popen", failing)
    monkeypatch.setattr(clusters.person, "environment", lambda: SimpleNamespace(variables=variables))
    monkeypatch.setattr(restarts, "FIRST_PAUSE", 0.4)
    gate = Gate(context)
    gate.open()
    answers = [(await asyncio.wait_for(gate.ask("clusters"), 10)).code for _ in range(20)]
    await gate.close()
    assert set(answers) == {503}
    assert starts <= 3


async def test_a_directory_that_cannot_be_used_is_named(context: JobContext) -> None:
    context.make_directories()
    folder = context.home / ".atrium-dask"
    assert context.problem() == ""
    shutil.rmtree(folder)
    folder.write_text("a file in its place")
    problem = context.problem()
    assert str(folder) in problem

    listener = bind_unix_socket(str(context.socket), mode=0o600)
    refusing = asyncio.create_task(refuse(listener, 0.5, problem))
    error = json.loads((await asyncio.wait_for(Gate(context).ask("clusters"), 5)).body)["error"]
    assert error["message"] == problem and "directory that you can write to" in error["hint"]
    await refusing
    listener.close()
