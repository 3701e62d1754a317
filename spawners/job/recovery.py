"""Resumes servers without a request: after a restart of the Hub, and when Slurm requeued a job.

JupyterHub starts servers from a handler's method; what follows is the same without one.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from hub.servers.models import Attempt
from spawners.job.background import in_background

log = logging.getLogger(__name__)

ANSWER_SECONDS = 30.0
"""How often a server that was kept over a restart, and does not answer, is asked again."""


def resume(user: Any, name: str) -> None:
    """Resume a start; the spawner finds its job in the ledger (AtriumSpawner.start)."""
    spawner = user.spawners[name]
    spawner._spawn_pending, spawner._check_pending = True, False
    spawner._spawn_future = asyncio.ensure_future(_start(user, name))
    spawner._spawn_future.add_done_callback(partial(_started, spawner))


async def _start(user: Any, name: str) -> None:
    await user.spawn(name, options=None)
    spawner = user.spawners[name]
    spawner._proxy_pending = True
    try:
        await user.settings["proxy"].add_user(user, name)
    except Exception:
        log.exception("%s could not be added to the proxy; stopping it", spawner._log_name)
        await user.stop(name)
    else:
        spawner.add_poll_callback(stopped, user, name)
    finally:
        spawner._proxy_pending = False


def _started(spawner: Any, start: asyncio.Future[None]) -> None:
    """Wait for the start as JupyterHub does; the spawner keeps a failure so that its page can show it."""
    if start.cancelled() or start.exception() is None:
        spawner._spawn_future = None
    else:
        log.error("%s did not start: %s", spawner._log_name, start.exception())
    spawner._spawn_pending = False


async def stopped(user: Any, name: str) -> None:
    """Remove the route and the state of a server whose job has ended."""
    await user.settings["proxy"].delete_user(user, name)
    await user.stop(name)


def keep(user: Any, name: str, row: Attempt | None) -> None:
    """Keep a server that was ready until Slurm says that its job has ended, whether it answers or not.

    :param row: row of its attempt; None: it could not be read.
    """
    spawner = user.spawners[name]
    spawner.add_poll_callback(stopped, user, name)
    spawner.is_kept(row)
    spawner._check_pending = False
    in_background(_until_it_answers(spawner))


async def _until_it_answers(spawner: Any) -> None:
    while spawner.active and spawner.server is not None:
        try:
            await spawner.server.wait_up(http=True, timeout=ANSWER_SECONDS, extra_path="api")
        except Exception as error:  # the server may be dead or the network broken, so the job decides
            log.warning("%s does not answer, and is kept: %s", spawner._log_name, error)
            await asyncio.sleep(ANSWER_SECONDS)
        else:
            return


def stop(user: Any, name: str, row: Attempt | None) -> None:
    """Resume a stop."""
    spawner = user.spawners[name]
    spawner.is_kept(row, stopping=True)
    spawner._stop_pending, spawner._check_pending = True, False
    in_background(stopped(user, name))
