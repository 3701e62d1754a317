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

_HEAD = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n"
)
_UNKNOWN = (
    "The program that keeps your clusters cannot be started.",
    "Try again in a minute. If that does not help, report it with the log of your server.",
)
_HINT = "Make it a directory that you can write to and that has room, or move what is there aside. Then try again."


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


async def refuse(listener: socket.socket, seconds: float, problem: str = "") -> None:
    """Answer 503 to everybody who connects to ``listener`` for so many seconds; who waits already gets it at once.

    :param problem: a sentence about the directory that is to blame; "" if nothing is known.
    """
    loop, tasks, answer = asyncio.get_running_loop(), set(), _answer_about(problem)

    def accept() -> None:
        with suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                connection.setblocking(False)
                task = loop.create_task(_send(connection, answer))
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


def _answer_about(problem: str) -> bytes:
    message, hint = (problem, _HINT) if problem else _UNKNOWN
    body = json.dumps({"error": {"message": message, "hint": hint}}).encode()
    return _HEAD % len(body) + body


async def _send(connection: socket.socket, answer: bytes) -> None:
    """Read a request's head and refuse it; a client that goes away is no error."""
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(READ_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
    writer.close()
