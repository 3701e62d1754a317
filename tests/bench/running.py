"""``queue_commands_per_minute`` and ``hub_idle_1000``: what many servers that run, and nobody waiting, cost."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.bench import hubs, slurm
from tests.bench.registry import Pair, scenario
from tests.bench.statistics import Measure
from tests.deployment import Deployment
from tests.polling import eventually

WINDOW_SECONDS = 30
STARTING_AT_ONCE = 25
START_SECONDS = 900
SMALL = {"cpus": 1, "memory_gb": 1, "minutes": 60}
STANDIN = Path(__file__).parent / "standin.py"
REAL = 10
"""So many of the stand-in servers are real jobs; more are replayed."""


@dataclass(frozen=True)
class Fleet:
    """A Hub with its servers running, and the Slurm commands it uses."""

    hub: hubs.Hub
    commands: slurm.Commands
    memory_before_mb: float


@scenario("queue_commands_per_minute", metric="Slurm commands, 100 servers run, over stock", unit="1/min", runs=10)
@contextmanager
def queue_commands_per_minute(deployment: Deployment) -> Iterator[Pair]:
    """Calls of any of Slurm's commands while stand-in servers run and nobody waits, scaled to a minute.

    Commands go through wrappers that count. Ten servers are real jobs on the real Slurm; for more the queue is
    replayed (replay.py). All Hubs are counted over the same windows. Servers are named servers of the learners.
    """
    with ExitStack() as stack:
        measures: dict[int, tuple[Measure, Measure]] = {}
        window = Window()
        for number in (REAL, 100):
            ours, stock = (stack.enter_context(fleet(deployment, side, number)) for side in ("ours", "stock"))
            measures[number] = (window.rate(ours), window.rate(stock))
        yield Pair(*measures[100], {f"the same with {REAL} servers": measures[REAL]})


@scenario("hub_idle_1000", metric="Hub CPU, 1,000 servers run, over stock", unit="s/min", runs=10)
@contextmanager
def hub_idle_1000(deployment: Deployment) -> Iterator[Pair]:
    """CPU time of the Hub's own process (not of the commands it runs), scaled to a minute; both over the same windows.

    The queue is replayed and one stand-in answers for all servers. The second row is resident memory, by which the
    Hub grew from no server to 1,000, for each of them; the third what ``queue_commands_per_minute`` counts.
    """
    with fleet(deployment, "ours", 1000) as ours, fleet(deployment, "stock", 1000) as stock:
        window = Window()
        cpu = window.of(lambda: ours.hub.cpu_seconds), window.of(lambda: stock.hub.cpu_seconds)
        further = {
            "memory of a server, kB": (_memory(ours), _memory(stock)),
            "Slurm commands, 1/min": (window.rate(ours), window.rate(stock)),
        }
        yield Pair(*cpu, further)


def _memory(fleet: Fleet) -> Measure:
    return lambda: (fleet.hub.memory_mb - fleet.memory_before_mb) / 1000 * 1024


class Window:
    """One stretch of time in which all counters of a run are read: who asks first in a run waits it out for all."""

    def __init__(self) -> None:
        self._counters: list[Callable[[], float]] = []
        self._unread: dict[int, float] = {}

    def of(self, counter: Callable[[], float]) -> Measure:
        """How much ``counter`` grew, scaled to a minute."""
        number = len(self._counters)
        self._counters.append(counter)

        def measure() -> float:
            if number not in self._unread:
                self._wait()
            return self._unread.pop(number)

        return measure

    def rate(self, fleet: Fleet) -> Measure:
        return self.of(lambda: fleet.commands.calls)

    def _wait(self) -> None:
        before, began = [counter() for counter in self._counters], time.perf_counter()
        time.sleep(WINDOW_SECONDS)  # the measurement itself
        after, seconds = [counter() for counter in self._counters], time.perf_counter() - began
        self._unread = dict(enumerate(60 * (b - a) / seconds for a, b in zip(before, after, strict=True)))


@contextmanager
def fleet(deployment: Deployment, side: str, number: int) -> Iterator[Fleet]:
    """``number`` stand-in servers under a throw-away Hub, ``ours`` or ``stock``; all are ready."""
    people = [name for name in deployment.logins if "learner" in name]
    replayed = number > REAL
    with slurm.counted(deployment, replayed=replayed) as commands, _hub(deployment, side, people, commands) as hub:
        servers = [f"users/{name}/servers/s{turn}" for turn, name in _turns(people, number)]
        with hub.client() as http:
            for name in people:
                http.post(hub.api(f"users/{name}"))  # 409 when it knows the person
            before = hub.memory_mb
            try:
                start_all(hub, http, servers)
                yield Fleet(hub, commands, before)
            finally:
                if not replayed:
                    stop_all(hub, http, servers)


def _turns(people: list[str], number: int) -> Iterator[tuple[int, str]]:
    endless = ((turn, name) for turn in itertools.count() for name in people)
    return itertools.islice(endless, number)


@contextmanager
def _hub(deployment: Deployment, side: str, people: list[str], commands: slurm.Commands) -> Iterator[hubs.Hub]:
    if side == "stock":
        job = hubs.Job(cpus=1, memory_gb=1, hours=1, program=STANDIN)
        with hubs.stock(deployment, people, job=job, path=commands.path) as hub:
            yield hub
    else:
        limits = {"hub__active_server_limit": 0, "hub__concurrent_spawn_limit": 100}
        with hubs.ours(deployment, path=commands.path, program=STANDIN, **limits) as hub:
            yield hub


def start_all(hub: hubs.Hub, http: httpx2.Client, servers: list[str]) -> None:
    """Start all, some at a time, and wait until the Hub calls each ready."""
    pool = ThreadPoolExecutor(STARTING_AT_ONCE)
    try:
        list(pool.map(lambda server: _start(hub, http, server), servers))
    finally:
        pool.shutdown(cancel_futures=True)  # one that failed, or Ctrl-C, ends it at once and not after a thousand


def _start(hub: hubs.Hub, http: httpx2.Client, server: str) -> None:
    answer = http.post(hub.api(server), json={"user_options": SMALL})
    if answer.status_code not in (201, 202):
        raise AssertionError(f"{server} was not started: {answer.status_code} {answer.text}")
    eventually(lambda: is_ready(hub, http, server), within=START_SECONDS, every=2, what=f"{server} is ready")


def is_ready(hub: hubs.Hub, http: httpx2.Client, server: str) -> bool:
    """Whether the Hub says so."""
    person, _, name = server.partition("/servers/")
    state = http.get(hub.api(person)).json()["servers"].get(name)
    if state is None:
        raise AssertionError(f"{server} failed to start: see {hub.log}")
    return bool(state["ready"])


def stop_all(hub: hubs.Hub, http: httpx2.Client, servers: list[str]) -> None:
    """Stop all and wait until they are gone."""
    with ThreadPoolExecutor(STARTING_AT_ONCE) as pool:
        list(pool.map(lambda server: http.delete(hub.api(server)), servers))
    for person in {server.rpartition("/server")[0] for server in servers}:
        _is_free(hub, http, person)


def _is_free(hub: hubs.Hub, http: httpx2.Client, person: str) -> None:
    eventually(lambda: not http.get(hub.api(person)).json()["servers"], within=120, what=f"{person} has no server")
