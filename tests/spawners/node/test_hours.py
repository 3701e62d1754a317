"""A server's cached project hours, with an API that answers, is slow, or is unavailable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hub import api_token
from spawners.node.hours import ASK_SECONDS, ProjectHours

HOURS = {"granted": 100, "used": 40, "left": 60}
ME = {"projects": [{"slug": "steel", "title": "Green steel", "account": "p-steel", "cpu": HOURS, "gpu": HOURS}]}
STEEL = {"title": "Green steel", "cpu": HOURS, "gpu": HOURS, "stale": False}


@asynccontextmanager
async def api(answer: Callable[[], Awaitable[bytes]]) -> AsyncIterator[dict[str, str]]:
    """An API that says ``answer``; the environment of a server that asks it."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = await answer()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with TemporaryDirectory() as folder:
        api_token.write(Path(folder), "t")
        async with server:
            yield {"ATRIUM_API_URL": f"http://127.0.0.1:{port}", "JUPYTER_RUNTIME_DIR": folder}


async def says(me: object) -> bytes:
    return json.dumps(me).encode()


@pytest.mark.parametrize("account", ["steel", "p-steel"])
async def test_the_first_answer_can_be_waited_for(account: str) -> None:
    async with api(lambda: says(ME)) as environment:
        hours = ProjectHours(account, environment)
        assert hours.now() is None, "and need not be"
        assert await hours.soon(5) == STEEL
        assert hours.now() == STEEL


async def test_who_waits_waits_no_longer_than_they_said() -> None:
    never = asyncio.Event()

    async def silent() -> bytes:
        await never.wait()
        return b""

    async with api(silent) as environment:
        hours = ProjectHours("steel", environment)
        assert await hours.soon(0.01) is None
        never.set()


async def test_hours_are_fetched_once_a_minute_and_old_ones_are_marked_stale() -> None:
    moment, request_count = [0.0], [0]
    answers = iter([json.dumps(ME).encode(), b"broken"])

    async def count() -> bytes:
        request_count[0] += 1
        return next(answers)

    async with api(count) as environment:
        hours = ProjectHours("steel", environment, lambda: moment[0])
        await hours.soon(5)
        hours.now()
        assert request_count == [1]
        moment[0] = ASK_SECONDS + 1
        assert hours.now() == STEEL
        async with asyncio.timeout(5):
            while hours.now() == STEEL:
                await asyncio.sleep(0.01)
        assert hours.now() == {**STEEL, "stale": True}
        assert request_count == [2]


async def test_a_project_the_api_does_not_know_has_no_hours() -> None:
    async with api(lambda: says(ME)) as environment:
        assert await ProjectHours("other", environment).soon(5) is None
