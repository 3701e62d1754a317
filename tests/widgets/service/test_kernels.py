"""Owners, environment, limits and end of kernels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from widgets.service.kernels import (
    PAGE_MESSAGES,
    AllInUse,
    Culler,
    Leases,
    Page,
    Pool,
    TooManyOpen,
    kernel_environment,
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Socket:
    closed = False

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.closed = True


class FakeKernels:
    """Kernels that are only names."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.running: set[str] = set()
        self.last_activity = datetime.now(UTC)
        self.calls: list[tuple[str, str]] = []

    async def start_kernel(self, *, kernel_id: str, **_: Any) -> str:
        await asyncio.sleep(0)
        self.running.add(kernel_id)
        return kernel_id

    async def alive(self, kernel_id: str) -> bool:
        return kernel_id in self.running

    def get_kernel(self, _: str) -> Any:
        return self

    async def tell(self, kernel_id: str, verb: str, text: str) -> bool:
        self.calls.append((verb, text))
        return True

    async def shutdown_kernel(self, kernel_id: str, now: bool = False) -> None:
        self.running.remove(kernel_id)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(clock: Clock) -> Leases:
    return Leases(per_visitor=2, total=3, clock=clock)


def lease(leases: Leases, owner: str, kernel_id: str) -> Any:
    opened = leases.open(owner, "onboarding.ipynb")
    opened.kernel_id = kernel_id
    return opened


# -- environment and messages -----------------------------------------------------------------------------------------


def test_a_kernel_gets_listed_variables_only() -> None:
    given = {
        "PATH": "/bin",
        "HOME": "/home",
        "LANG": "C.UTF-8",
        "IPYTHONDIR": "/i",
        "JUPYTER_RUNTIME_DIR": "/r",
        "ATRIUM_API_URL": "http://api",
        "JUPYTERHUB_API_TOKEN": "secret",
        "JUPYTERHUB_CLIENT_ID": "service-dashboards",
        "ATRIUM_SECRET": "secret",
        "QUERY_STRING": "token=secret",
        "LD_PRELOAD": "/tmp/x.so",
    }

    environment = kernel_environment(given)

    assert set(environment) == {"PATH", "HOME", "LANG", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "ATRIUM_API_URL"}


def test_a_page_cannot_send_code() -> None:
    assert not {"execute_request", "shutdown_request", "debug_request", "input_reply"} & set(PAGE_MESSAGES)


# -- ownership and caps -----------------------------------------------------------------------------------------------


def test_a_kernel_is_its_visitors_alone(leases: Leases) -> None:
    own = lease(leases, "founder", "k1")

    assert leases.owned("k1", "founder") is own
    assert leases.owned("k1", "colleague") is None
    assert leases.owned("rendered-ahead", "founder") is None


def test_a_visitor_cannot_take_all_kernels(leases: Leases) -> None:
    lease(leases, "founder", "k1")
    leases.open("founder", "dataspaces.ipynb")  # still starting, and counted

    with pytest.raises(TooManyOpen, match="You have 2 dashboards open"):
        leases.open("founder", "onboarding.ipynb")
    leases.open("colleague", "onboarding.ipynb")


def test_there_is_a_cap_over_all_visitors(leases: Leases) -> None:
    for owner in ("founder", "colleague", "trainer"):
        leases.open(owner, "onboarding.ipynb")

    with pytest.raises(AllInUse):
        leases.open("analyst", "onboarding.ipynb")


def test_a_closed_lease_makes_room_and_closes_its_pages(leases: Leases) -> None:
    first, socket = lease(leases, "founder", "k1"), Socket()
    first.connect(socket)
    lease(leases, "founder", "k2")

    leases.close(first)
    leases.close(first)

    assert socket.closed
    assert leases.owned("k1", "founder") is None
    leases.open("founder", "onboarding.ipynb")


def test_a_page_is_abandoned_after_its_last_socket_closes(leases: Leases, clock: Clock) -> None:
    page, first, second = lease(leases, "founder", "k1"), Socket(), Socket()
    page.connect(first)
    page.connect(second)
    page.disconnect(first, clock.now)
    clock.now += 1000
    assert leases.abandoned(after=30, never_came=60) == []

    page.disconnect(second, clock.now)
    clock.now += 29
    assert leases.abandoned(after=30, never_came=60) == []
    clock.now += 2
    assert leases.abandoned("colleague", after=30, never_came=60) == []
    assert leases.abandoned("founder", after=30, never_came=60) == [page]


def test_a_page_that_never_connects_is_abandoned_later(leases: Leases, clock: Clock) -> None:
    page = lease(leases, "founder", "k1")
    clock.now += 59
    assert leases.abandoned(after=30, never_came=60) == []
    clock.now += 2
    assert leases.abandoned(after=30, never_came=60) == [page]


def test_a_page_that_waited_long_for_its_kernel_has_as_long_to_connect(leases: Leases, clock: Clock) -> None:
    page = leases.open("founder", "onboarding.ipynb")
    clock.now += 100
    assert leases.abandoned(after=30, never_came=60) == []
    leases.give_kernel(page, "k1")
    clock.now += 59

    assert leases.abandoned(after=30, never_came=60) == []
    assert leases.owned("k1", "founder") is page


# -- culling ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kernels(leases: Leases) -> FakeKernels:
    kernels = FakeKernels(leases)
    kernels.running = {"k1", "rendered-ahead"}
    return kernels


def culler(kernels: Any) -> Culler:
    return Culler(kernels, idle_seconds=1200, gone_seconds=30)


async def test_a_kernel_in_use_stays(leases: Leases, kernels: FakeKernels) -> None:
    lease(leases, "founder", "k1").connect(Socket())

    await culler(kernels).cull()

    assert kernels.running == {"k1", "rendered-ahead"}


async def test_an_idle_page_shows_a_notice_before_its_kernel_ends(leases: Leases, kernels: FakeKernels) -> None:
    lease(leases, "founder", "k1").connect(Socket())
    kernels.last_activity -= timedelta(minutes=21)

    await culler(kernels).cull()

    assert kernels.running == {"rendered-ahead"}
    assert [verb for verb, _ in kernels.calls] == ["leave"]
    assert "20 minutes" in kernels.calls[0][1]
    assert len(leases) == 0


async def test_a_closed_tab_takes_its_kernel_along(leases: Leases, kernels: FakeKernels, clock: Clock) -> None:
    page, socket = lease(leases, "founder", "k1"), Socket()
    page.connect(socket)
    page.disconnect(socket, clock.now)
    clock.now += 31

    await culler(kernels).cull()

    assert kernels.running == {"rendered-ahead"}
    assert kernels.calls == []


@pytest.mark.parametrize("step", ["alive", "shutdown_kernel"])
async def test_a_kernel_that_cannot_be_ended_keeps_no_other(
    leases: Leases, kernels: FakeKernels, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    for kernel_id in ("broken", "k2"):
        lease(leases, "founder", kernel_id).connect(Socket())
    kernels.last_activity -= timedelta(minutes=21)
    work = getattr(kernels, step)

    async def fails(kernel_id: str, **options: Any) -> Any:
        if kernel_id == "broken":
            raise RuntimeError(kernel_id)
        return await work(kernel_id, **options)

    monkeypatch.setattr(kernels, step, fails)
    await culler(kernels).cull()

    assert "k2" not in kernels.running


async def test_a_dead_kernel_frees_its_place(leases: Leases, kernels: FakeKernels) -> None:
    lease(leases, "founder", "crashed").connect(Socket())

    await culler(kernels).cull()

    assert len(leases) == 0


async def test_tabs_closed_a_moment_ago_do_not_count(leases: Leases, kernels: FakeKernels, clock: Clock) -> None:
    page, socket = lease(leases, "founder", "k1"), Socket()
    page.connect(socket)
    page.disconnect(socket, clock.now)
    clock.now += 2

    await culler(kernels).make_room("founder")
    assert "k1" in kernels.running, "there is a place, and its line may come back"
    later = lease(leases, "founder", "k2")
    later.connect(socket)
    later.disconnect(socket, clock.now)
    clock.now += 2
    await culler(kernels).make_room("colleague")
    assert list(leases) == [page, later]
    await culler(kernels).make_room("founder")
    assert list(leases) == [later], "one place is enough"
    assert "k1" not in kernels.running


async def test_where_all_are_in_use_the_own_closed_tabs_make_room(
    leases: Leases, kernels: FakeKernels, clock: Clock
) -> None:
    page, socket = lease(leases, "founder", "k1"), Socket()
    page.connect(socket)
    page.disconnect(socket, clock.now)
    for owner in ("colleague", "analyst"):
        lease(leases, owner, owner)
    clock.now += 2
    await culler(kernels).make_room("founder")
    assert "k1" not in kernels.running
    assert len(leases) == 2


async def test_a_page_that_was_left_before_it_connected_makes_room_soon(
    leases: Leases, kernels: FakeKernels, clock: Clock
) -> None:
    for number in (1, 2):
        lease(leases, "founder", f"k{number}")
        kernels.running.add(f"k{number}")
    clock.now += 9
    await culler(kernels).make_room("founder")
    assert len(leases) == 2, "it may still be loading"
    clock.now += 2
    await culler(kernels).make_room("founder")

    assert [page.kernel_id for page in leases] == ["k2"]


# -- the pool ---------------------------------------------------------------------------------------------------------


class FakeRenderer:
    """A notebook of one cell, which runs for as long as ``cell`` is not set."""

    cell = asyncio.Event()

    def __init__(self, name: str) -> None:
        self.notebook = SimpleNamespace(metadata=SimpleNamespace(kernelspec=SimpleNamespace(name="python3")))

    async def initialize(self) -> None:
        await asyncio.sleep(0)

    async def generate_content_generator(self, kernel_id: str, kernel: Awaitable[Any]) -> AsyncIterator[Any]:
        yield "<header>", None
        await kernel
        yield "<kernel>", None
        await self.cell.wait()
        yield "<cell>", None


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    event = asyncio.Event()
    monkeypatch.setattr(FakeRenderer, "cell", event)
    return event


def pool_of(kernels: Any, *, size: int = 0, at_once: int = 2) -> Pool:
    return Pool(kernels, FakeRenderer, size, at_once=at_once)  # type: ignore[arg-type]


async def text_of(page: Page) -> str:
    return "".join([snippet async for snippet in page.snippets()])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_page_comes_whole_and_once(kernels: FakeKernels, cell: asyncio.Event) -> None:
    page = await pool_of(kernels).take("onboarding.ipynb")
    snippets = page.snippets()
    assert await anext(snippets) == "<header>"
    assert await anext(snippets) == "<kernel>"
    cell.set()

    assert [snippet async for snippet in snippets] == ["<cell>"]


async def test_a_page_that_is_ready_comes_at_once(kernels: FakeKernels, cell: asyncio.Event) -> None:
    cell.set()
    pool = pool_of(kernels, size=1)
    pool.fill("onboarding.ipynb")
    await until(lambda: len(kernels.running) == 3)
    await settle()

    page = await pool.take("onboarding.ipynb")

    assert await anext(page.snippets()) == "<header><kernel><cell>"


async def test_many_pages_start_in_order_and_a_few_at_a_time(kernels: FakeKernels, cell: asyncio.Event) -> None:
    pool = pool_of(kernels, at_once=2)
    pages = [await pool.take("onboarding.ipynb") for _ in range(20)]
    await settle()

    assert [page.has_kernel for page in pages] == [True] * 2 + [False] * 18
    assert await anext(pages[-1].snippets()) == "<header>", "a page that waits shows its head"
    order: list[int] = []
    for number, page in enumerate(pages):
        page.task.add_done_callback(lambda _, number=number: order.append(number))
    cell.set()
    await asyncio.wait_for(asyncio.gather(*(page.task for page in pages)), 10)
    await settle()
    assert order == list(range(20))


async def test_who_leaves_the_queue_makes_room(kernels: FakeKernels, cell: asyncio.Event) -> None:
    pool = pool_of(kernels, at_once=1)
    first, second, third = [await pool.take("onboarding.ipynb") for _ in range(3)]
    await settle()
    for page in (first, second):
        page.leave_queue()
    assert await text_of(second) == "<header>"
    cell.set()

    assert await text_of(first) == await text_of(third) == "<header><kernel><cell>"
    assert second.kernel_id not in kernels.running


async def test_a_page_that_fails_ends_and_lets_the_next_one_start(
    kernels: FakeKernels, cell: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("widgets.service.kernels.START_SECONDS", 0.05)
    pool = pool_of(kernels, at_once=1)
    first, second = [await pool.take("onboarding.ipynb") for _ in range(2)]
    with pytest.raises(TimeoutError):
        await text_of(first)
    cell.set()

    assert await text_of(second) == "<header><kernel><cell>"


async def test_the_kernel_of_a_page_that_cannot_be_sent_ends(
    leases: Leases, kernels: FakeKernels, cell: asyncio.Event
) -> None:
    pool = pool_of(kernels)
    page = await pool.take("onboarding.ipynb")
    await settle()
    pool.abandon(page, leases.open("founder", "onboarding.ipynb"))
    await settle()
    assert page.kernel_id in kernels.running, "it is starting: only then can it be ended"
    cell.set()
    await settle()

    assert page.kernel_id not in kernels.running
    assert len(leases) == 0


async def test_a_page_rendered_ahead_that_failed_is_not_handed_out(
    kernels: FakeKernels, cell: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("widgets.service.kernels.START_SECONDS", 0.02)
    pool = pool_of(kernels, size=1)
    before = set(kernels.running)
    pool.fill("onboarding.ipynb")
    await until(lambda: kernels.running > before)
    await until(lambda: kernels.running == before)  # nobody else would end it
    cell.set()

    assert await text_of(await pool.take("onboarding.ipynb")) == "<header><kernel><cell>"


async def test_the_pool_hands_out_each_ready_kernel_once(kernels: FakeKernels, cell: asyncio.Event) -> None:
    cell.set()
    pool = pool_of(kernels, size=1)
    for _ in range(3):
        pool.fill("onboarding.ipynb")  # at once: filled once
    await until(lambda: len(kernels.running) == 3)
    await settle()
    assert len(kernels.running) == 3

    kernel_ids = [await pool.take("onboarding.ipynb") for _ in range(2)]

    assert len({page.kernel_id for page in kernel_ids}) == 2


async def test_a_page_whose_kernel_died_is_not_handed_out(kernels: FakeKernels, cell: asyncio.Event) -> None:
    cell.set()
    pool = pool_of(kernels, size=1)
    pool.fill("onboarding.ipynb")
    await until(lambda: len(kernels.running) == 3)
    await settle()
    kernels.running = {"other"}

    page = await pool.take("onboarding.ipynb")
    await text_of(page)

    assert page.kernel_id in kernels.running
