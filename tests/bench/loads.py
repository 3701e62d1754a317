"""``dashboard_loads_300``: every load of a dashboard comes up, also by Back, Forward and reload, under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.bench.dashboards import READY_SECONDS, profile, stock_voila
from tests.bench.registry import Pair, scenario
from tests.browser import chromium, personal_widget, sign_in
from tests.deployment import Deployment

TABS = 6
"""Of as many people, loading at the same time: more than the machine has cores."""
ROUNDS = 50
STOCK_ROUNDS = 10

Load = Callable[[Page, str], object]


def _open(page: Page, address: str) -> None:
    page.goto(address, wait_until="commit")


def _reload(page: Page, _: str) -> None:
    page.reload(wait_until="commit")


def _go_back(page: Page, _: str) -> None:
    page.goto("about:blank")
    page.go_back(wait_until="commit")


def _go_forward(page: Page, address: str) -> None:
    page.goto(address, wait_until="commit")
    page.goto("about:blank")
    page.go_back(wait_until="commit")
    page.go_back(wait_until="commit")
    page.go_forward(wait_until="commit")


WAYS: tuple[Load, ...] = (_open, _reload, _go_back, _go_forward)


@scenario(
    "dashboard_loads_300",
    metric=f"median of {TABS * ROUNDS} loads, {TABS} at a time, by link, reload, Back and Forward",
    unit="s",
    runs=1,
)
@contextmanager
def dashboard_loads(deployment: Deployment) -> Iterator[Pair]:
    """Fails when one page does not come up within a minute. Stock Voila's are fewer; those that fail are left out."""
    names = [name for name in deployment.logins if "learner" in name][:TABS]
    address = f"{deployment.settings.service_url('dashboards')}voila/render/onboarding.ipynb"
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        voila = stack.enter_context(stock_voila(browser, deployment, names[0]))
        here = [sign_in(stack.enter_context(profile(browser)), deployment, name) for name in names]
        there = [stack.enter_context(profile(browser)).new_page() for _ in names]

        def ours() -> float:
            seconds, lost = _loads(here, address, ROUNDS)
            if lost:
                raise AssertionError(f"{lost} of {TABS * ROUNDS} pages did not come up within {READY_SECONDS} s")
            return median(seconds)

        yield Pair(ours, lambda: median(_loads(there, voila, STOCK_ROUNDS)[0]))


def _loads(pages: Sequence[Page], address: str, rounds: int) -> tuple[list[float], int]:
    """Seconds of the loads that came up, from the first page of a round on, and the number of the others."""
    seconds, lost = [], 0
    for page in pages:
        page.goto("about:blank")
        _open(page, address)
    for number in range(rounds):
        begin = time.perf_counter()
        for at, page in enumerate(pages):
            WAYS[(number + at) % len(WAYS)](page, address)
        for page in pages:
            if _comes_up(page):
                seconds.append(time.perf_counter() - begin)
            else:
                lost += 1
    return seconds, lost


def _comes_up(page: Page) -> bool:
    try:
        personal_widget(page, "learner").wait_for(timeout=READY_SECONDS * 1000)
    except PlaywrightTimeoutError:
        return False
    return True
