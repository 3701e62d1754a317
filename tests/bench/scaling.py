"""``scaling_first_widget``, ``scaling_live_50``: the Scale page against stock pages of the same server.

The first against the same notebook shown by Voila's own extension; the second against Dask's own page of workers.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.bench.registry import Pair, scenario
from tests.browser import chromium, fetch, sign_in
from tests.deployment import Deployment
from tests.e2e.visitor import Visitor

READY_MS = 60_000
WORKERS = 50
WATCH_SECONDS = 20.0
NOTEBOOK = "stock-scaling.ipynb"

CROWD = """\
import asyncio, json, sys, time
from distributed import Client, Security, Worker

at = json.loads(sys.argv[1])
pair = {"cert": at["certificate"], "key": at["key"]}
names = {f"tls_{role}_{part}": file for role in ("worker", "client") for part, file in pair.items()}
security = Security(require_encryption=True, tls_ca_file=at["ca_file"], **names)

async def main():
    options = {"nthreads": 1, "memory_limit": "1GB", "security": security, "dashboard": False, "host": "127.0.0.1"}
    workers = [Worker(at["address"], name=f"cheap-{n}", **options) for n in range(int(sys.argv[2]))]
    await asyncio.gather(*workers)
    async with Client(at["address"], security=security, asynchronous=True) as client:
        print("TOLD", len(workers), flush=True)
        while True:
            await client.gather(client.map(time.sleep, [0.5] * 4 * len(workers), pure=False))

asyncio.run(main())
"""
"""Fifty workers that cost little: real ones, joined to the cluster's scheduler with its keys, but in one process and
not in fifty, so that what is measured is not the machine's."""


@scenario("scaling_first_widget", metric="Scale page on a running server, click to first widget", unit="s", runs=5)
@contextmanager
def first_widget(deployment: Deployment) -> Iterator[Pair]:
    """Until the form can be used. The page has been seen before by this browser, its kernel is new every time."""
    with _server(deployment) as founder:
        home = Path(f"~{founder.name}").expanduser()
        source = deployment.settings.paths.user_env / "share/atrium/dashboards/scaling.ipynb"
        (home / NOTEBOOK).write_bytes(source.read_bytes())
        try:
            base = deployment.server_url(founder.name)
            ours, stock = f"{base}atrium/scaling", f"{base}voila/render/{NOTEBOOK}"
            for url in (ours, stock):
                _seconds_to_widget(founder.page, url)
            yield Pair(
                ours=lambda: _seconds_to_widget(founder.page, ours),
                reference=lambda: _seconds_to_widget(founder.page, stock),
            )
        finally:
            (home / NOTEBOOK).unlink()


def _seconds_to_widget(page: Page, url: str) -> float:
    page.goto("about:blank")
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.get_by_role("button", name="Start cluster").wait_for(timeout=READY_MS)
    return time.perf_counter() - start


@scenario("scaling_live_50", metric=f"CPU of the server, {WORKERS} workers on the page", unit="% of a core", runs=3)
@contextmanager
def live(deployment: Deployment) -> Iterator[Pair]:
    """One tab with the picture, over one tab with Dask's own page of workers; beside it how often each of them moves:
    what Dask's page is sent by its WebSocket, what ours has drawn."""
    with _server(deployment) as founder, _crowd(deployment, founder) as cluster:
        server = _server_process(deployment, founder)
        base = deployment.server_url(founder.name)
        page, seen = founder.page, {"ours": _Seen(0, 0, 0), "dask": _Seen(0, 0, 0)}

        def watch(side: str, updates: Callable[[], int]) -> float:
            seen[side] = _watched(deployment, server, page, updates)
            return seen[side].server

        def ours() -> float:
            page.goto(f"{base}atrium/scaling")
            page.get_by_text(f"{WORKERS} working").wait_for(timeout=READY_MS)
            cards = page.locator(".dask-cards")
            return watch("ours", lambda: int(cards.get_attribute("data-updates") or 0))

        def dask() -> float:
            frames: list[int] = []
            page.on("websocket", lambda socket: socket.on("framereceived", lambda _: frames.append(1)))
            page.goto(f"{base}atrium/clusters/{cluster}/dashboard/workers")
            page.wait_for_function("window.Bokeh && Bokeh.documents.length", timeout=READY_MS)
            page.wait_for_function("Bokeh.documents[0].roots().length > 0", timeout=READY_MS)
            return watch("dask", lambda: len(frames))

        rows = {
            "updates a second": (lambda: seen["ours"].updates, lambda: seen["dask"].updates),
            "server, kernels and scheduler, % of a core": (lambda: seen["ours"].all, lambda: seen["dask"].all),
        }
        yield Pair(ours, dask, rows)


@dataclass(frozen=True)
class _Seen:
    """While a page was watched: CPU in % of one core, and updates a second."""

    server: float
    all: float
    updates: float


def _watched(deployment: Deployment, server: int, page: Page, updates: Callable[[], int]) -> _Seen:
    family = [server, *map(int, deployment.run("pgrep", f"--parent={server}").stdout.split())]
    before, updates_before, start = [_cpu_seconds(process) for process in family], updates(), time.perf_counter()
    page.wait_for_timeout(1000 * WATCH_SECONDS)  # and not asleep: the browser's events are read meanwhile
    seconds = time.perf_counter() - start
    used = [100 * (_cpu_seconds(process) - was) / seconds for process, was in zip(family, before, strict=True)]
    return _Seen(used[0], sum(used), (updates() - updates_before) / seconds)


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _server_process(deployment: Deployment, founder: Visitor) -> int:
    pids = deployment.run("pgrep", f"--uid={founder.name}", "--oldest", "--full", "spawners.node.launch").stdout
    return int(pids)


@contextmanager
def _server(deployment: Deployment) -> Iterator[Visitor]:
    with chromium() as browser, browser.new_context() as context:
        founder = Visitor(deployment, "founder", sign_in(context, deployment, deployment.person("founder")))
        try:
            founder.start_notebook()
            yield founder
        finally:
            founder.stop_everything()


@contextmanager
def _crowd(deployment: Deployment, founder: Visitor) -> Iterator[str]:
    """A cluster of the person's with fifty workers that are busy, by its name."""
    base = deployment.server_url(founder.name)
    body = json.dumps({"name": "crowd", "size": {"minimum": 0, "maximum": 0}})
    fetch(founder.page, "POST", f"{base}atrium/clusters", body)
    at = fetch(founder.page, "GET", f"{base}atrium/clusters/crowd/connection")["text"]
    command = [str(deployment.user_python), "-P", "-c", CROWD, at, str(WORKERS)]
    process = subprocess.Popen(
        ["runuser", "-u", founder.name, "--", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline().startswith("TOLD"):
            raise RuntimeError("the workers could not join")
        yield "crowd"
    finally:
        process.terminate()
        process.wait(timeout=30)
