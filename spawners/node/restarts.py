"""Pauses between starts of a program that keeps ending, and the answer to requests meanwhile. Used by ``clusters``."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
STEADY_SECONDS = 60.0
"""A program that ran for so long did not fail at its start."""
READ_SECONDS = 5.0

_BODY = json.dumps(
    {
        "error": {
            "message": "The program that keeps your clusters cannot be started.",
            "hint": "Try again in a minute. If that does not help, report it with the log of your server.",
        }
    }
).encode()
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


class Pauses:
    """How long to wait before the next start; the pause doubles with each early end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._early_ends = 0

    def started(self) -> None:
        self._started = self._clock()

    def ended(self) -> float:
        """Seconds until the next start; 0 for a program that ran for :data:`STEADY_SECONDS`."""
        if self._clock() - self._started >= STEADY_SECONDS:
            self._early_ends = 0
            return 0.0
        self._early_ends += 1
        return min(FIRST_PAUSE * 2.0 ** min(self._early_ends - 1, 16), LONGEST_PAUSE)


async def refuse(listener: socket.socket, seconds: float) -> None:
    """Answer 503 to everybody who connects to ``listener`` for so many seconds; who waits already gets it at once."""
    loop, tasks = asyncio.get_running_loop(), set()

    def accept() -> None:
        with suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                connection.setblocking(False)
                task = loop.create_task(_answer(connection))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

    loop.add_reader(listener, accept)
    try:
        await asyncio.sleep(seconds)
    finally:
        if listener.fileno() >= 0:
            loop.remove_reader(listener)
    if tasks:
        await asyncio.wait(tasks, timeout=READ_SECONDS)


async def _answer(connection: socket.socket) -> None:
    """Read a request's head and refuse it; a client that goes away is no error."""
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(READ_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER)
        await writer.drain()
    writer.close()
