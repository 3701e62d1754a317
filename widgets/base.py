"""What every dashboard shares: who is in front of it, and the states a view can be in."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from ipywidgets import HTML, Button, Text, VBox
from markupsafe import Markup
from traitlets import Dict, HasTraits, Instance, Unicode, UseEnum

from hub.client import Api
from hub.errors import AtriumError

log = logging.getLogger("atrium.widgets")

Answer = TypeVar("Answer")
Work = Callable[[Api], Coroutine[Any, Any, object]]
"""Something to be done with the API."""

_running: set[asyncio.Task[Any]] = set()


def in_background(work: Coroutine[Any, Any, Any]) -> None:
    """Let a view go on answering while ``work`` waits for others."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)  # the loop alone would let go of it
    task.add_done_callback(_running.discard)


class Visitor(HasTraits):
    """The person in front of this kernel, known by what the API answers to their token.

    In the dashboards service the server calls :meth:`sign_in` when it hands the page out: until then (a page rendered
    ahead) nobody is there. In a person's own server the environment says who it is.
    """

    api = Instance(Api, allow_none=True)
    farewell = Unicode(help="Why the page ends, once it does.")

    def sign_in(self, token: str) -> None:
        """Called by the server, over the kernel's own socket."""
        self.api = Api(os.environ["ATRIUM_API_URL"], token)

    def sign_in_from_environment(self) -> None:
        self.api = Api.from_environment()

    def leave(self, sentence: str) -> None:
        """Called by the server right before it ends the kernel."""
        self.farewell = sentence


visitor = Visitor()
"""The one of this kernel."""


class Phase(StrEnum):
    LOADING = "loading"
    READY = "ready"
    EMPTY = "empty"
    ERROR = "error"


class State(HasTraits):
    """What a view shows, without a browser. Subclasses say in :meth:`fetch` how to get it."""

    phase = UseEnum(Phase, Phase.LOADING)
    problem = Instance(AtriumError, allow_none=True, help="Why there is nothing to show.")
    busy = Unicode(help="What is being done, in a few words.")
    trouble = Instance(AtriumError, allow_none=True, help="Why the last thing that was tried did not work.")
    done = Unicode(help="What was done last, in a sentence.")
    problems = Dict(help="Field -> what is wrong with it, in a sentence.")

    async def fetch(self, api: Api) -> Phase:
        """Fill the traits; ``READY``, or ``EMPTY`` when there is nothing to show."""
        raise NotImplementedError

    async def load(self, api: Api) -> None:
        """Fetch, and turn whatever goes wrong into a sentence."""
        self.phase = Phase.LOADING
        await self.attempt(self.fetch(api))

    async def attempt(self, work: Awaitable[Phase]) -> None:
        """Await a phase; an error is one, too."""
        try:
            phase = await work
        except AtriumError as error:
            self.fail(error)
        except Exception:
            log.exception("a dashboard failed")
            self.fail(unexpected_error())
        else:
            self.problem = None
            self.phase = phase

    def fail(self, error: AtriumError) -> None:
        self.problem = error
        self.phase = Phase.ERROR

    async def act(self, doing: str, work: Coroutine[Any, Any, object]) -> bool:
        """Do something while the page stays as it is; whether it worked. What did not is told in ``trouble``.

        One thing at a time: a second click does nothing.
        """
        if self.busy:
            work.close()
            return False
        self.busy, self.done, self.trouble, self.problems = doing, "", None, {}
        try:
            await work
        except AtriumError as error:
            told = getattr(error, "problems", None) or ({error.field: error.message} if error.field else {})
            self.problems, self.trouble = told, error
        except Exception:
            log.exception("a dashboard failed")
            self.trouble = unexpected_error()
        finally:
            self.busy = ""
        return self.trouble is None

    async def quietly(self, work: Awaitable[object]) -> None:
        """Do something that nobody asked for; if it fails, nothing is told."""
        try:
            await work
        except AtriumError as error:
            log.info("not found out: %s", error.message)


def unexpected_error() -> AtriumError:
    """What the page shows for an exception that no code expected; the traceback is in the log."""
    return AtriumError("Something went wrong on our side.", hint="Try again. If the problem continues, report it.")


async def ask(question: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
    """Call the API while the page goes on answering."""
    return await asyncio.to_thread(question, *arguments, **options)


class Address(Text):
    """What stands behind ``#/`` in the page's address, told by the page's script: a link within a dashboard.

    The script takes it out of the address bar at once, so that the same link works twice and a code is not kept there.

    It also says ``WAITING`` while the page does not know its visitor. What a kernel changes in the moment between
    telling the page its widgets and the page listening to them is lost; if there is something to show, the page is told
    ``AGAIN``, and loads itself anew, once.
    """

    WAITING, AGAIN = "waiting", "again"

    def __init__(self, go: Callable[[str], object], state: State) -> None:
        super().__init__(_dom_classes=("page-address",))
        self._go = go
        self._state = state
        self.observe(self._arrived, "value")

    def _arrived(self, change: Any) -> None:
        if change.new in ("", self.AGAIN):
            return
        if change.new == self.WAITING:
            self.value = self.AGAIN if self._state.phase in (Phase.READY, Phase.EMPTY) else ""
            return
        self.value = ""
        self._go(change.new[:500])


class AfterAPause:
    """Does something once nobody has said :meth:`again` for some seconds."""

    def __init__(self, seconds: float, then: Callable[[], None]) -> None:
        self._seconds = seconds
        self._then = then
        self._timer: asyncio.TimerHandle | None = None

    def again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._then)


class View(VBox):
    """Shows one of: a skeleton, an error with a retry, or what the subclass draws.

    All text goes through :class:`markupsafe.Markup`'s ``format``, which escapes it.
    """

    loading = "Loading your data"

    def __init__(self, state: State, person: Visitor = visitor) -> None:
        self.state = state
        self.person = person
        self.text = HTML()
        self.retry = Button(description="Try again", tooltip="Load your data again")
        self.retry.on_click(lambda _: self.reload())
        super().__init__([self.text, self.retry, *self.controls()])
        state.observe(lambda _: self.draw())
        person.observe(lambda _: self.draw(), "farewell")
        person.observe(lambda _: self.reload(), "api")
        self.draw()
        if person.api is not None:
            self.reload()

    def controls(self) -> tuple[Any, ...]:
        """Further widgets of the view, below the text."""
        return ()

    def content(self) -> Markup:
        """The view when it is ready or empty."""
        raise NotImplementedError

    def reload(self) -> None:
        if self.person.api is not None:
            in_background(self.state.load(self.person.api))

    def do(self, doing: str, work: Work) -> None:
        """Something that a person asked for; what goes wrong is told on the page."""
        if self.person.api is not None:
            in_background(self.state.act(doing, work(self.person.api)))

    def doing(self, doing: str, work: Work) -> Callable[[], None]:
        """For a button."""
        return lambda: self.do(doing, work)

    def aside(self, work: Work) -> None:
        """Something that may fail without a word."""
        if self.person.api is not None:
            in_background(self.state.quietly(work(self.person.api)))

    def draw(self) -> None:
        """Bring the page in line with the state."""
        failed = self.state.phase is Phase.ERROR and not self.person.farewell
        self.retry.layout.display = "" if failed else "none"
        self.text.value = str(self._html())

    def _html(self) -> Markup:
        if self.person.farewell:
            return notice("warn", self.person.farewell)
        if self.state.phase is Phase.LOADING:
            return skeleton(self.loading)
        if self.state.phase is Phase.ERROR and self.state.problem is not None:
            return notice("bad", self.state.problem.message, self.state.problem.hint)
        return self.content()


def skeleton(words: str) -> Markup:
    """The loading state: grey bars at once, words for who listens (and, by the theme, for who waits)."""
    return Markup('<div class="skeleton" role="status"><i></i><i></i><i></i><p>{}…</p></div>').format(words)


def notice(kind: str, message: str, hint: str = "") -> Markup:
    """One sentence with a sign; errors are read out at once."""
    return Markup('<div class="notice {}" role="{}"><p>{} {}</p></div>').format(
        kind, "alert" if kind == "bad" else "status", message, hint
    )


def moment(when: datetime, show: str = "moment") -> Markup:
    """A time that the page's script turns into the reader's zone; without it, it stands as it is."""
    when = when.astimezone(UTC)
    return Markup('<time datetime="{}" data-show="{}">{:%d %b %Y, %H:%M} UTC</time>').format(
        when.isoformat(), show, when
    )


def table(heads: tuple[str, ...], rows: Any, caption: str = "") -> Markup:
    """Records; on a phone a list of label and value. Cells are text, or markup that was made as such."""
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup('<td data-label="{}"><span>{}</span></td>').format(head, cell)
                for head, cell in zip(heads, row, strict=True)
            )
        )
        for row in rows
    )
    return Markup('<table class="records">{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table>').format(
        Markup("<caption>{}</caption>").format(caption) if caption else "",
        Markup("").join(Markup('<th scope="col">{}</th>').format(head) for head in heads),
        body,
    )


def facts(rows: Any) -> Markup:
    """Label and value, empty ones left out; line ends of what somebody typed stay."""
    return Markup('<dl class="facts">{}</dl>').format(
        Markup("").join(
            Markup('<dt>{}</dt><dd class="typed">{}</dd>').format(label, value) for label, value in rows if value
        )
    )


def told(state: State) -> Markup:
    """What is being done, what did not work, or what was done last."""
    if state.busy:
        return Markup('<p class="quiet" role="status">{}…</p>').format(state.busy)
    if state.trouble is not None:
        return notice("bad", state.trouble.message, state.trouble.hint)
    return notice("ok", state.done) if state.done else Markup("")


def pdf_link(document: bytes, name: str) -> Markup:
    """A link that saves a PDF which is in the page already; nothing without one."""
    if not document:
        return Markup("")
    data = base64.b64encode(document).decode()
    return Markup(
        '<p role="status"><a class="button" download="{0}.pdf" href="data:application/pdf;base64,{1}">'
        "Download {0}</a></p>"
    ).format(name, data)


def empty(title: str, what: str, first_step: Markup | str = "") -> Markup:
    """The empty state: what this is for, and the first step."""
    return Markup('<section class="card empty"><h2>{}</h2><p>{}</p><p>{}</p></section>').format(title, what, first_step)
