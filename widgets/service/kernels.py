"""Kernels of the dashboards service: whose they are, what they may know, how many there may be, when they end."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from jupyter_client.session import Session
from jupyter_core.utils import ensure_async
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from voila.notebook_renderer import NotebookRenderer

from hub.errors import AtriumError

log = logging.getLogger("atrium.dashboards")

KERNEL_VARIABLES = frozenset(
    {
        "PATH",
        "HOME",
        "LANG",
        "IPYTHONDIR",
        "PYTHONPATH",  # set in a checkout only
        "ATRIUM_API_URL",
        "ATRIUM_API_CA",
        "ATRIUM_SITE_NAME",
        "ATRIUM_HUB_URL",
    }
)
"""All a kernel's environment holds, besides ``JUPYTER_…``. Above all not the service's own token."""

PAGE_MESSAGES = ["comm_open", "comm_close", "comm_msg", "comm_info_request", "kernel_info_request"]
"""What a page may send to its kernel: widget traffic. Nothing that runs code."""

TELL_SECONDS = 60.0  # a kernel reads its mail only after its notebook has run
START_SECONDS = 120.0
"""Time from the start of a kernel in which its notebook must have run."""
SLOW_SECONDS = 10.0
"""A page that has not connected for so long makes room for another one of the same person, if there is none."""
RETRY_SECONDS = 15
"""After this time a page that was refused for want of a kernel asks again."""


class NoKernelFree(AtriumError):
    """A limit on open dashboards is reached. The page of this refusal tries again by itself."""

    retry_seconds = RETRY_SECONDS


class TooManyOpen(NoKernelFree):
    """One visitor has as many dashboards open as one may."""

    status = 429


class AllInUse(NoKernelFree):
    """Every kernel of the service is in use."""

    status = 503


def kernel_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a kernel: an allow-list, whatever the server's own holds."""
    return {name: value for name, value in environ.items() if name in KERNEL_VARIABLES or name.startswith("JUPYTER_")}


class Socket(Protocol):
    """An open page, as far as a lease needs it."""

    def close(self, code: int | None = None, reason: str | None = None) -> None: ...


@dataclass(eq=False)
class Lease:
    """One dashboard opened by one visitor, from the click to the end of its kernel."""

    owner: str
    dashboard: str
    opened: float
    """When it was asked for, then when its kernel was there."""
    kernel_id: str | None = None
    """None while the kernel starts; the lease counts already, so that a burst of clicks cannot pass the caps."""
    sockets: set[Socket] = field(default_factory=set)
    left: float | None = None
    """When the last socket closed; None while one is open or none has been yet."""
    is_introduced: bool = False
    """Whether the kernel has been told who its visitor is."""

    def connect(self, socket: Socket) -> None:
        self.sockets.add(socket)
        self.left = None

    def disconnect(self, socket: Socket, now: float) -> None:
        self.sockets.discard(socket)
        if not self.sockets:
            self.left = now


class Leases:
    """Owners of kernels. A kernel without a lease (rendered ahead) has no owner."""

    def __init__(self, *, per_visitor: int, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_visitor = per_visitor
        self.total = total
        self.clock = clock
        self._leases: list[Lease] = []

    def __iter__(self) -> Iterator[Lease]:
        return iter(tuple(self._leases))

    def __len__(self) -> int:
        return len(self._leases)

    def missing(self, owner: str) -> int:
        """How many leases have to end before the owner gets another one."""
        own = sum(lease.owner == owner for lease in self._leases)
        return max(0, own + 1 - self.per_visitor, len(self._leases) + 1 - self.total)

    def open(self, owner: str, dashboard: str) -> Lease:
        """A new lease; raises :class:`TooManyOpen` or :class:`AllInUse`."""
        if sum(lease.owner == owner for lease in self._leases) >= self.per_visitor:
            raise TooManyOpen(
                f"You have {self.per_visitor} dashboards open, which is the limit for one person.",
                hint="Close one of their tabs.",
            )
        if len(self._leases) >= self.total:
            raise AllInUse("All dashboards are in use by other visitors at the moment.")
        lease = Lease(owner, dashboard, self.clock())
        self._leases.append(lease)
        return lease

    def give_kernel(self, lease: Lease, kernel_id: str) -> None:
        """Note that the kernel has started; from now on the page is expected to connect to it."""
        lease.kernel_id, lease.opened = kernel_id, self.clock()

    def close(self, lease: Lease) -> None:
        """End a lease; closing twice is fine."""
        with suppress(ValueError):
            self._leases.remove(lease)
        for socket in tuple(lease.sockets):
            socket.close(1001, "The dashboard has ended.")

    def of(self, kernel_id: str) -> Lease | None:
        return next((lease for lease in self._leases if lease.kernel_id == kernel_id), None)

    def owned(self, kernel_id: str, owner: str) -> Lease | None:
        """The lease of a kernel, if it is this visitor's."""
        lease = self.of(kernel_id)
        return lease if lease is not None and lease.owner == owner else None

    def abandoned(self, owner: str | None = None, *, after: float, never_came: float) -> list[Lease]:
        """Leases whose page has been without a socket for ``after`` seconds, or never had one for ``never_came``."""
        now = self.clock()
        return [
            lease
            for lease in self._leases
            if lease.kernel_id is not None
            and not lease.sockets
            and owner in (None, lease.owner)
            and (now - lease.left > after if lease.left is not None else now - lease.opened > never_came)
        ]


class Kernels(AsyncMappingKernelManager):
    """Voila's kernels with a scrubbed environment, each ending together with its lease."""

    environment: Mapping[str, str] = {}
    leases: Leases

    async def start_kernel(self, **options: Any) -> str:  # type: ignore[override]
        """Start a kernel; the caller's ``env`` (Voila: the server's own, and the visitor's request) is dropped."""
        options["env"] = dict(self.environment)
        kernel_id: str = await super().start_kernel(**options)
        return kernel_id

    async def shutdown_kernel(  # type: ignore[override]
        self, kernel_id: str, now: bool = False, restart: bool = False
    ) -> None:
        lease = self.leases.of(kernel_id)
        if lease is not None:
            self.leases.close(lease)
        await super().shutdown_kernel(kernel_id, now=now, restart=restart)

    async def alive(self, kernel_id: str) -> bool:
        return kernel_id in self and await ensure_async(self.get_kernel(kernel_id).is_alive())

    async def tell(self, kernel_id: str, verb: str, text: str) -> bool:
        """Call ``widgets.base.visitor.VERB(text)`` in a kernel, over the kernel's own socket.

        This is how a token gets there: no environment, no URL, no log and no other page ever sees it.
        """
        code = f"__import__('widgets.base').base.visitor.{verb}({json.dumps(text)})"
        kernel = self.get_kernel(kernel_id)
        # A session of its own: it names the socket, and the renderer may be on the line with the kernel's own session.
        session = Session(key=kernel.session.key, signature_scheme=kernel.session.signature_scheme)
        client: Any = kernel.client(session=session)
        client.start_channels(iopub=False, stdin=False, hb=False, control=False)  # leaves the shell channel
        try:
            request = client.execute(code, silent=True, store_history=False, allow_stdin=False, stop_on_error=False)
            async with asyncio.timeout(TELL_SECONDS):
                while (reply := await client.get_shell_msg())["parent_header"].get("msg_id") != request:
                    pass
        except TimeoutError:
            return False
        finally:
            client.stop_channels()
        return bool(reply["content"]["status"] == "ok")


class Page:
    """A dashboard's page while it is rendered. Its kernel starts when its turn comes (:class:`Pool`)."""

    task: asyncio.Task[None]
    """Renders the page."""

    def __init__(self, renderer: NotebookRenderer) -> None:
        self.renderer = renderer
        self.kernel_id = str(uuid4())
        self.has_turn = False
        self.has_kernel = False
        self._snippets: list[str] = []
        self._changed = asyncio.Event()

    def add(self, snippet: str) -> None:
        self._snippets.append(snippet)
        self._changed.set()

    def end(self, _task: object = None) -> None:
        """Wake the reader: nothing is added any more."""
        self._changed.set()

    def leave_queue(self) -> None:
        """Give the page up, unless its kernel starts already."""
        if not self.has_turn:
            self.task.cancel()

    async def snippets(self) -> AsyncIterator[str]:
        """The page's HTML: at once what is there, then piece by piece.

        Raises what the rendering failed with. Ends early if the page has left the queue.
        """
        sent = 0
        while True:
            self._changed.clear()
            if sent < len(self._snippets):
                piece = "".join(self._snippets[sent:])
                sent = len(self._snippets)
                yield piece
            elif not self.task.done():
                await self._changed.wait()
            else:
                if not self.task.cancelled():
                    self.task.result()
                return


class Pool:
    """Pages with a kernel each. Some are rendered ahead, so that a click is answered in milliseconds.

    Kernels start in the order in which their pages were asked for, ``at_once`` at a time: each of many that start
    together would be as late as the last. A page that waits for its turn shows its head already.
    """

    def __init__(
        self,
        kernels: Kernels,
        renderer: Callable[[str], NotebookRenderer],
        size: int,
        *,
        at_once: int,
        never: Collection[str] = (),
    ) -> None:
        """``never``: dashboards that are not rendered ahead."""
        self._kernels = kernels
        self._renderer = renderer
        self._size = size
        self._never = never
        self._turns = asyncio.Semaphore(at_once)  # first come, first served
        self._ready: defaultdict[str, list[Page]] = defaultdict(list)
        self._filling: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, dashboard: str) -> Page:
        """A new page, from the pool if there is one; the pool is refilled afterwards."""
        ready = self._ready[dashboard]
        try:
            while ready:
                page = ready.pop(0)
                if not page.task.done() or await self._kernels.alive(page.kernel_id):
                    return page
            return await self._make(dashboard)
        finally:
            self.fill(dashboard, delay=1.0)  # the visitor's own page first

    def abandon(self, page: Page, lease: Lease) -> None:
        """End the kernel and the lease of a page that cannot be sent, as soon as its kernel can be ended."""
        self._run(self._abandon(page, lease))

    def fill(self, dashboard: str, delay: float = 0.0) -> None:
        if dashboard not in self._never:
            self._run(self._fill(dashboard, delay))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _abandon(self, page: Page, lease: Lease) -> None:
        page.leave_queue()
        await asyncio.wait({page.task})
        self._kernels.leases.close(lease)
        with suppress(KeyError, HTTPError):  # it has none, or it was ended meanwhile
            await self._kernels.shutdown_kernel(page.kernel_id, now=True)

    async def _fill(self, dashboard: str, delay: float) -> None:
        await asyncio.sleep(delay)
        ready = self._ready[dashboard]
        try:
            async with self._filling[dashboard]:
                while len(ready) < self._size:
                    await self._make_ready(dashboard)
        except Exception:
            log.exception("%s could not be rendered ahead; its pages will be made when asked for", dashboard)

    async def _make_ready(self, dashboard: str) -> None:
        """Add a page, and wait until it is rendered; raises what the rendering failed with."""
        ready = self._ready[dashboard]
        page = await self._make(dashboard)
        ready.append(page)
        await asyncio.wait({page.task})
        if page in ready and (error := page.task.exception()) is not None:
            ready.remove(page)
            with suppress(KeyError, HTTPError):
                await self._kernels.shutdown_kernel(page.kernel_id, now=True)
            raise error

    async def _make(self, dashboard: str) -> Page:
        page = Page(self._renderer(dashboard))
        await page.renderer.initialize()
        page.task = asyncio.get_running_loop().create_task(self._render(page))
        page.task.add_done_callback(page.end)
        return page

    async def _render(self, page: Page) -> None:
        """Fill the page with its HTML; waits for its turn before the kernel starts."""
        async with asyncio.timeout(None) as limit, AsyncExitStack() as turn:

            async def kernel() -> Any:
                await turn.enter_async_context(self._turns)
                page.has_turn = True
                limit.reschedule(asyncio.get_running_loop().time() + START_SECONDS)
                name = page.renderer.notebook.metadata.kernelspec.name
                await self._kernels.start_kernel(kernel_id=page.kernel_id, kernel_name=name, path="")
                page.has_kernel = True
                return self._kernels.get_kernel(page.kernel_id)

            async for snippet, _ in page.renderer.generate_content_generator(page.kernel_id, kernel()):
                page.add(snippet)


class Culler:
    """Ends kernels whose tab is closed, that are idle, or that died."""

    def __init__(self, kernels: Kernels, *, idle_seconds: float, gone_seconds: float, never_came: float = 60.0) -> None:
        self._kernels = kernels
        self._idle = idle_seconds
        self._abandoned_after = gone_seconds
        self._never_came = never_came

    async def cull(self) -> None:
        """One round over all leases."""
        await self.end(self._kernels.leases.abandoned(after=self._abandoned_after, never_came=self._never_came))
        for lease in self._kernels.leases:
            if lease.kernel_id is None:
                continue
            try:
                if await self._is_to_end(lease.kernel_id):
                    await self.end([lease])
            except Exception:
                log.exception("the kernel of a %s dashboard could not be checked", lease.dashboard)

    async def _is_to_end(self, kernel_id: str) -> bool:
        """Whether a kernel is dead or idle; who looks at an idle one is told first."""
        if not await self._kernels.alive(kernel_id):
            return True
        if self._idle_seconds(kernel_id) <= self._idle:
            return False
        with suppress(KeyError, HTTPError):  # ended by its own page meanwhile
            await self._put_to_sleep(kernel_id)
        return True

    async def make_room(self, owner: str) -> None:
        """End as many of the owner's recently closed tabs as a new one needs, the longest closed first.

        A tab that has lost its line for a moment, or that loads slowly, looks the same, so none ends without need.
        """
        leases = self._kernels.leases
        closed = leases.abandoned(owner, after=1.0, never_came=SLOW_SECONDS)
        closed.sort(key=lambda lease: lease.opened if lease.left is None else lease.left)
        await self.end(closed[: leases.missing(owner)])

    async def end(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            self._kernels.leases.close(lease)
            if lease.kernel_id is None:
                continue
            try:
                with suppress(KeyError, HTTPError):  # ended by its own page meanwhile
                    await self._kernels.shutdown_kernel(lease.kernel_id, now=True)
            except Exception:
                log.exception("the kernel of a %s dashboard could not be ended", lease.dashboard)

    def _idle_seconds(self, kernel_id: str) -> float:
        kernel: Any = self._kernels.get_kernel(kernel_id)
        return float((datetime.now(UTC) - kernel.last_activity).total_seconds())

    async def _put_to_sleep(self, kernel_id: str) -> None:
        minutes = max(1, round(self._idle / 60))
        await self._kernels.tell(
            kernel_id,
            "leave",
            f"Nobody used this page for {minutes} minutes, so it was closed to free memory. Reload it to continue.",
        )
        await asyncio.sleep(0.5)  # the words are on their way to the page, over another socket than the answer
