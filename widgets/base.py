"""Base of all dashboards: the signed-in visitor, the state of a view, the view itself and small pieces of HTML."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from ipywidgets import HTML, Button, Text, VBox
from markupsafe import Markup
from traitlets import Dict, HasTraits, Instance, Int, Unicode, UseEnum

from hub import formats
from hub.client import Api
from hub.errors import AtriumError

log = logging.getLogger("atrium.widgets")

Answer = TypeVar("Answer")
Work = Callable[[Api], Coroutine[Any, Any, object]]
"""A coroutine that calls the API."""

_running: set[asyncio.Task[Any]] = set()


def in_background(work: Coroutine[Any, Any, Any]) -> None:
    """Run ``work`` as a task of the running loop, so that the view stays responsive."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)  # the loop keeps only a weak reference to a task
    task.add_done_callback(_running.discard)


class Visitor(HasTraits):
    """The person who uses this kernel, identified by their API token.

    The dashboards service calls :meth:`sign_in` when it delivers the page; a page that is rendered ahead has no visitor
    until then. In a person's own server the token comes from the environment.
    """

    api = Instance(Api, allow_none=True)
    farewell = Unicode(help="Message shown when the page ends.")

    def sign_in(self, token: str) -> None:
        """Store the token; called by the service over the kernel's socket."""
        self.api = Api.from_environment(token)

    def sign_in_from_environment(self) -> None:
        self.api = Api.from_environment()

    def leave(self, sentence: str) -> None:
        """Show a message; called by the service right before it ends the kernel."""
        self.farewell = sentence


visitor = Visitor()
"""The visitor of this kernel."""


class Phase(StrEnum):
    LOADING = "loading"
    READY = "ready"
    EMPTY = "empty"
    ERROR = "error"


LOOK = "look"
"""The question of a page that looks for changes by itself. An action supersedes it: the answer may be older."""


class Superseded(Exception):
    """The answer is to a question that a newer one has replaced; it must not be shown."""


class State(HasTraits):
    """The data that a view shows; independent of widgets. Subclasses implement :meth:`fetch`."""

    phase = UseEnum(Phase, Phase.LOADING)
    problem = Instance(AtriumError, allow_none=True, help="Error that prevents showing anything.")
    busy = Unicode(help="Description of the running action; empty if none runs.")
    trouble = Instance(AtriumError, allow_none=True, help="Error of the last action.")
    done = Unicode(help="Result of the last action, as a sentence.")
    problems = Dict(help="Field -> error message.")
    stored = Int(0, help="Counts: the API has stored what the person typed (widgets.typed_text).")

    def __init__(self) -> None:
        super().__init__()
        self._questions: dict[str, int] = {}
        self._running: set[str] = set()

    async def newest(self, kind: str, answer: Awaitable[Answer]) -> Answer:
        """Await the answer to the newest question of a kind.

        :raises Superseded: a newer one was asked meanwhile; also if this one failed.
        """
        number = self.supersede(kind)
        try:
            result = await answer
        except Exception as error:
            if number != self._questions[kind]:
                raise Superseded from error
            raise
        if number != self._questions[kind]:
            raise Superseded
        return result

    def supersede(self, kind: str) -> int:
        """Have the answers to all questions of a kind dropped that are not there yet; returns the next number."""
        self._questions[kind] = self._questions.get(kind, 0) + 1
        return self._questions[kind]

    async def once(self, key: str, work: Coroutine[Any, Any, object]) -> bool:
        """Await ``work`` unless work of the same key runs, as after a second press; returns whether it did."""
        if key in self._running:
            work.close()
            return False
        self._running.add(key)
        try:
            await work
        finally:
            self._running.discard(key)
        return True

    async def fetch(self, api: Api) -> Phase:
        """Fill the traits. Returns ``READY``, or ``EMPTY`` if there is nothing to show."""
        raise NotImplementedError

    async def load(self, api: Api) -> None:
        """Call :meth:`fetch` and set ``phase``; errors are stored in ``problem``."""
        self.phase = Phase.LOADING
        await self.attempt(self.fetch(api))

    async def attempt(self, work: Awaitable[Phase]) -> None:
        """Await ``work`` and set the phase that it returns, or ``ERROR``."""
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
        """Run an action and return whether it succeeded; an error is stored in ``trouble``.

        :param doing: description of the action, shown while it runs.

        Only one action runs at a time: a second one is dropped.
        """
        if self.busy:
            work.close()
            return False
        self.busy, self.done, self.trouble, self.problems = doing, "", None, {}
        try:
            await work
        except Superseded:
            log.debug("%s was replaced by something newer", doing)
        except AtriumError as error:
            problems = getattr(error, "problems", None) or ({error.field: error.message} if error.field else {})
            self.problems, self.trouble = problems, error
        except Exception:
            log.exception("a dashboard failed")
            self.trouble = unexpected_error()
        finally:
            self.supersede(LOOK)
            self.busy = ""
        return self.trouble is None

    async def quietly(self, work: Awaitable[object]) -> None:
        """Run a background action; an error is logged and not shown."""
        try:
            await work
        except Superseded:
            return
        except AtriumError as error:
            log.info("background action failed: %s", error.message)


def unexpected_error() -> AtriumError:
    """What the page shows for an exception that no code expected; the traceback is in the log."""
    return AtriumError("Something went wrong on our side.", hint="Try again. If the problem continues, report it.")


async def ask(question: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
    """Call the API in a thread, so that the kernel stays responsive."""
    return await asyncio.to_thread(question, *arguments, **options)


class Address(Text):
    """The part of the page's address after ``#/``, set by the page's script: a link within a dashboard.

    The script removes it from the address bar at once, so that the same link works twice and no code stays there.

    The script sends ``WAITING`` while the page has no visitor. A change that the kernel makes after it sends its
    widgets and before the page listens to them is lost. If there is something to show by then, the answer ``AGAIN``
    makes the page reload once.

    A link that is followed while the page loads or an action runs waits until that has ended; the last one wins.
    """

    WAITING, AGAIN = "waiting", "again"

    def __init__(self, go: Callable[[str], object], state: State, clicked: Callable[[], object] = lambda: None) -> None:
        """``clicked`` is called when a link of the page is followed, before ``go``."""
        super().__init__(_dom_classes=("page-address",))
        self._go = go
        self._clicked = clicked
        self._state = state
        self._next = ""
        self.observe(self._arrived, "value")
        state.observe(self._follow, ["busy", "phase"])

    def _arrived(self, change: Any) -> None:
        if change.new in ("", self.AGAIN):
            return
        if change.new == self.WAITING:
            self.value = self.AGAIN if self._state.phase is not Phase.LOADING else ""
            return
        self.value = ""
        self._clicked()
        self.follow(change.new[:500])

    def follow(self, address: str) -> None:
        """Go to an address of the dashboard now, or once it has loaded and the running action has ended."""
        self._next = address
        self._follow()

    def _follow(self, _: object = None) -> None:
        if self._next and not self._state.busy and self._state.phase is not Phase.LOADING:
            address, self._next = self._next, ""
            self._go(address)


class AfterAPause:
    """Debounces: calls ``then`` once :meth:`again` has not been called for ``seconds``."""

    def __init__(self, seconds: float, then: Callable[[], None]) -> None:
        self._seconds = seconds
        self._then = then
        self._timer: asyncio.TimerHandle | None = None

    def again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._then)


class View(VBox):
    """Shows a skeleton while loading, an error with a retry button, or the content of the subclass.

    All texts are inserted with :meth:`markupsafe.Markup.format`, which escapes them.
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
        """Run an action of the visitor; its error is shown on the page."""
        if self.person.api is not None:
            in_background(self.state.act(doing, work(self.person.api)))

    def doing(self, doing: str, work: Work) -> Callable[[], None]:
        """For a button."""
        return lambda: self.do(doing, work)

    def aside(self, work: Work) -> None:
        """Run a background action; its error is not shown."""
        if self.person.api is not None:
            in_background(self.state.quietly(work(self.person.api)))

    def draw(self) -> None:
        """Update the widgets from the state."""
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


def skeleton(text: str) -> Markup:
    """The loading state: grey bars, and a text for screen readers that the theme shows after a while."""
    return Markup('<div class="skeleton" role="status"><i></i><i></i><i></i><p>{}…</p></div>').format(text)


def notice(kind: str, message: str, hint: str = "") -> Markup:
    """A message box; screen readers announce errors (``bad``) at once."""
    return Markup('<div class="notice {}" role="{}"><p>{} {}</p></div>').format(
        kind, "alert" if kind == "bad" else "status", message, hint
    )


def moment(when: datetime, show: str = "moment") -> Markup:
    """A time element in UTC; the page's script shows it in the reader's time zone."""
    when = when.astimezone(UTC)
    return Markup('<time datetime="{}" data-show="{}">{}</time>').format(when.isoformat(), show, formats.moment(when))


def table(heads: tuple[str, ...], rows: Any, caption: str = "") -> Markup:
    """A table; on a phone a list of label and value. Cells are text (escaped) or Markup."""
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
    """A description list; empty values are left out, line breaks are kept."""
    return Markup('<dl class="facts">{}</dl>').format(
        Markup("").join(
            Markup('<dt>{}</dt><dd class="typed">{}</dd>').format(label, value) for label, value in rows if value
        )
    )


def activity(state: State) -> Markup:
    """The running action (``data-busy``: see typed_text.js), the last error, or the last result."""
    if state.busy:
        return Markup('<p class="quiet" role="status" data-busy>{}…</p>').format(state.busy)
    if state.trouble is not None:
        return notice("bad", state.trouble.message, state.trouble.hint)
    return notice("ok", state.done) if state.done else Markup("")


def pdf_link(document: bytes, name: str) -> Markup:
    """A download link with the PDF as a data URL; empty without a document."""
    if not document:
        return Markup("")
    data = base64.b64encode(document).decode()
    return Markup(
        '<p role="status"><a class="button" download="{0}.pdf" href="data:application/pdf;base64,{1}">'
        "Download {0}</a></p>"
    ).format(name, data)


def empty(title: str, what: str, first_step: Markup | str = "") -> Markup:
    """The empty state: what the page is for, and the first step."""
    return Markup('<section class="card empty"><h2>{}</h2><p>{}</p><p>{}</p></section>').format(title, what, first_step)
