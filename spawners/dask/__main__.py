"""``python -m spawners.dask FD``: the manager of a server's clusters, on a socket that listens already.

The server starts it at the first request (``spawners/node/clusters.py``), hands it the socket and a pipe; when the
pipe closes the server is gone, however it went, and so are the clusters.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from contextlib import suppress

import dask
from tornado.httpserver import HTTPServer

from spawners.dask import api
from spawners.dask.manager import Manager
from spawners.dask.supervisor import Supervisor
from spawners.node.job_context import JobContext

END_SECONDS = 6.0
"""The server waits eight for everything it has to end."""


def configure_dask() -> None:
    """Dask's settings: short timeouts for lost workers; certificates are set by each cluster."""
    dask.config.set({"distributed.deploy.lost-worker-timeout": "3s"})


async def main(listener: socket.socket, life: int) -> None:
    manager = Manager(JobContext.from_environment())
    manager.context.make_directories()
    server = HTTPServer(api.application(manager))
    server.add_socket(listener)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    loop.add_reader(life, over.set)
    rounds = asyncio.create_task(Supervisor(manager).run())
    await over.wait()
    loop.remove_reader(life)
    rounds.cancel()
    server.stop()
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await manager.end_all()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s clusters %(levelname)s %(message)s")
    configure_dask()
    given, pipe = (int(word) for word in sys.argv[1:3])
    listening = socket.socket(fileno=given)
    listening.setblocking(False)
    asyncio.run(main(listening, pipe))
