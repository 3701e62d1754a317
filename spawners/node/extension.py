"""Server extension of a person's server: the watch, and the API for JupyterLab's status bar.

``GET atrium/job`` and ``POST atrium/job/keep`` below the server's own address, for whoever may use the server.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web

from hub import browser_sessions
from spawners.node import announce, clusters, idle, output, person, refused, sharing_api, slurmstepd
from spawners.node.hours import ProjectHours
from spawners.node.job import Job
from spawners.node.watch import Watch

LAST_ACTIVITY = "atrium_last_activity"
"""Jupyter Server counts settings with this ending as activity, and tells the Hub, whose culler ends idle servers."""
SETTING = "atrium_watch"
"""Where the watch is kept among the web application's settings."""
CLUSTERS = "atrium_clusters"
HOURS_SECONDS = 3.0
"""How long the first question waits for the project's hours: the page asks again only half a minute later."""


class JobHandler(APIHandler):
    """``GET``: data of the status bar. Requests do not count as activity, because open tabs send them."""

    auth_resource = "server"
    _track_activity = False

    def initialize(self, watch: Watch, hours: ProjectHours) -> None:
        self._watch = watch
        self._hours = hours

    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self._watch.note_reader()
        self.finish(status(self._watch, await self._hours.soon(HOURS_SECONDS)))


class KeepHandler(APIHandler):
    """``POST``: note that the person is active: "Keep it running", or keys and clicks in JupyterLab."""

    auth_resource = "server"
    _track_activity = False

    def initialize(self, watch: Watch) -> None:
        self._watch = watch

    @web.authenticated
    @authorized
    async def post(self) -> None:
        self._watch.activity.person()
        self._watch.idle.happened(self._watch.clock())
        self.set_status(204)
        self.finish()


def status(watch: Watch, hours: dict[str, Any] | None, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The JSON of ``GET atrium/job``; times are seconds from now, so that the browser's clock does not matter."""
    seconds_left, idle_end, gpu_unused = watch.seconds_left, watch.idle_end, watch.gpu_unused
    return {
        "server": environment.get("ATRIUM_SERVER_NAME", ""),
        "job": watch.job.id,
        "node": watch.job.node,
        "partition": watch.job.partition,
        "project": watch.job.account,
        "ends": watch.job.ends,
        "seconds_left": None if seconds_left is None else max(round(seconds_left), 0),
        "ending": watch.ending,
        "idle_minutes": watch.idle.limit / 60,
        "idle_end": None if idle_end is None else round(idle_end),
        "gpu_unused": None if gpu_unused is None else round(gpu_unused),
        "hours": hours,
        "notice": person.environment().notice,
        "hub": environment.get("ATRIUM_HUB_URL", "/hub/"),
    }


def make_watch(server: ServerApp, environment: Mapping[str, str] = os.environ) -> Watch:
    """A watch over ``server`` with the time settings in its job's environment."""
    job = Job.from_environment(environment)
    minutes = partial(_number, environment)
    return Watch(
        job=job,
        idle=idle.IdleClock(
            limit=60 * minutes("ATRIUM_IDLE_MINUTES", 120),
            warning=60 * minutes("ATRIUM_IDLE_WARNING_MINUTES", 10),
            last=time.time(),
        ),
        activity=idle.Activity(server.kernel_manager, server.web_app.settings.get("terminal_manager")),
        gpus_work=partial(idle.gpus_work, job.gpus),
        stop=server.stop,
        is_unattended=slurmstepd.Slurmstepd.of_this_server().is_gone,
        ask_hub=partial(asyncio.to_thread, announce.job_end, getattr(server, "hub_environment", {})),
        note_activity=partial(_note_activity, server.web_app.settings),
        warn_seconds=minutes("ATRIUM_WARN_SECONDS", 120),
    )


def _note_activity(settings: dict[str, Any], when: float) -> None:
    settings[LAST_ACTIVITY] = datetime.fromtimestamp(when, UTC)


def _number(environment: Mapping[str, str], name: str, otherwise: float) -> float:
    try:
        return float(environment[name])
    except (KeyError, ValueError):
        return otherwise


def _load_jupyter_server_extension(server: ServerApp) -> None:
    settings = server.web_app.settings
    watch = settings[SETTING] = make_watch(server)
    base = settings["base_url"]
    server.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "atrium/job"), JobHandler, {"watch": watch, "hours": ProjectHours(watch.job.account)}),
            (url_path_join(base, "atrium/job/keep"), KeepHandler, {"watch": watch}),
            *sharing_api.routes(server),
            *((url_path_join(base, path), handler) for path, handler in browser_sessions.ROUTES),
        ],
    )
    refused.install(server)
    gate = settings[CLUSTERS] = clusters.load(server)
    watch.clusters_compute = gate.compute


async def _start_jupyter_server_extension(server: ServerApp) -> None:
    """Start everything that the first page does not need."""
    settings = server.web_app.settings
    watch: Watch = settings[SETTING]
    watch.activity.terminals = settings.get("terminal_manager")
    watch.activity.watch_requests(settings)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: settings.update(atrium_signal=loop.create_task(watch.signal())))
    logging.getLogger("tornado.access").setLevel(logging.WARNING)  # an open tab sends requests every few seconds
    settings[CLUSTERS].open()
    person.environment().begin()
    sharing_api.start_repair()
    # Kept, or the loop may lose them.
    work = (watch.run(), output.keep_short(), clusters.make_keys())
    settings["atrium_tasks"] = [loop.create_task(coroutine) for coroutine in work]
