"""What nginx costs: the same small request through it, and at the socket of the program behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from deploy.dev.unix_http import UnixConnection
from tests.bench.registry import Pair, scenario
from tests.deployment import Deployment

REQUESTS = 300
CLIENTS = 8
DEADLINE_SECONDS = 20.0

Connect = Callable[[], HTTPConnection]


@scenario("nginx_request", metric="the Hub's health, one request after another", unit="ms", runs=10)
@contextmanager
def nginx_request(deployment: Deployment) -> Iterator[Pair]:
    settings = deployment.settings
    hub = (urlsplit(settings.site.public_url).netloc, "/hub/api/health", settings.paths.proxy_socket)
    api = (urlsplit(settings.service_host("atrium")).netloc, "/services/atrium/api/health", settings.paths.api_socket)
    through = partial(HTTPConnection, "127.0.0.1", settings.nginx.port, timeout=DEADLINE_SECONDS)
    further = {
        f"the Hub's health, {CLIENTS} at a time": _sides(_together, through, *hub),
        "the API's health, one after another": _sides(_in_turn, through, *api),
        f"the API's health, {CLIENTS} at a time": _sides(_together, through, *api),
    }
    yield Pair(*_sides(_in_turn, through, *hub), further)


def _sides(
    measure: Callable[[Connect, str, str], float], through: Connect, host: str, path: str, direct: Path
) -> tuple[Callable[[], float], Callable[[], float]]:
    past = partial(UnixConnection, direct, timeout=DEADLINE_SECONDS)
    return partial(measure, through, host, path), partial(measure, past, host, path)


def _in_turn(connect: Connect, host: str, path: str) -> float:
    """Median of the milliseconds that an answer takes."""
    return median(_latencies(connect, host, path, REQUESTS)) * 1000


def _together(connect: Connect, host: str, path: str) -> float:
    """Milliseconds for each answer while several clients send requests; its inverse is the rate."""
    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        count = sum(len(part) for part in pool.map(lambda _: _latencies(connect, host, path, 100), range(CLIENTS)))
    return (time.perf_counter() - start) * 1000 / count


def _latencies(connect: Connect, host: str, path: str, count: int) -> list[float]:
    """Seconds of each of ``count`` requests on one connection."""
    latencies = []
    with closing(connect()) as connection:
        for _ in range(count):
            start = time.perf_counter()
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            latencies.append(time.perf_counter() - start)
            assert answer.status == 200, answer.status
    return latencies
